"""``python -m cotdemo geneval prompts DIR | score DIR``: the benchmark's official files, and its score of pictures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..files import check_writable
from ..geneval.prompts import write

if TYPE_CHECKING:
    from ..geneval.results import Results
    from ..geneval.scorer import Scorer

TOLD_EVERY = 30  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("prompts", "score"), help="prompts: write the two official files; score: judge pictures")
    add("folder", type=Path, metavar="DIR", help="where the files go, or pictures are in GenEval's folder layout")
    add("--out", type=Path, metavar="FILE", help="result lines, which it also goes on from (DIR/results.jsonl)")
    add("--detector", default="official", help="official (default) | approximate: facebook's weights, other scores")
    add("--weights", type=Path, metavar="FILE", help="the official detector's .pth, if it is here")
    add("--assets", type=Path, metavar="DIR", help="a folder with that file and the Hub's repositories")
    add("--device", help="cpu, cuda, cuda:1, mps, xpu, ...; by default an accelerator if there is one")


def main(options: argparse.Namespace) -> None:
    """``python -m cotdemo geneval``."""
    if options.what == "prompts":
        for file in write(options.folder):
            print(f"{file}: {file.stat().st_size:,} bytes", flush=True)
        return
    score(options)


def score(options: argparse.Namespace) -> None:
    """Score a folder's pictures, or those that have no result yet, and sum all results up."""
    from ..geneval.folder import samples

    pictures = samples(options.folder)
    file = options.out or options.folder / "results.jsonl"
    check_writable(file.parent)

    from transformers.utils.logging import disable_progress_bar

    from ..backends.scorer import load_scorer
    from ..geneval.results import Results, summary

    disable_progress_bar()  # weights are read in a moment; downloads still show how far they are
    scorer = load_scorer(options.detector, options.device, options.assets, options.weights, say)
    results = Results(file, pictures, scorer.detector)
    try:
        unread = _score_all(results, scorer)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped; {file} keeps what is scored. The same command goes on.") from None
    print(summary(results.finish()))
    print(f"Detector: {scorer.detector}. Wrote {file}.", flush=True)
    if unread:
        raise UserError(
            f"{len(unread)} of {len(pictures)} pictures could not be read and are in no figure above: {unread[0]} "
            "Mend them; the same command then scores them."
        )


def _score_all(results: Results, scorer: Scorer) -> list[str]:
    """Score what is left, a line a picture; returns, in words, which could not be read."""
    from ..geneval.folder import picture

    left, unread = results.left, []
    say(f"{len(results.samples) - len(left)} of {len(results.samples)} pictures have their results")
    begun = told = time.monotonic()
    with results:
        for number, sample in enumerate(left, 1):
            try:
                image = picture(sample.file)
            except UserError as error:
                unread.append(str(error))
                say(str(error))
                continue
            verdict = scorer.score(sample.metadata, image)
            results.add(sample, verdict)
            by = "" if verdict.detector == "official" else f" [{verdict.detector}]"
            print(f"{'/'.join(sample.place)} {sample.metadata['tag']}: {verdict.words}{by}", flush=True)
            now = time.monotonic()
            if now - told > TOLD_EVERY:
                told, rate = now, (now - begun) / number
                say(f"{number} of {len(left)}, {rate:.2f} s each, {(len(left) - number) * rate / 60:.0f} min left")
    return unread


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
