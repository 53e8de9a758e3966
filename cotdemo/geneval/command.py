"""``python -m cotdemo geneval prompts DIR``: the benchmark's official files, drawn again."""

from __future__ import annotations

import argparse
from pathlib import Path

from .prompts import write


def main(arguments: argparse.Namespace) -> None:
    """Write GenEval's prompts and metadata."""
    for file in write(arguments.folder):
        print(f"{file}: {file.stat().st_size:,} bytes", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("prompts",), help="prompts: generation_prompts.txt, evaluation_metadata.jsonl")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the files go")
