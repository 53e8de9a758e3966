"""A backend that counts the operations of whatever a search asks of it, and hardly slows the search down.

Counting operations takes about as long as computing them. But what a search asks for comes in a few kinds (a step of a
path, a picture to decode, a question), whose costs are known in advance once they were counted: each path or picture
costs as much as the next, and a step's cost is a line in how many tokens are still masked. So work is counted where its
cost does not follow from what was counted before; all other work is added up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..events import Question
from ..search.protocols import Answers, Backend, Context, Judge, Look, Painter, Painting, Step
from .flops import counted
from .records import PARTS

T = TypeVar("T")
Kind = tuple[Hashable, ...]


class Work(NamedTuple):
    """``times`` equal pieces of one kind; the cost of each is a line in ``size``."""

    kind: Kind
    times: int = 1
    size: int = 0


class Prices:
    """Operations so far by part, and what is known of the cost of each kind of work."""

    def __init__(self) -> None:
        self.operations = dict.fromkeys(PARTS, 0)
        self._known: dict[Kind, dict[int, int]] = {}  # kind -> size -> operations of one piece

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], T]) -> T:
        """The result of ``do``, in which a part of the backend does these works; what it costs is added."""
        costs = [self._cost(work) for work in works]
        if None not in costs:
            self.operations[part] += sum(costs)
            return do()
        result, operations = counted(do)
        self.operations[part] += operations
        if len(works) == 1:
            self._known.setdefault(works[0].kind, {})[works[0].size] = operations // works[0].times
        return result

    def _cost(self, work: Work) -> int | None:
        """Of all its pieces; None where it does not follow from what is known."""
        known = self._known.get(work.kind, {})
        if work.size in known:
            return work.times * known[work.size]
        if len(known) < 2:
            return None
        (one, first), (other, second) = list(known.items())[:2]
        return work.times * (first + (second - first) * (work.size - one) // (other - one))


class Metered:
    """See ``cotdemo.search.protocols.Backend``. All generators of a backend cost the same.

    What it knows of a prompt is kept, some hundred numbers each: it is for the runs of one evaluation or comparison.
    """

    def __init__(self, backend: Backend):
        self._backend, self._prices = backend, Prices()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @property
    def operations(self) -> dict[str, int]:
        """Of all searches on it so far, by part."""
        return dict(self._prices.operations)

    def since(self, before: dict[str, int]) -> dict[str, int]:
        """The operations after ``before``, an earlier value of ``operations``."""
        return {part: count - before[part] for part, count in self._prices.operations.items()}

    def painter(self, model: str) -> MeteredPainter:
        return MeteredPainter(self._backend.painter(model), self._prices)

    def verifier(self, name: str) -> MeteredJudge:
        return MeteredJudge(self._backend.verifier(name), self._prices, name)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self._prices.spend("decoder", [Work(("decode",), len(codes))], lambda: self._backend.decode(codes))


@dataclass(frozen=True)
class MeteredPainter:
    painter: Painter
    prices: Prices

    def __getattr__(self, name: str) -> Any:
        return getattr(self.painter, name)

    def start(
        self, prompt: str, paths: Sequence[int], *settings: Any, context: Context | None = None, **after: Step
    ) -> MeteredPainting:
        """The prompt is read once, for however many paths."""
        kind = (prompt, settings[:2], context and context.critique)  # with steps and guidance
        painting = self.prices.spend(
            "generator",
            [Work(("start", *kind))],
            lambda: self.painter.start(prompt, paths, *settings, context=context, **after),
        )
        metered = MeteredPainting(painting, self.prices, kind)
        for step in after.values():
            metered.remember(step)
        return metered


@dataclass(frozen=True)
class MeteredPainting:
    painting: Painting
    prices: Prices
    kind: Kind
    left: dict[int, int] = field(default_factory=dict)  # path -> tokens still masked after its last step

    def __getattr__(self, name: str) -> Any:
        return getattr(self.painting, name)

    def remember(self, step: Step) -> None:
        self.left.update(zip(step.paths, (sum(masked) for masked in step.masked.tolist())))

    def step(self) -> Step:
        live = self.painting.live
        if live[0] in self.left:
            work = Work(("step", *self.kind), len(live), self.left[live[0]])
        else:
            work = Work(("first step", *self.kind))  # nothing is painted yet: computed once, for however many paths
        step = self.prices.spend("generator", [work], self.painting.step)
        self.remember(step)
        return step

    def decode(self, codes: Any) -> Any:
        return self.prices.spend("decoder", [Work(("decode",), len(codes))], lambda: self.painting.decode(codes))


@dataclass(frozen=True)
class MeteredJudge:
    judge: Judge
    prices: Prices
    name: str

    def look(self, pictures: Sequence[np.ndarray]) -> MeteredLook:
        work = Work(("look", self.name), len(pictures))
        look = self.prices.spend("judge", [work], lambda: self.judge.look(pictures))
        return MeteredLook(look, len(pictures), self.prices, self.name)


@dataclass(frozen=True)
class MeteredLook:
    look: Look
    rows: int
    prices: Prices
    name: str
    read: set[int] = field(default_factory=set)  # rows that were asked about: a further question costs less

    def ask(
        self, question: Question, prompt: str, rows: Sequence[int] | None = None, **seeds: Sequence[int]
    ) -> Answers:
        rows = range(self.rows) if rows is None else rows
        known = len(self.read.intersection(rows))
        self.read.update(rows)
        works = [
            Work((time, self.name, question, prompt), count)
            for time, count in (("asked first", len(rows) - known), ("asked further", known))
            if count
        ]
        return self.prices.spend("judge", works, lambda: self.look.ask(question, prompt, rows, **seeds))

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        """Each piece is counted: no critique is like another."""
        pieces = iter(self.look.explain(prompt, row))
        while True:
            piece, operations = counted(lambda: next(pieces, None))
            self.prices.operations["judge"] += operations
            if piece is None:
                return
            yield piece
