"""One rung of the ladder measured: from a pool by replay, or live where it repaints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

from ..backends import MiniBackend
from ..errors import UserError
from ..settings import PATHS, Settings
from .entries import Entry
from .journal import Journal, load
from .pool import Pool
from .pooling import Maker, fill
from .records import PARTS, Record
from .replay import replay
from .report import RULES, summarise
from .rows import ROWS, Row
from .runner import Runner

Status = Callable[[str], None]
Done = Mapping[str, Mapping[str, Any]]  # rows of the table by name
Replays = Callable[[int], list[Record]]  # paths -> records of all prompts


class NotMeasured(UserError):
    """A row has no figure, for a reason that its reader should know."""


@dataclass(frozen=True)
class Outcome:
    """Whether the pictures of one choice for each prompt were right; a row is the mean of its outcomes by share."""

    share: float
    paths: float  # of the first round, a mean where prompts differ
    right: Mapping[str, str]  # rule -> one character for each prompt: 1 or 0

    @classmethod
    def of(cls, records: Sequence[Record], share: float = 1.0) -> Outcome:
        paths = mean(len(record.rounds[0].paths) for record in records)
        return cls(share, paths, {rule: bits(is_right(r.final) for r in records) for rule, is_right in RULES.items()})


@dataclass
class Measured:
    """What a row came to."""

    outcomes: list[Outcome]
    cost: Mapping[str, Any]  # means of a prompt
    summary: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a row of the table."""
        outcomes = [{"share": one.share, "paths": one.paths, **one.right} for one in self.outcomes]
        return {"outcomes": outcomes, "cost": self.cost, **self.summary}


def bits(right: Iterable[bool]) -> str:
    return "".join("1" if one else "0" for one in right)


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
        found |= self.backend.weights_of(verifier=row.verifier) if row.verifier else {}
        other = row.as_costly_as or row.beside
        return found | (self.weights(_row(other)) if other else {})

    def maker(self, row: Row) -> Maker:
        """Makes what a row needs of its pool."""
        most = PATHS[1] if row.as_costly_as else max(row.paths, row.pictures)
        return Maker(self.pool(row.model), most, [row.verifier] if row.verifier else [])

    def runner(self, row: Row) -> Runner:
        """Runs a row that repaints. Raises NotMeasured where the row it refers to is not there."""
        backend = _Of(self.backend, self.weights(row))
        base = Settings.checked(
            "a row", row.method, backend.name, row.model, paths=row.paths, seed=self.seed, repaint=row.repaint
        )
        return Runner(backend, base, critique=row.critique, beside=self.records(row.beside) if row.beside else None)

    def journal(self, row: Row) -> Path:
        """Where a live row's records are kept; other weights, another file."""
        what = json.dumps([self.weights(row), [entry.index for entry in self.entries], self.seed], sort_keys=True)
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        return self.live / f"{row.name}-{self.label}-{self.split}-seed{self.seed}-{digest}.json"

    def records(self, name: str) -> Path:
        """The finished file of another live row. Raises NotMeasured where it is not there."""
        file = self.journal(_row(name))
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
    if row.beside and not bench.journal(_row(row.beside)).exists():
        _live(_row(row.beside), bench)
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
    return _searched(row, pool, bench.entries, lambda entry: repainted.get(entry.index, row.paths))


def _row(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def _operations(name: str, done: Done) -> float:
    if name not in done or done[name]["missing"]:
        raise NotMeasured(f"the row {name} is to be measured before")
    return sum(done[name]["cost"]["operations"].values())


def _paths_beside(row: Row, bench: Workbench) -> dict[int, int]:
    """Prompt -> paths that the row it stands beside painted in all rounds together."""
    _, records = load(bench.records(row.beside))
    return {record.index: sum(len(one.paths) for one in record.rounds) for record in records}


def _plain(row: Row, pool: Pool, entries: Sequence[Entry]) -> Measured:
    """The first pictures of each prompt, each counting its share."""
    parts = [pool.paintings(entry.index) for entry in entries]
    outcomes = [
        Outcome(
            1 / row.pictures,
            1,
            {
                "geneval": bits(part.correct[path] for part in parts),
                "strict": bits(part.strict[path] for part in parts),
            },
        )
        for path in range(row.pictures)
    ]
    return Measured(outcomes, cost([replay(pool, entry, "baseline", 1) for entry in entries]))


def _searched(row: Row, pool: Pool, entries: Sequence[Entry], paths: Callable[[Entry], int]) -> Measured:
    rules = {"judge_from": row.judge_from, "stopping": row.stopping}
    records = [replay(pool, entry, row.method, paths(entry), **rules) for entry in entries]
    return Measured([Outcome.of(records)], cost(records), {"pruning": summarise(records)["pruning"]})


def replays(pool: Pool, entries: Sequence[Entry], method: str) -> Replays:
    """Best of N by N, each replayed once."""
    return cache(lambda paths: [replay(pool, entry, method, paths) for entry in entries])


def at_compute(runs: Replays, operations: float, most: int) -> Measured:
    """Best of N at a given mean of counted operations, N at most ``most``.

    That falls between two numbers of paths. Choosing for each prompt the larger one with the probability at which the
    mean is met exactly, the expected accuracy is the mean of both by these shares, which is what the row reports.
    """

    def spent(paths: int) -> float:
        return sum(cost(runs(paths))["operations"].values())

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
    both = [(low, 1 - share), (high, share)]
    costs = [cost(runs(paths)) for paths, _ in both]
    return Measured(
        [Outcome.of(runs(paths), part) for paths, part in both],
        _mixed(costs, [part for _, part in both]),
    )


def _live(row: Row, bench: Workbench) -> Measured:
    runner = bench.runner(row)
    with bench.open(row) as journal:
        missing = sum((entry.index, entry.sample) not in journal.records for entry in bench.entries)
        for number, _ in enumerate(runner.run(bench.entries, journal), 1):
            if number % 20 == 1:
                bench.status(f"{row.label}: {number} of {missing}")
    places = [(entry.index, entry.sample) for entry in bench.entries]
    journal.finish(places)
    records = [journal.records[place] for place in places]
    summary = summarise(records)
    return Measured(
        [Outcome.of(records)],
        cost(records),
        {name: summary[name] for name in ("pruning", "reflection", "critiques")},
    )


class _Of:
    """A backend that names those of its weights only that a row depends on."""

    def __init__(self, backend: MiniBackend, weights: Mapping[str, str]):
        self._backend, self.weights = backend, weights

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def cost(records: Sequence[Record]) -> dict[str, Any]:
    """Means over prompts; ``operations`` by part."""
    return {
        "operations": {part: mean(record.operations[part] for record in records) for part in PARTS},
        **{
            name: round(mean(getattr(record, name) for record in records), 4)
            for name in ("seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved")
        },
    }


def _mixed(costs: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> dict[str, Any]:
    def mixed(of: Callable[[Mapping[str, Any]], float]) -> float:
        return sum(share * of(one) for share, one in zip(shares, costs))

    names = [name for name in costs[0] if name != "operations"]
    return {
        "operations": {part: mixed(lambda one, part=part: one["operations"][part]) for part in PARTS},
        **{name: round(mixed(lambda one, name=name: one[name]), 4) for name in names},
    }
