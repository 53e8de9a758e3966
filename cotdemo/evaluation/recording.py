"""Recorded runs: what the page shows before any model has loaded. ``python -m cotdemo record`` makes them anew.

They are real runs of the shipped weights, stored as traces in ``assets/runs``; a trace holds its date and the hashes of
the weights that painted it, and a test repeats the runs and compares. Each is there for its story: the first seed is
taken that tells it, so that other weights find their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..backends import Backend, load_backend
from ..errors import UserError
from ..files import ASSETS
from ..run.events import Event
from ..run.story import ALL_STOPPED, MENDED, NOT_MENDED, ONE_LEFT, PLAIN, RANKED, SOME_STOPPED, is_right, story_of
from ..run.trace import Trace
from ..search import search

RUNS = ASSETS / "runs"
SEEDS = 400  # tried at most for one story


@dataclass(frozen=True)
class Recording:
    """One recorded run: the file it is kept in, what is asked for, and what is to happen."""

    name: str
    prompt: str
    method: str
    story: str
    right: bool = True  # whether the answer is to be right, as the checker has it
    seed: int = 0  # the first that is tried
    paths: int = 8
    repaint: str = "whole"

    def told_by(self, trace: Trace) -> bool:
        return (story_of(trace), is_right(trace)) == (self.story, self.right)


# One of each of GenEval's kinds; the first is what the page opens with.
RECORDINGS = (
    Recording("1-some-stopped", "a photo of a blue dog and a red car", "parm", SOME_STOPPED, seed=3),
    Recording("2-one-left", "a photo of two dogs", "parm", ONE_LEFT, paths=4),
    Recording("3-critique-helped", "a photo of two red apples", "parm++", MENDED, paths=4),
    Recording("4-all-stopped", "a photo of four boats", "parm", ALL_STOPPED, right=False),
    Recording("5-critique-did-not-help", "a photo of a pink horse and a black vase", "parm++", NOT_MENDED, False, 0, 4),
    Recording("6-two-objects", "a photo of a cat and a bicycle", "parm", SOME_STOPPED),
    Recording("7-position", "a photo of a dog right of a teddy bear", "prm", RANKED),
    Recording("8-colour", "a photo of a green bus", "orm", RANKED),
    Recording("9-plain", "a photo of an elephant", "baseline", PLAIN, paths=1),
    Recording("10-region", "a photo of a red cup and a blue book", "parm++", MENDED, paths=4, repaint="region"),
)


def perform(recording: Recording, backend: Backend, seed: int) -> Iterator[Event]:
    """The run of a recording, live."""
    asked = {"paths": recording.paths, "repaint": recording.repaint}
    return search(recording.method, backend, recording.prompt, seed=seed, **asked)


def record(recording: Recording, backend: Backend) -> Trace:
    """The first run that tells the story. Raises UserError where none of ``SEEDS`` seeds does."""
    for seed in range(recording.seed, recording.seed + SEEDS):
        trace = Trace.of(perform(recording, backend, seed))
        if recording.told_by(trace):
            return trace
    raise UserError(f"{recording.name}: none of {SEEDS} seeds tells “{recording.story}”. Choose another prompt.")


def main(arguments: argparse.Namespace) -> None:
    """Make all recorded runs anew."""
    backend = load_backend("mini")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for recording in RECORDINGS:
        trace = record(recording, backend)
        trace.save(arguments.out / f"{recording.name}.json")
        print(f"{recording.name}: seed {trace.started.settings.seed}, {len(trace.events)} events", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=RUNS, help="where the traces go (default: assets/runs)")
