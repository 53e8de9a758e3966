"""``python -m cotdemo eval --table``: measure what is missing of the ladder, each row kept as soon as it is there.

Rows that are named by ``--rows`` are measured whether they are there or not: so anyone can reproduce one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..backends import MiniBackend
from ..errors import UserError
from .ladder import SHIPPED, Ladder
from .pool import FOLDER
from .pooling import Maker, budget
from .rows import ROWS, Row
from .rungs import NotMeasured, Workbench, measure

FILE = Path("assets/ladder.json")
LIVE = Path("runs/ladder")
SAMPLE = 4  # prompts by which the hours of a live row are told


@dataclass(frozen=True)
class Task:
    """A row to be measured; ``refused`` says why it cannot be."""

    row: Row
    bench: Workbench
    weights: Mapping[str, str]
    refused: str = ""


def tasks(ladder: Ladder, benches: Sequence[Workbench], rows: Sequence[Row], again: bool = False) -> Iterator[Task]:
    """What is missing of ``rows``, or with ``again`` all of them.

    Of the shipped weights every row, of other training seeds those with weights of their own; ``benches`` are those of
    every training seed, the shipped ones first.
    """
    for bench in benches:
        for row in rows:
            try:
                weights = bench.weights(row)
            except UserError as error:
                if bench.label == SHIPPED:
                    yield Task(row, bench, {}, str(error))
                continue
            shipped = ladder.of(SHIPPED).get(row.name, {}).get("weights")
            before = ladder.of(bench.label).get(row.name)
            same = bench.label != SHIPPED and weights == shipped
            there = before and not before["missing"] and before["weights"] == weights
            if not same and (again or not there):
                yield Task(row, bench, weights)


def climb(ladder: Ladder, benches: Sequence[Workbench], rows: Sequence[Row] = ROWS, again: bool = False) -> None:
    """Measure what is missing of ``rows``, or all of them, one after another, writing the table after each."""
    for task in tasks(ladder, benches, rows, again):
        row, bench, why, measured = task.row, task.bench, task.refused, None
        if not why:
            bench.status(f"{row.label} ({bench.label})")
            try:
                measured = measure(row, bench, ladder.of(SHIPPED) | ladder.of(bench.label))
            except NotMeasured as error:
                why = str(error)
        ladder.put(row, bench.label, task.weights, measured, why)


# -- how long it takes


def plan(
    ladder: Ladder, benches: Sequence[Workbench], rows: Sequence[Row], again: bool = False
) -> Iterator[tuple[str, float | None]]:
    """What is to be done and how many hours it takes, by a short sample of each kind of work, which is kept.

    None where it cannot be told, as the row that it refers to has not run yet.
    """
    makers: dict[tuple[str, str], Maker] = {}
    for task in tasks(ladder, benches, rows, again):
        row, bench = task.row, task.bench
        if task.refused:
            yield f"{row.label}: {task.refused}", 0.0
        elif row.live:
            hours = _live_hours(row, bench)
            told = "not known before the row that it refers to" if hours is None else f"{hours:.2f} hours"
            yield f"{row.label} ({bench.label}), live: {told}", hours
        else:
            key, maker = (bench.label, row.model), bench.maker(row)
            before = makers.setdefault(key, maker)
            verifiers = list(dict.fromkeys([*before.verifiers, *maker.verifiers]))
            makers[key] = Maker(maker.pool, max(before.paths, maker.paths), verifiers)
    for (label, model), maker in makers.items():
        missing = budget(maker, ladder.entries)
        yield f"pool of {model} ({label}): {missing}", missing.hours


def _live_hours(row: Row, bench: Workbench) -> float | None:
    """By some prompts that are not done, from kind to kind, as one is repainted more often than another."""
    try:
        runner = bench.runner(row)
    except NotMeasured:
        return None
    with bench.open(row) as journal:
        left = [entry for entry in bench.entries if (entry.index, entry.sample) not in journal.records]
        sample, begun = left[:: max(len(left) // SAMPLE, 1)][:SAMPLE], time.perf_counter()
        for _ in runner.run(sample, journal):
            pass
    each = (time.perf_counter() - begun) / max(len(sample), 1)
    return (len(left) - len(sample)) * each / 3600


# -- the command


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """``eval --table``; ``backend`` has the shipped weights, or those of ``--assets``."""
    from .tables import ladder_table

    ladder = Ladder(options.json or FILE, options.split, options.seed, options.limit)
    rows, again = chosen(options.rows), options.rows is not None
    backends = {SHIPPED: backend} | training_seeds(options.training_seed)
    benches = [
        Workbench(one, label, options.split, options.seed, ladder.entries, FOLDER, LIVE, say)
        for label, one in backends.items()
    ]
    if options.dry_run:
        hours = []
        for what, one in plan(ladder, benches, rows, again):
            print(what, flush=True)
            hours.append(one or 0.0)
        print(f"about {sum(hours):.1f} hours in all")
        return
    try:
        climb(ladder, benches, rows, again)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Stopped; measured rows and whole prompts are kept. The same command goes on."
        ) from None
    print(ladder_table(ladder.file))


def chosen(names: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows of these names, all by default. Raises UserError for a name that is none."""
    known = {row.name: row for row in ROWS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UserError(f"There is no row {ascii(unknown[0])[:40]}; there are {', '.join(known)}.")
    return tuple(row for row in ROWS if names is None or row.name in names)


def training_seeds(given: Sequence[str] | None) -> dict[str, MiniBackend]:
    """LABEL=DIR -> the weights in DIR. Raises UserError for another form and for a folder without weights."""
    found = {}
    for one in given or ():
        label, sign, folder = one.partition("=")
        if not (sign and label and label != SHIPPED and folder):
            raise UserError(f"A training seed is written LABEL=DIR, with any label but {SHIPPED}: 2=runs/seed2/mini.")
        found[label] = MiniBackend(root=Path(folder))
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
