"""The search itself, run on a pool: what it would have painted, asked and chosen, and what that would have cost.

``Recorded`` is a backend (``cotdemo.search.protocols.Backend``) whose generator and judges answer from the pool. In
place of codes and pictures it hands out where they are: rows of (path, step). The search cannot tell, so what it yields
here is what it would yield live, up to the rounding of kernels that depend on the size of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..generator.schedule import masked_counts
from ..run.events import Question
from ..verifiers.llava import Answers as Said
from .cost import Instrumented
from .entries import Entry
from .pool import NO, QUESTIONS, YES, Answers, Pool
from .records import Record
from .runner import finish_pruned, recorded


@dataclass(frozen=True)
class Step:
    """See ``cotdemo.search.protocols.Step``; codes are places in the pool, and of masks only their size is kept."""

    index: int
    paths: tuple[int, ...]
    codes: np.ndarray  # (paths, 2): path, step
    masked: np.ndarray  # (paths, masked tokens)

    @property
    def confidence(self) -> np.ndarray:
        return np.zeros((len(self.paths), 0), np.float32)


class SamplingSession:
    """Which paths are live, and how many steps each has taken (``cotdemo.search.protocols.SamplingSession``)."""

    def __init__(self, paths: Sequence[int], masked: Sequence[int]):
        self.live, self._masked, self._taken = tuple(paths), masked, dict.fromkeys(paths, 0)

    @property
    def done(self) -> bool:
        return all(self._taken[path] == len(self._masked) for path in self.live)

    def step(self) -> Step:
        index = min(self._taken[path] for path in self.live)
        self._taken |= dict.fromkeys(self.live, index + 1)
        codes = np.array([(path, index) for path in self.live])
        return Step(index, self.live, codes, np.ones((len(self.live), self._masked[index]), bool))

    def drop(self, paths: Sequence[int]) -> None:
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.live = tuple(sorted({*self.live, path}))

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
        self.settings = pool.settings_of(entry)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool.backend, name)

    def generator(self, model: str) -> Recorded:
        if model != self.settings.model:
            raise UserError(f"This pool holds paths of {self.settings.model}, not of {model}.")
        self.pool.prices.count_paths(self.settings)
        return self

    def start(self, prompt: str, paths: Sequence[int], *settings: Any, **more: Any) -> SamplingSession:
        s = self.settings
        if more or (prompt, *settings) != (s.prompt, s.steps, s.guidance, s.temperature, s.seed):
            raise UserError("This pool was painted by other settings, or holds no repaintings: evaluate live.")
        if max(paths) >= self.pool.paths(self.entry.index):
            raise UserError(f"The pool {self.pool.folder} does not hold {max(paths) + 1} paths of {ascii(prompt)}.")
        rows, columns = self.grid
        return SamplingSession(paths, masked_counts("cosine", s.steps, rows * columns))

    def verifier(self, name: str) -> Verifier:
        self.pool.prices.count_judge(name, QUESTIONS[name], self.settings)
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
        return Encoded(self.recorded, self.name, np.array(pictures))


@dataclass(frozen=True)
class Encoded:
    recorded: Recorded
    name: str
    places: np.ndarray  # (pictures, 2): path, step

    def ask(self, question: Question, prompt: str, rows: Sequence[int] | None = None) -> Said:
        answers, number = self.recorded.answers(self.name), QUESTIONS[self.name].index(question)
        paths, steps = self.places[slice(None) if rows is None else list(rows)].T
        if paths.max() >= answers.paths or np.isnan(answers.p[number, paths, steps]).any():
            raise UserError(f"{self.name} was not asked for {question} there when the pool was made.")
        said = answers.said[number, paths, steps]
        if self.recorded.knows and question == "potential":
            said = np.where(self.recorded.pool.sessions(self.recorded.entry.index).strict[paths], YES, NO)
        return Said(*answers.p[number, paths, steps].T, said == YES, said == NO)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        raise UserError("A pool holds no critiques: evaluate live.")


def replaying(pool: Pool, entry: Entry, knows: bool = False) -> Instrumented:
    """A backend that replays the paths of one prompt, and meters what a run on it would have cost."""
    return Instrumented(Recorded(pool, entry, knows), pool.prices.meter(), pool.prices.alike)


def replay(pool: Pool, entry: Entry, method: str, paths: int, **rules: object) -> Record:
    """The record of a run of ``method`` over the first ``paths`` paths, with what it would have cost.

    ``rules`` are PARM's settings ``judge_from`` and ``stopping``. Stopped paths are known to the pool, so the record
    says what would have become of them. Seconds are those of the operations at the rate at which the pool was made.
    """
    settings, backend = pool.settings_of(entry, method=method, paths=paths, **rules), replaying(pool, entry)
    record, _ = recorded(entry, settings, backend)
    spent = pool.sessions(entry.index)
    rates = dict(zip(("generator", "decoder"), spent.seconds / spent.operations))
    if record.operations["judge"]:
        answers = backend.answers(settings.verifier)
        rates["judge"] = (answers.seconds / answers.operations)[0]
    record.seconds = round(float(sum(record.operations[part] * rate for part, rate in rates.items())), 4)
    finish_pruned(backend.backend, settings, record)
    return record
