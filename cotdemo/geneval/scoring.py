"""GenEval's score of a folder's images: all at once, or as they are painted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..run.narration import say
from .folder import Entry, Sample, image_file, read_image, samples
from .metadata import checked
from .results import Results, summary
from .verdict import OFFICIAL

if TYPE_CHECKING:
    from .scorer import Scorer

RESULTS = "results.jsonl"  # in a folder of images
REPORT_EVERY = 30  # seconds


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
            if now - told > REPORT_EVERY:
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
