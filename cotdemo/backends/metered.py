"""What a search costs: seconds, or floating-point operations, of whatever it asks of a backend.

``Instrumented`` is the backend as a search sees it; it hands every piece of work to a meter. ``Clock`` takes the time,
``Count`` counts every operation, ``Prices`` counts each kind of work once and adds up the rest, which hardly slows a
search down; a ``PriceList`` counts beforehand, and prices what is only replayed (``cotdemo.evaluation.runner``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from ..compute.counting import counted
from ..run.events import Question
from ..search.protocols import (
    PARTS,
    Answers,
    Backend,
    Context,
    Encoded,
    ImageGenerator,
    SamplingSession,
    Step,
    Verifier,
)
from ..settings import Settings

T = TypeVar("T")
Kind = tuple[Hashable, ...]


# -- meters


class Work(NamedTuple):
    """``times`` equal pieces of one kind; the cost of each is a line in ``size``."""

    kind: Kind
    times: int = 1
    size: int = 0


class Meter(Protocol):
    """``totals`` so far, by part of a backend: seconds or operations."""

    totals: dict[str, Any]

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], T]) -> T:
        """The result of ``do``, in which a part of the backend does these works; what it costs is added."""


class Clock:
    """Seconds."""

    def __init__(self, device: str = "cpu") -> None:
        self.totals = dict.fromkeys(PARTS, 0.0)
        self._wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = do()
        self._wait()  # a GPU works on after the call has returned
        self.totals[part] += time.perf_counter() - begun
        return result


class Count:
    """Operations, every one of them counted, which takes about as long as computing them."""

    def __init__(self) -> None:
        self.totals = dict.fromkeys(PARTS, 0)

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], T]) -> T:
        result, operations = counted(do)
        self.totals[part] += operations
        return result

    def since(self, before: dict[str, int]) -> dict[str, int]:
        """The operations after ``before``, a copy of earlier ``totals``."""
        return {part: count - before[part] for part, count in self.totals.items()}


class Prices(Count):
    """Operations, counted where their cost does not follow from what was counted before.

    Each path or image costs as much as the next, and a step is a line in how many tokens are still masked. What is
    ``known`` of a prompt, kind -> size -> operations of one piece, is some hundred numbers: it is kept for the runs of
    one evaluation or comparison. With ``fixed`` prices nothing is counted: LookupError for work that has none.
    """

    def __init__(self, known: dict[Kind, dict[int, int]] | None = None, fixed: bool = False) -> None:
        super().__init__()
        self._known, self._fixed = {} if known is None else known, fixed

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], T]) -> T:
        costs = [self._cost(work) for work in works]
        if self._fixed or works and None not in costs:
            result = do()  # what cannot be done costs nothing
            if None in costs:
                raise LookupError(f"there is no price for one of {works}")
            self.totals[part] += sum(costs)
            return result
        before = self.totals[part]
        result = super().spend(part, works, do)
        if len(works) == 1:
            (work,) = works
            self._known.setdefault(work.kind, {})[work.size] = (self.totals[part] - before) // work.times
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


# -- the backend


class Instrumented:
    """``backend`` as a search sees it (``cotdemo.search.protocols.Backend``), its work measured by ``meter``.

    All generators of a backend cost the same, and so do prompts of which ``alike`` says the same.
    """

    def __init__(self, backend: Backend, meter: Meter, alike: Callable[[str], Hashable] = str):
        self.backend, self.meter, self.alike = backend, meter, alike

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def generator(self, model: str) -> _ImageGenerator:
        return _ImageGenerator(self.backend.generator(model), self)

    def verifier(self, name: str) -> _Judge:
        return _Judge(self.backend.verifier(name), self, name)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.meter.spend("decoder", [Work(("decode",), len(codes))], lambda: self.backend.decode(codes))


class _ImageGenerator:
    def __init__(self, generator: ImageGenerator, of: Instrumented):
        self._generator, self._of = generator, of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def start(
        self, prompt: str, paths: Sequence[int], *settings: Any, context: Context | None = None, **more: Any
    ) -> _SamplingSession | _WholeImages:
        """The prompt is read once, for however many paths."""
        kind = (self._of.alike(prompt), settings[:2], context and context.critique)  # with steps and guidance
        more |= {"context": context} if context else {}
        begin = lambda: self._generator.start(prompt, paths, *settings, **more)  # noqa: E731
        if getattr(self._generator, "whole_images", False):
            return _WholeImages(begin(), self._of.meter)
        session = self._of.meter.spend("generator", [Work(("start", *kind))], begin)
        return _SamplingSession(session, self._of.meter, kind, more.get("after"))

    def belief(self, prompt: str, codes: Sequence[int], guidance: float) -> tuple[np.ndarray, int]:
        work = Work(("belief", self._of.alike(prompt), guidance))
        return self._of.meter.spend("generator", [work], lambda: self._generator.belief(prompt, codes, guidance))


class _SamplingSession:
    def __init__(self, session: SamplingSession, meter: Meter, kind: Kind, after: Step | None):
        self._session, self._meter, self._kind = session, meter, kind
        self._left: dict[int, int] = {}  # path -> tokens still masked
        if after is not None:
            self._remember(after)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def _remember(self, step: Step) -> None:
        self._left |= {path: sum(row) for path, row in zip(step.paths, step.masked.tolist())}

    def step(self) -> Step:
        live = self._session.live
        if live[0] in self._left:
            work = Work(("step", *self._kind), len(live), self._left[live[0]])
        else:
            work = Work(("first step", *self._kind))  # nothing is painted yet: computed once, for however many paths
        step = self._meter.spend("generator", [work], self._session.step)
        self._remember(step)
        return step

    def decode(self, codes: Any) -> Any:
        return self._meter.spend("decoder", [Work(("decode",), len(codes))], lambda: self._session.decode(codes))


class _WholeImages:
    """A session that paints images in some of its steps: what these cost does not follow from their like."""

    def __init__(self, session: SamplingSession, meter: Meter):
        self._session, self._meter = session, meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def step(self) -> Step:
        return self._meter.spend("generator", [], self._session.step)


@dataclass(frozen=True)
class _Judge:
    judge: Verifier
    of: Instrumented
    name: str

    def encode(self, images: Sequence[np.ndarray]) -> _Encoded:
        work = Work(("encode", self.name), len(images))
        encoded = self.of.meter.spend("judge", [work], lambda: self.judge.encode(images))
        return _Encoded(encoded, len(images), self.of, self.name)


class _Encoded:
    def __init__(self, encoded: Encoded, rows: int, of: Instrumented, name: str):
        self._encoded, self._rows, self._of, self._name = encoded, rows, of, name
        self._asked: set[int] = set()  # rows that were asked about: a further question costs less

    def ask(
        self, question: Question, prompt: str, rows: Sequence[int] | None = None, **seeds: Sequence[int]
    ) -> Answers:
        rows = range(self._rows) if rows is None else rows
        known = len(self._asked.intersection(rows))
        self._asked.update(rows)
        works = [
            Work((time, self._name, question, self._of.alike(prompt)), count)
            for time, count in (("asked first", len(rows) - known), ("asked further", known))
            if count
        ]
        return self._of.meter.spend("judge", works, lambda: self._encoded.ask(question, prompt, rows, **seeds))

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        """Each piece is measured by itself: no critique is like another."""
        pieces = iter(self._encoded.explain(prompt, row))
        while (piece := self._of.meter.spend("judge", [], lambda: next(pieces, None))) is not None:
            yield piece


# -- prices that are counted beforehand


def started(backend: Instrumented, s: Settings, paths: Sequence[int]) -> Any:
    """The session of a run with these settings."""
    return backend.generator(s.model).start(s.prompt, paths, s.steps, s.guidance, s.temperature, s.seed)


class PriceList:
    """What each piece of a run costs, counted on two paths of one prompt of each length, as all such cost the same."""

    def __init__(self, backend: Backend):
        self.backend = backend
        self._known: dict[Kind, dict[int, int]] = {}
        self._counted: set[Kind] = set()

    def alike(self, prompt: str) -> int:
        """The length of a prompt in tokens."""
        return len(self.backend.tokenizer(prompt).input_ids)

    def meter(self) -> Prices:
        """A meter by this list alone: LookupError for work that was not counted."""
        return Prices(self._known, fixed=True)

    def count_paths(self, settings: Settings) -> None:
        """Count what painting this prompt costs, if that is not known yet."""
        if self._is_new("paths", settings):
            session = started(self._counting(), settings, range(2))
            while not session.done:
                step = session.step()
            session.decode(step.codes)

    def count_judge(self, verifier: str, questions: Sequence[Question], settings: Settings) -> None:
        """Count what this judge's questions cost, each as the first about an image and as a further one, in order."""
        if self._is_new(verifier, settings):
            judge = self._counting().verifier(verifier)
            blank = list(np.zeros((2, *self.backend.picture_size, 3), np.uint8))
            together = judge.encode(blank)
            for question in questions:
                judge.encode(blank).ask(question, settings.prompt)
                together.ask(question, settings.prompt)

    def _counting(self) -> Instrumented:
        return Instrumented(self.backend, Prices(self._known), self.alike)

    def _is_new(self, what: str, settings: Settings) -> bool:
        key = (what, self.alike(settings.prompt), settings.steps, settings.guidance)
        new = key not in self._counted
        self._counted.add(key)
        return new


class Timed:
    """Seconds and operations of each part at once; the operations by prices."""

    def __init__(self, prices: PriceList):
        self.clock, self.operations = Clock(), prices.meter()
        self.totals = self.operations.totals

    def spend(self, part: str, works: Sequence[Work], do: Callable[[], Any]) -> Any:
        return self.operations.spend(part, works, lambda: self.clock.spend(part, works, do))

    def spent(self, *parts: str) -> dict[str, np.ndarray]:
        """As it is kept in a pool."""
        return {
            "seconds": np.array([self.clock.totals[part] for part in parts]),
            "operations": np.array([self.totals[part] for part in parts]),
        }
