"""``python -m cotdemo geneval prompts DIR | score DIR``: the benchmark's official files, and its score of images."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..files import check_writable
from ..geneval.folder import Sample, read_image, samples
from ..geneval.metadata import checked
from ..geneval.prompts import write
from ..geneval.results import Results, summary
from ..geneval.verdict import OFFICIAL
from .entries import Entry, image_file
from .records import say

if TYPE_CHECKING:
    from ..geneval.scorer import Scorer

RESULTS = "results.jsonl"  # in a folder of images
TOLD_EVERY = 30  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("prompts", "score"), help="prompts: write the two official files; score: judge images")
    add("folder", type=Path, metavar="DIR", help="where the files go, or images are in GenEval's folder layout")
    add("--out", type=Path, metavar="FILE", help="result lines, which it also goes on from (DIR/results.jsonl)")
    add("--detector", default=OFFICIAL, help="official (default) | approximate: facebook's weights, other scores")
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
    """Score a folder's images, or those that have no result yet, and sum all results up."""
    images = samples(options.folder)
    file = options.out or options.folder / RESULTS
    check_writable(file.parent)

    from transformers.utils.logging import disable_progress_bar

    from ..backends.scorer import load_scorer

    disable_progress_bar()  # weights are read in a moment; downloads still show how far they are
    scorer = load_scorer(options.detector, options.device, options.assets, options.weights, say)
    score_rest(file, images, scorer)


def score_rest(file: Path, images: Sequence[Sample], scorer: Scorer) -> None:
    """Score those images that have no result in ``file`` yet, write it whole, and print the summary.

    Raises UserError, once all others are scored and summed up, where images could not be read.
    """
    results = Results(file, images, scorer.detector)
    try:
        unread = _score_each(results, scorer)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped; {file} keeps what is scored. The same command goes on.") from None
    print(summary(results.finish()))
    print(f"Detector: {scorer.detector}. Wrote {file}.", flush=True)
    if unread:
        raise UserError(
            f"{len(unread)} of {len(images)} images could not be read and are in no figure above: {unread[0]} "
            "Mend them; the same command then scores them."
        )


def _score_each(results: Results, scorer: Scorer) -> list[str]:
    """Score what is left, a line an image; returns, in words, which could not be read."""
    left, unread = results.left, []
    say(f"{len(results.samples) - len(left)} of {len(results.samples)} images have their results")
    begun = told = time.monotonic()
    with results:
        for number, sample in enumerate(left, 1):
            try:
                image = read_image(sample.file)
            except UserError as error:
                unread.append(str(error))
                say(str(error))
                continue
            verdict = scorer.score(sample.metadata, image)
            results.add(sample, verdict)
            by = "" if verdict.detector == OFFICIAL else f" [{verdict.detector}]"
            print(f"{'/'.join(sample.place)} {sample.metadata['tag']}: {verdict.words}{by}", flush=True)
            now = time.monotonic()
            if now - told > TOLD_EVERY:
                told, rate = now, (now - begun) / number
                say(f"{number} of {len(left)}, {rate:.2f} s each, {(len(left) - number) * rate / 60:.0f} min left")
    return unread


def check(entries: Sequence[Entry]) -> None:
    """Raise UserError for a prompt that GenEval's rules cannot be applied to."""
    for entry in entries:
        try:
            checked(entry.metadata)
        except UserError as error:
            raise UserError(
                f"GenEval cannot score prompt {entry.index}, {ascii(entry.prompt)[:80]}: {error}."
            ) from None


class AsPainted:
    """Scores an evaluation's images as they are painted into ``out``, beside what is there already.

    Raises UserError as ``Results`` does.
    """

    def __init__(self, out: Path, entries: Sequence[Entry], scorer: Scorer):
        planned = [Sample(image_file(out, entry), entry.metadata) for entry in entries]
        there = samples(out) if any(out.glob("*/samples/*.png")) else []
        every = {sample.place: sample for sample in (*there, *planned)}
        self.out, self.scorer = out, scorer
        self.results = Results(out / RESULTS, list(every.values()), scorer.detector)

    def __enter__(self) -> AsPainted:
        self.results.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.results.__exit__(*raised)

    def __call__(self, entry: Entry, image: np.ndarray) -> None:
        """Score one image, which lies in its file."""
        sample = Sample(image_file(self.out, entry), entry.metadata)
        self.results.add(sample, self.scorer.score(entry.metadata, image))

    def finish(self) -> None:
        """Score what was painted before, and sum up."""
        score_rest(self.results.file, samples(self.out), self.scorer)
