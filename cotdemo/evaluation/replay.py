"""The search itself, run on a pool: what it would have painted, asked and chosen, and what that would have cost.

``Recorded`` is a backend (``cotdemo.search.protocols.Backend``) whose generator and judges answer from the pool. In
place of codes and pictures it hands out where they are: rows of (path, step). The search cannot tell, so what it yields
here is what it would yield live, up to the rounding of kernels that depend on the size of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..run.events import Question
from ..run.state import RunState
from ..search import perform
from ..verifiers.llava import Answers as Said
from .cost import Instrumented, Work
from .entries import Entry
from .pool import NO, QUESTIONS, YES, Answers, Pool
from .records import PARTS, Record
from .runner import finish_pruned


class Paths:
    """Which paths are live, and how many steps each has taken (``cotdemo.search.protocols.SamplingSession``)."""

    def __init__(self, paths: Sequence[int], steps: int):
        self.live, self._taken, self._steps = tuple(paths), dict.fromkeys(paths, 0), steps

    @property
    def done(self) -> bool:
        return all(self._taken[path] == self._steps for path in self.live)

    def advance(self) -> int:
        """The index of the step that the live paths take now."""
        index = min(self._taken[path] for path in self.live)
        self._taken |= dict.fromkeys(self.live, index + 1)
        return index

    def drop(self, paths: Sequence[int]) -> None:
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.live = tuple(sorted({*self.live, path}))


@dataclass(frozen=True)
class Step:
    """See ``cotdemo.search.protocols.Step``; codes are places in the pool, and what is masked is not kept."""

    index: int
    paths: tuple[int, ...]
    codes: np.ndarray  # (paths, 2): path, step

    @property
    def masked(self) -> np.ndarray:
        return np.zeros((len(self.paths), 0), bool)

    @property
    def confidence(self) -> np.ndarray:
        return np.zeros((len(self.paths), 0), np.float32)


class SamplingSession(Paths):
    def step(self) -> Step:
        index = self.advance()
        return Step(index, self.live, np.array([(path, index) for path in self.live]))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


@dataclass(frozen=True)
class Verdict:
    """What the checker said when the pool was made; its reasons are not kept."""

    correct: bool
    strict: bool
    reason: str = ""


class Recorded:
    """The paths of one prompt of a pool. With ``knows``, its judges are told of every path what comes of it.

    Raises UserError, from the call that asks, for what the pool does not hold: a path, other settings, a judge's
    answer, a repainting.
    """

    def __init__(self, pool: Pool, entry: Entry, knows: bool = False):
        self.pool, self.entry, self.knows = pool, entry, knows
        backend = pool.backend
        self.name, self.weights, self.models = backend.name, dict(backend.weights), backend.models
        self.grid, self.codebook, self.picture_size = backend.grid, backend.codebook, backend.picture_size

    def generator(self, model: str) -> Recorded:
        if model != self.pool.settings.model:
            raise UserError(f"This pool holds paths of {self.pool.settings.model}, not of {model}.")
        return self

    def start(self, prompt: str, paths: Sequence[int], *settings: Any, **more: Any) -> SamplingSession:
        s = self.pool.settings
        expected = (s.steps, s.guidance, s.temperature, self.pool.seed(self.entry))
        if more or (prompt, *settings) != (self.entry.prompt, *expected):
            raise UserError("This pool was painted by other settings, or holds no repaintings: evaluate live.")
        if max(paths) >= self.pool.paths(self.entry.index):
            raise UserError(f"The pool {self.pool.folder} does not hold {max(paths) + 1} paths of {ascii(prompt)}.")
        return SamplingSession(paths, s.steps)

    def verifier(self, name: str) -> Verifier:
        return Verifier(self, name)

    def answers(self, verifier: str) -> Answers:
        """What a judge says about these paths."""
        answers = self.pool.answers(verifier, self.entry.index)
        if answers is None:
            raise UserError(f"The pool {self.pool.folder} holds no answers of {verifier} on {self.entry.prompt}.")
        return answers

    def check(self, prompt: str, picture: np.ndarray) -> Verdict:
        sessions = self.pool.sessions(self.entry.index)
        return Verdict(bool(sessions.correct[picture[0]]), bool(sessions.strict[picture[0]]))

    def canonical(self, prompt: str) -> str:
        """Whatever was painted could be."""
        return prompt

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


@dataclass(frozen=True)
class Verifier:
    recorded: Recorded
    name: str

    def encode(self, pictures: Sequence[np.ndarray]) -> Encoded:
        return Encoded(self, np.array(pictures))


@dataclass(frozen=True)
class Encoded:
    judge: Verifier
    places: np.ndarray  # (pictures, 2): path, step

    def ask(self, question: Question, prompt: str, rows: Sequence[int] | None = None) -> Said:
        recorded, name = self.judge.recorded, self.judge.name
        answers, number = recorded.answers(name), QUESTIONS[name].index(question)
        paths, steps = self.places[slice(None) if rows is None else list(rows)].T
        if paths.max() >= answers.paths or np.isnan(answers.p[number, paths, steps]).any():
            raise UserError(f"{name} was not asked for {question} there when the pool was made.")
        said = answers.said[number, paths, steps]
        if recorded.knows and question == "potential":
            said = np.where(recorded.pool.sessions(recorded.entry.index).strict[paths], YES, NO)
        return Said(*answers.p[number, paths, steps].T, said == YES, said == NO)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        raise UserError("A pool holds no critiques: evaluate live.")


class Tariff:
    """A meter (``cotdemo.evaluation.cost``) by the prices in a pool: operations, and seconds at the rate at which the
    pool was made."""

    def __init__(self, recorded: Recorded):
        self._recorded = recorded
        self.totals = dict.fromkeys(PARTS, 0)
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], Any]) -> Any:
        result = do()  # what the pool does not hold is refused there
        for work in works:
            operations, rate = self._price(work)
            self.totals[part] += work.times * int(operations)
            self.seconds[part] += float(work.times * operations * rate)
        return result

    def _price(self, work: Work) -> tuple[int, float]:
        """Operations of one piece, and seconds of one operation."""
        what, recorded = work.kind[0], self._recorded
        if what in ("look", "asked first", "asked further"):
            part = recorded.answers(work.kind[1])
            rate = float(part.seconds[0] / part.operations[0])
            if what == "look":
                return part.look, rate
            return part.ask[QUESTIONS[work.kind[1]].index(work.kind[2]), int(what == "asked further")], rate
        part = recorded.pool.sessions(recorded.entry.index)
        generator, decoder = part.seconds / part.operations
        prices = {"start": part.start, "first step": part.step[0, 0], "step": part.step[work.step, 1]}
        return (part.decode, decoder) if what == "decode" else (prices[what], generator)


def replaying(pool: Pool, entry: Entry, knows: bool = False) -> Instrumented:
    """A backend that replays the paths of one prompt, and meters what a run on it would have cost."""
    recorded = Recorded(pool, entry, knows)
    return Instrumented(recorded, Tariff(recorded))


def replay(pool: Pool, entry: Entry, method: str, paths: int, **rules: object) -> Record:
    """The record of a run of ``method`` over the first ``paths`` paths, with what it would have cost.

    ``rules`` are PARM's settings ``judge_from`` and ``stopping``.

    Stopped paths are known to the pool, so the record says what would have become of them.
    """
    settings = pool.settings_of(entry, method=method, paths=paths, **rules)
    backend = replaying(pool, entry)
    run = RunState.of(perform(settings, backend, show="none"))
    record = Record.of(entry, run, backend.meter.totals)
    record.seconds = round(sum(backend.meter.seconds.values()), 4)
    finish_pruned(backend.backend, settings, record)
    return record
