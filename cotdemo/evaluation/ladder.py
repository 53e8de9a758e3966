"""``python -m cotdemo eval --table``: every row of the ladder, from a pool by replay, or live where it repaints.

A row depends on the weights it names; as long as these are unchanged it is not measured again, unless ``--rows`` names
it: so anyone can reproduce one. Rows of other training seeds stand beside the shipped ones, under the label of the
folder their weights came from. A row keeps for every prompt whether it was right, so that all differences follow from
the file alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from ..backends import MiniBackend
from ..compute.hardware import describe, in_words
from ..errors import UserError
from ..files import headed, write_json
from ..geneval.folder import Entry
from ..run.narration import say
from ..search.protocols import PARTS
from ..settings import BACKENDS, PATHS, Settings
from .entries import fingerprint, of_split, select
from .pool import FOLDER, Maker, Pool, Status, budget, fill
from .records import Journal, Record, load
from .report import COSTS, RULES, begun, cost, summarise
from .results import (
    DIFFERENCES,
    LADDER,
    PLAIN,
    ROWS,
    SHIPPED,
    VERSION,
    Difference,
    Row,
    aligned,
    ladder_markdown,
    read_ladder,
    row_named,
    values,
)
from .runner import Order, Runner, replay
from .statistics import estimates

FILE = Path("assets/ladder.json")
LIVE = Path("runs/ladder")
SAMPLE = 4  # prompts by which the hours of a live row are told
Done = Mapping[str, Mapping[str, Any]]  # rows of the table by name
Replays = Callable[[int], list[Record]]  # paths -> records of all prompts


class NotMeasured(UserError):
    """A row has no figure, for a reason that its reader should know."""


@dataclass(frozen=True)
class Outcome:
    """Whether the images of one choice for each prompt were right; a row is the mean of its outcomes by share."""

    share: float
    paths: float  # that were begun in the first round, a mean where prompts differ
    right: Mapping[str, str]  # rule -> one character for each prompt: 1 or 0

    @classmethod
    def of(cls, records: Sequence[Record], share: float = 1.0) -> Outcome:
        right = {rule: bits(is_right(record.final) for record in records) for rule, is_right in RULES.items()}
        return cls(share, begun(records), right)


@dataclass
class Measured:
    """What a row came to."""

    outcomes: list[Outcome]
    cost: Mapping[str, Any]  # means of a prompt
    summary: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[Record], *told: str) -> Measured:
        """What one winner for each prompt came to, with those parts of its summary that are ``told``."""
        summary = summarise(records)
        return cls([Outcome.of(records)], means(records), {name: summary[name] for name in told})

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a row of the table."""
        outcomes = [{"share": one.share, "paths": one.paths, **one.right} for one in self.outcomes]
        return {"outcomes": outcomes, "cost": self.cost, **self.summary}


def bits(right: Iterable[bool]) -> str:
    return "".join("1" if one else "0" for one in right)


# -- one row


@dataclass
class Workbench:
    """What rows are measured with: one training seed's weights, and where pools and live evaluations are kept."""

    backend: MiniBackend
    label: str
    split: str
    seed: int
    entries: Sequence[Entry]
    pools: Path
    live: Path
    status: Status
    _opened: dict[str, Pool] = field(default_factory=dict)

    def pool(self, model: str) -> Pool:
        if model not in self._opened:
            self._opened[model] = Pool(self.backend, model, self.split, self.seed, folder=self.pools)
        return self._opened[model]

    def weights(self, row: Row) -> dict[str, str]:
        """Hashes of all that a row depends on. Raises UserError where a model is not offered or weights miss."""
        Settings.checked("a row", row.method, self.backend.name, row.model)
        found: dict[str, str] = {}
        for model in row.models:
            found |= self.backend.weights_of(model)
        for verifier in row.verifiers:
            found |= self.backend.weights_of(verifier=verifier)
        other = row.as_costly_as or row.beside
        return found | (self.weights(row_named(other)) if other else {})

    def maker(self, row: Row) -> Maker:
        """Makes what a row needs of its pool."""
        most = PATHS[1] if row.as_costly_as else max(row.paths, row.images)
        return Maker(self.pool(row.model), most, row.verifiers)

    def runner(self, row: Row) -> Runner:
        """Runs a row that repaints. Raises NotMeasured where the row it refers to is not there."""
        backend = copy(self.backend)
        backend.weights = self.weights(row)  # those only that the row depends on
        base = Settings.checked(
            "a row", row.method, backend.name, row.model, paths=row.paths, seed=self.seed, repaint=row.repaint,
            checklist=False,
        )  # fmt: skip
        return Runner(backend, base, critique=row.critique, beside=self.records(row.beside) if row.beside else None)

    def journal(self, row: Row) -> Path:
        """Where a live row's records are kept; other weights, another file."""
        what = json.dumps([self.weights(row), [entry.index for entry in self.entries], self.seed], sort_keys=True)
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        return self.live / f"{row.name}-{self.label}-{self.split}-seed{self.seed}-{digest}.json"

    def records(self, name: str) -> Path:
        """The finished file of another live row. Raises NotMeasured where it is not there."""
        file = self.journal(row_named(name))
        if not file.exists():
            raise NotMeasured(f"the records of the row {name} ({file}) are not there")
        return file

    def open(self, row: Row) -> Journal:
        """What a live row has recorded so far."""
        runner = self.runner(row)
        asked = runner.base.as_dict() | {
            "critique": row.critique,
            "beside": runner.beside and runner.beside.name,
            "weights": runner.backend.weights,
        }
        return Journal(self.journal(row), asked, resume=True)


def measure(row: Row, bench: Workbench, done: Done) -> Measured:
    """Measure one row; ``done`` are the rows of the same training seed before it.

    What a row refers to by its records runs before it. Raises NotMeasured where that whose cost decides is not among
    ``done``, or has no equal.
    """
    if row.beside and not bench.journal(row_named(row.beside)).exists():
        _live(row_named(row.beside), bench)
    if row.live:
        return _live(row, bench)
    pool, maker = bench.pool(row.model), bench.maker(row)
    repainted = _paths_beside(row, bench) if row.beside else {}
    fill(maker, bench.entries, bench.status)
    for paths in sorted({count for count in repainted.values() if count > maker.paths}):
        of_it = [entry for entry in bench.entries if repainted[entry.index] == paths]
        fill(replace(maker, paths=paths), of_it, bench.status)
    if row.method == "baseline":
        return _plain(row, pool, bench.entries)
    if row.as_costly_as:
        runs = replays(pool, bench.entries, row.method)
        return at_compute(runs, _operations(row.as_costly_as, done), PATHS[1])
    rules = {"judge_from": row.judge_from, "stopping": row.stopping}
    paths_of = lambda entry: repainted.get(entry.index, row.paths)  # noqa: E731
    return Measured.of([replay(pool, one, row.method, paths_of(one), **rules) for one in bench.entries], "pruning")


def _operations(name: str, done: Done) -> float:
    if name not in done or done[name]["missing"]:
        raise NotMeasured(f"the row {name} is to be measured before")
    return sum(done[name]["cost"]["operations"].values())


def _paths_beside(row: Row, bench: Workbench) -> dict[int, int]:
    """Prompt -> paths that the row it stands beside painted in all rounds together."""
    _, records = load(bench.records(row.beside))
    return {record.index: sum(len(one.paths) for one in record.rounds) for record in records}


def _plain(row: Row, pool: Pool, entries: Sequence[Entry]) -> Measured:
    """The first images of each prompt, each counting its share."""
    truths = pool.truths(entries)
    outcomes = [
        Outcome(1 / row.images, 1, {rule: bits(truth[path] for truth in of) for rule, of in truths.items()})
        for path in range(row.images)
    ]
    return Measured(outcomes, means([replay(pool, entry, "baseline", 1) for entry in entries]))


def replays(pool: Pool, entries: Sequence[Entry], method: str, order: Order = None) -> Replays:
    """Best of N by N, each replayed once."""
    return cache(lambda paths: [replay(pool, entry, method, paths, order) for entry in entries])


def at_compute(runs: Replays, operations: float, most: int) -> Measured:
    """Best of N at a given mean of counted operations, N at most ``most``.

    That falls between two numbers of paths. Choosing for each prompt the larger one with the probability at which the
    mean is met exactly, the expected accuracy is the mean of both by these shares, which is what the row reports.
    """

    def spent(paths: int) -> float:
        return sum(means(runs(paths))["operations"].values())

    low, high = PATHS[0], most
    if not spent(low) <= operations <= spent(high):
        raise NotMeasured(
            f"{operations / 1e9:.1f} GFLOP are not between those of {low} path and of {high} "
            f"({spent(low) / 1e9:.1f} and {spent(high) / 1e9:.1f})"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if spent(middle) <= operations else (low, middle)
    share = (operations - spent(low)) / (spent(high) - spent(low))
    both = {low: 1 - share, high: share}
    mixed = _mixed([means(runs(paths)) for paths in both], list(both.values()))
    return Measured([Outcome.of(runs(paths), part) for paths, part in both.items()], mixed)


def _live(row: Row, bench: Workbench) -> Measured:
    runner = bench.runner(row)
    with bench.open(row) as journal:
        missing = sum(entry.place not in journal.records for entry in bench.entries)
        for number, _ in enumerate(runner.run(bench.entries, journal), 1):
            if number % 20 == 1:
                bench.status(f"{row.label}: {number} of {missing}")
    places = [entry.place for entry in bench.entries]
    journal.finish(places)
    return Measured.of([journal.records[place] for place in places], "pruning", "reflection", "critiques")


def means(records: Sequence[Record]) -> dict[str, Any]:
    """What a prompt costs."""
    return cost(records, mean, 4)


def _mixed(costs: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> dict[str, Any]:
    def mixed(values: Iterable[float]) -> float:
        return sum(share * value for share, value in zip(shares, values))

    return {
        "operations": {part: mixed(one["operations"][part] for one in costs) for part in PARTS},
        **{name: round(mixed(one[name] for one in costs), 4) for name in COSTS},
    }


# -- the file


class Ladder:
    """The file of the table: rows by name and training seed. Raises UserError for a file of another evaluation."""

    def __init__(self, file: Path, split: str, seed: int, limit: int | None):
        self.file = file
        self.entries = select(of_split(split), limit)
        defaults = {name: BACKENDS["mini"].defaults[name] for name in ("steps", "guidance", "temperature")}
        self.asked = {"prompts": f"{split} {fingerprint(of_split(split))}", "limit": limit, "seed": seed, **defaults}
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        if file.exists():
            content = read_ladder(file)
            if content["asked"] != self.asked:
                raise UserError(f"{file} is of other prompts or settings: name another file.")
            self.rows = {(row["name"], row["training_seed"]): row for row in content["rows"]}

    def of(self, label: str) -> dict[str, dict[str, Any]]:
        """The rows of one training seed by name."""
        return {name: row for (name, seed), row in self.rows.items() if seed == label}

    def put(
        self, row: Row, label: str, weights: Mapping[str, str], measured: Measured | None, missing: str = ""
    ) -> None:
        """Keep a row, or why it is missing, and write the file."""
        entry = {
            "name": row.name, "label": row.label, "training_seed": label, "method": row.method, "model": row.model,
            "paths": row.paths, "paper": row.paper, "weights": dict(weights), "missing": missing,
        }  # fmt: skip
        if measured:
            entry["paths"] = round(sum(one.share * one.paths for one in measured.outcomes), 2)
            entry |= {**measured.as_dict(), "hardware": in_words(describe())}
            entry["accuracy"] = {rule: estimates(values(entry, rule), self.entries) for rule in RULES}
        self.rows[row.name, label] = entry
        self._save()

    def differences(self) -> list[dict[str, Any]]:
        """All differences whose rows are there, for the shipped weights and for every training seed."""
        labels = dict.fromkeys(label for _, label in self.rows)
        return [found for one in DIFFERENCES for label in labels if (found := self._difference(one, label)) is not None]

    def _difference(self, one: Difference, label: str) -> dict[str, Any] | None:
        own = [(name, label) in self.rows for name in (one.of, one.minus)]
        # what does not depend on a training seed is the shipped row
        ends = [self.rows.get((name, label)) or self.rows.get((name, SHIPPED)) for name in (one.of, one.minus)]
        if not any(own) or any(row is None or row["missing"] for row in ends):
            return None
        a, b = ends
        return {
            "label": one.label,
            "training_seed": label,
            "of": one.of,
            "minus": one.minus,
            "paper": one.paper,
            **self._less(a, b),
        }

    def _with_gain(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of the shipped weights with what it gains over the plain generator."""
        plain = self.rows.get((PLAIN, SHIPPED))
        if row["missing"] or row["training_seed"] != SHIPPED or row is plain or plain is None or plain["missing"]:
            return row
        return row | {"gain": self._less(row, plain)}

    def _less(self, row: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        """By both rules, how much more often ``row`` is right than ``other``, prompt by prompt."""
        return {rule: estimates(np.subtract(values(row, rule), values(other, rule)), self.entries) for rule in RULES}

    def _save(self) -> None:
        order = {row.name: place for place, row in enumerate(ROWS)}
        rows = sorted(self.rows.values(), key=lambda row: (row["training_seed"] != SHIPPED, row["training_seed"],
                                                           order.get(row["name"], len(order))))  # fmt: skip
        kinds = list(dict.fromkeys(entry.kind for entry in self.entries))
        found = {"asked": self.asked, "kinds": kinds, "differences": self.differences()}
        found["rows"] = [self._with_gain(row) for row in rows]
        write_json(self.file, headed(LADDER, VERSION, **found))


# -- what is to be done


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


def measure_rows(ladder: Ladder, benches: Sequence[Workbench], rows: Sequence[Row] = ROWS, again: bool = False) -> None:
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
        left = [entry for entry in bench.entries if entry.place not in journal.records]
        sample, begun = left[:: max(len(left) // SAMPLE, 1)][:SAMPLE], time.perf_counter()
        for _ in runner.run(sample, journal):
            pass
    each = (time.perf_counter() - begun) / max(len(sample), 1)
    return (len(left) - len(sample)) * each / 3600


# -- the command


def main(options: argparse.Namespace, backend: MiniBackend) -> None:
    """``eval --table``; ``backend`` has the shipped weights, or those of ``--assets``."""
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
        measure_rows(ladder, benches, rows, again)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Stopped; measured rows and whole prompts are kept. The same command goes on."
        ) from None
    print(aligned(ladder_markdown(ladder.file)))


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
