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
from ..backends.metered import Instrumented, Prices
from ..errors import UserError
from ..files import ASSETS, write_json
from ..run.events import Event
from ..run.story import ALL_STOPPED, MENDED, NOT_MENDED, ONE_LEFT, PLAIN, RANKED, SOME_STOPPED, is_right, story_of
from ..run.trace import Trace
from ..search import search
from ..world.faults import MALFORMED

RUNS = ASSETS / "runs"
COMPARISON = ASSETS / "comparison"
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


# What the Compare tab opens with: one prompt painted in all these ways, from the first seed at which the plain
# generator errs and each way of choosing comes out right.
COMPARED_PROMPT = "a photo of two dogs"
COMPARED = {  # by name: method, model, paths
    "1-baseline": ("baseline", "base", 1),
    "2-baseline-dpo-iter": ("baseline", "dpo-iter", 1),
    "3-orm": ("orm", "base", 8),
    "4-parm": ("parm", "base", 8),
    "5-parm++": ("parm++", "base", 8),
}
COMPARED_RIGHT = {"1-baseline": False, "3-orm": True, "4-parm": True, "5-parm++": True}


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


def compared(name: str, backend: Backend, seed: int) -> Iterator[Event]:
    """A run of the comparison, live."""
    method, model, paths = COMPARED[name]
    return search(method, backend, COMPARED_PROMPT, seed=seed, model=model, paths=paths)


def record_comparison(backend: Backend) -> tuple[dict[str, Trace], dict[str, int]]:
    """The runs that are compared, by name, and their counted operations. Raises UserError where no seed will do."""
    prices = Prices()
    metered = Instrumented(backend, prices)
    for seed in range(SEEDS):
        traces, operations = {}, {}
        for name in COMPARED:
            before = dict(prices.totals)
            traces[name] = Trace.of(compared(name, metered, seed))
            operations[name] = sum(prices.since(before).values())
            checked = traces[name].state.answer_path.checked
            malformed = checked is not None and MALFORMED in checked.reason  # nobody could see what is counted
            if malformed or COMPARED_RIGHT.get(name) not in (None, is_right(traces[name])):
                break
        else:
            return traces, operations
    raise UserError(f"None of {SEEDS} seeds paints “{COMPARED_PROMPT}” as it is to come out. Choose another prompt.")


def main(arguments: argparse.Namespace) -> None:
    """Make all recorded runs anew."""
    backend = load_backend("mini")
    for folder in (arguments.out / RUNS.name, arguments.out / COMPARISON.name):
        folder.mkdir(parents=True, exist_ok=True)
    if not arguments.comparison:
        for recording in RECORDINGS:
            save(record(recording, backend), arguments.out / RUNS.name / f"{recording.name}.json")
    traces, operations = record_comparison(backend)
    for name, trace in traces.items():
        save(trace, arguments.out / COMPARISON.name / f"{name}.json")
    write_json(arguments.out / f"{COMPARISON.name}.json", {"operations": operations})


def save(trace: Trace, path: Path) -> None:
    trace.save(path)
    print(f"{path.stem}: seed {trace.started.settings.seed}, {len(trace.events)} events", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=ASSETS, metavar="DIR", help="a folder as assets, for the traces (default: that)"
    )
    parser.add_argument("--comparison", action="store_true", help="only what the Compare tab opens with")
