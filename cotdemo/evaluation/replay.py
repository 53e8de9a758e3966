"""The search itself, run on a pool: what it would have painted, asked and chosen, and what that would have cost.

``Replay`` is a backend (``cotdemo.search.protocols.Backend``) that looks everything up. In place of codes and pictures
it hands out where they are in the pool: rows of (prompt, path, step). The search cannot tell, so what it yields here
is what it would yield live, up to the rounding of kernels that depend on the size of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError
from ..events import Question
from ..search import perform
from ..search.protocols import Context
from ..state import RunState
from .entries import Entry
from .pool import NO, QUESTIONS, YES, Answers, Paintings, Pool
from .records import PARTS, Record
from .runner import finish_pruned

Place = np.ndarray  # (3,) int: index of the prompt, path, step


@dataclass
class Spent:
    """What a run would have cost, by part: counted operations, and seconds at the rate at which the pool was made."""

    operations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    def add(self, part: str, operations: int, rate: float) -> None:
        """``rate``: seconds for one operation."""
        self.operations[part] += int(operations)
        self.seconds[part] += float(operations * rate)


@dataclass(frozen=True)
class Step:
    """See ``cotdemo.search.protocols.Step``; a code is a place in the pool, and what is masked is not kept."""

    index: int
    paths: tuple[int, ...]
    codes: np.ndarray  # (paths, 3)

    @property
    def masked(self) -> np.ndarray:
        return np.zeros((len(self.paths), 0), bool)

    @property
    def confidence(self) -> np.ndarray:
        return np.zeros((len(self.paths), 0), np.float32)


@dataclass(frozen=True)
class Verdict:
    """What the checker said when the pool was made; its reasons are not kept."""

    correct: bool
    strict: bool
    reason: str = ""


class Replay:
    """One run on a pool; ``spent`` is what it has cost so far.

    Raises UserError, from the call that asks, for what the pool does not hold: a prompt, a path, other settings, a
    judge's answer, a repainting.
    """

    def __init__(self, pool: Pool):
        self.pool = pool
        self.spent = Spent()
        backend = pool.backend
        self.name, self.weights, self.models = backend.name, dict(backend.weights), backend.models
        self.grid, self.codebook, self.picture_size = backend.grid, backend.codebook, backend.picture_size

    def painter(self, model: str) -> Replay:
        if model != self.pool.settings.model:
            raise UserError(f"This pool holds paths of {self.pool.settings.model}, not of {model}.")
        return self

    def start(
        self,
        prompt: str,
        paths: Sequence[int],
        steps: int,
        guidance: float,
        temperature: float,
        seed: int,
        *,
        context: Context | None = None,
    ) -> Painting:
        s = self.pool.settings
        if context is not None or (steps, guidance, temperature) != (s.steps, s.guidance, s.temperature):
            raise UserError("This pool was painted by other settings, or holds no repaintings: evaluate live.")
        entry = self.pool.by_prompt.get((prompt, seed))
        paintings = entry and self.pool.paintings(entry.index)
        if not paintings or max(paths) >= paintings.paths:
            raise UserError(f"The pool {self.pool.folder} does not hold {max(paths) + 1} paths of {ascii(prompt)}.")
        return Painting(entry.index, paintings, paths, self.spent)

    def verifier(self, name: str) -> Judge:
        return Judge(self.pool, name, self.spent)

    def check(self, prompt: str, picture: Place) -> Verdict:
        index, path, _ = picture
        paintings = self.pool.paintings(index)
        return Verdict(bool(paintings.correct[path]), bool(paintings.strict[path]))

    def check_prompt(self, prompt: str) -> None:
        """Whatever was painted could be."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


class Painting:
    """See ``cotdemo.search.protocols.Painting``."""

    def __init__(self, index: int, paintings: Paintings, paths: Sequence[int], spent: Spent):
        self._index, self._spent, self._prices = index, spent, paintings.prices
        self._rates = paintings.seconds / paintings.operations
        self._taken = dict.fromkeys(paths, 0)
        self.live = tuple(paths)
        spent.add("generator", self._prices.start, self._rates[0])

    @property
    def done(self) -> bool:
        return all(self._taken[path] == len(self._prices.steps) for path in self.live)

    def step(self) -> Step:
        index = min(self._taken[path] for path in self.live)
        once, each = self._prices.steps[index]
        self._spent.add("generator", once + each * len(self.live), self._rates[0])
        for path in self.live:
            self._taken[path] += 1
        return Step(index, self.live, np.array([(self._index, path, index) for path in self.live]))

    def drop(self, paths: Sequence[int]) -> None:
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.live = tuple(sorted({*self.live, path}))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        self._spent.add("decoder", self._prices.decode * len(codes), self._rates[1])
        return codes


@dataclass(frozen=True)
class Judge:
    pool: Pool
    name: str
    spent: Spent

    def look(self, pictures: Sequence[Place]) -> Look:
        index = int(pictures[0][0])
        answers = self.pool.answers(self.name, index)
        if answers is None:
            raise UserError(f"The pool {self.pool.folder} holds no answers of {self.name} about prompt {index}.")
        return Look(self, answers, [(int(path), int(step)) for _, path, step in pictures])


class Look:
    """See ``cotdemo.search.protocols.Look``."""

    def __init__(self, judge: Judge, answers: Answers, places: list[tuple[int, int]]):
        self._judge, self._answers, self._places = judge, answers, places
        self._rate = float(answers.seconds[0] / answers.operations[0])
        self._read: set[int] = set()  # rows that a question has been asked about: a further one costs its own words
        judge.spent.add("judge", answers.prices.look * len(places), self._rate)

    def ask(self, question: Question, prompt: str, rows: Sequence[int] | None = None) -> ReplayedAnswers:
        rows = list(range(len(self._places)) if rows is None else rows)
        number = QUESTIONS[self._judge.name].index(question)
        paths, steps = np.array([self._places[row] for row in rows]).T
        if paths.max() >= self._answers.paths or np.isnan(self._answers.p[number, paths, steps]).any():
            raise UserError(f"{self._judge.name} was not asked for {question} there when the pool was made.")
        first, further = self._answers.prices.ask[number]
        known = len(self._read.intersection(rows))
        self._judge.spent.add("judge", first * (len(rows) - known) + further * known, self._rate)
        self._read.update(rows)
        said = self._answers.said[number, paths, steps]
        return ReplayedAnswers(*self._answers.p[number, paths, steps].T, said == YES, said == NO)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        raise UserError("A pool holds no critiques: evaluate live.")


@dataclass(frozen=True)
class ReplayedAnswers:
    p_yes: np.ndarray
    p_no: np.ndarray
    yes: np.ndarray
    no: np.ndarray


def replay(pool: Pool, entry: Entry, method: str, paths: int, **rules: object) -> Record:
    """The record of a run of ``method`` over the first ``paths`` paths, with what it would have cost.

    ``rules`` are PARM's settings ``judge_from`` and ``stopping``.

    Stopped paths are known to the pool, so the record says what would have become of them.
    """
    settings = pool.settings_of(entry, method=method, paths=paths, **rules)
    backend = Replay(pool)
    run = RunState.of(perform(settings, backend, show="none"))
    record = Record.of(entry, run, backend.spent.operations)
    record.seconds = round(sum(backend.spent.seconds.values()), 4)
    finish_pruned(Replay(pool), settings, record)
    return record
