"""Recorded runs: what the page shows before any model has loaded. ``python -m cotdemo record`` makes them anew.

They are real runs of the shipped weights, stored as traces in ``assets/runs``; a trace holds its date and the hashes of
the weights that painted it, and a test repeats the runs and compares.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .backends import Backend, load_backend
from .events import Event
from .search import search
from .trace import Trace

RUNS = Path(__file__).parents[1] / "assets" / "runs"


@dataclass(frozen=True)
class Recording:
    """One recorded run: the file it is kept in and what was asked for."""

    name: str
    prompt: str
    method: str
    seed: int
    paths: int = 8


RECORDINGS = (Recording("1-three-hearts", "a photo of three hearts", "parm", seed=4),)


def perform(recording: Recording, backend: Backend) -> Iterator[Event]:
    """The run of a recording, live."""
    return search(recording.method, backend, recording.prompt, paths=recording.paths, seed=recording.seed)


def main(arguments: argparse.Namespace) -> None:
    """Make all recorded runs anew."""
    backend = load_backend("mini")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for recording in RECORDINGS:
        trace = Trace.of(perform(recording, backend))
        trace.save(arguments.out / f"{recording.name}.json")
        print(f"{recording.name}: {len(trace.events)} events", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=RUNS, help="where the traces go (default: assets/runs)")
