"""A backend whose parts are measured while a search uses them, and whose judge says what a script says.

Parts are "generator", "decoder" and "judge". A ``Watch`` is entered around each piece of their work; ``Clock`` is one,
``cotdemo.evaluation.flops.Count`` another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..events import Event, Question, StepDecoded
from ..search.protocols import Backend, Look

Watch = Callable[[str], AbstractContextManager[None]]


class Clock:
    """Seconds spent in the blocks it was entered for, by name."""

    def __init__(self, device: str = "cpu") -> None:
        self.totals: dict[str, float] = {}
        self._wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._wait()  # a GPU works on after the call has returned
        self.totals[part] = self.totals.get(part, 0.0) + time.perf_counter() - begun


@dataclass(frozen=True)
class Script:
    """Verdicts that depend on path and step alone, so that two procedures have the same work to do.

    Pictures are clear from step ``clear_from`` on (counted from 0); one path in ``hopeless_one_in`` has no potential;
    every final picture is called right.
    """

    clear_from: int
    hopeless_one_in: int = 4

    @classmethod
    def typical(cls, steps: int) -> Script:
        """The first clear picture at the 8th of 18 steps, where the paper's judge finds its earliest ones."""
        return cls(clear_from=max(round(steps * 8 / 18), 1) - 1)

    def says(self, question: Question, path: int, step: int) -> bool:
        if question == "clarity":
            return step >= self.clear_from
        return question == "outcome" or path % self.hopeless_one_in != self.hopeless_one_in - 1


class Measured:
    """``backend`` as a search sees it, measured and scripted; the judge computes its real answers all the same.

    The judge is shown pictures and is told of no path, so whoever drains the search passes its events to ``note``.
    """

    check = None

    def __init__(self, backend: Backend, watch: Watch, script: Script):
        self._backend, self._watch, self._script = backend, watch, script
        self._places: dict[int, tuple[int, int]] = {}  # identity of a picture -> path, step
        self._kept: dict[int, np.ndarray] = {}  # the latest picture of each path, so that identities stay unique

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def note(self, event: Event) -> None:
        if isinstance(event, StepDecoded) and event.picture is not None:
            self._places[id(event.picture)] = event.path, event.step
            self._kept[event.path] = event.picture

    def painter(self, model: str) -> _Painter:
        return _Painter(self._backend.painter(model), self._watch)

    def verifier(self, name: str) -> Measured:
        return self

    def look(self, pictures: Sequence[np.ndarray]) -> _Look:
        places = [self._places[id(picture)] for picture in pictures]
        with self._watch("judge"):
            look = self._backend.verifier("parm").look(pictures)
        return _Look(look, places, self._watch, self._script)


class _Painter:
    def __init__(self, painter: Any, watch: Watch):
        self._painter, self._watch = painter, watch

    def start(self, *settings: Any, **more: Any) -> _Painting:
        with self._watch("generator"):
            return _Painting(self._painter.start(*settings, **more), self._watch)


class _Painting:
    def __init__(self, painting: Any, watch: Watch):
        self._painting, self._watch = painting, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._painting, name)

    def step(self) -> Any:
        with self._watch("generator"):
            return self._painting.step()

    def decode(self, codes: Any) -> np.ndarray:
        with self._watch("decoder"):
            return self._painting.decode(codes)


class _Look:
    def __init__(self, look: Look, places: Sequence[tuple[int, int]], watch: Watch, script: Script):
        self._look, self._places, self._watch, self._script = look, places, watch, script

    def ask(self, question: Question, prompt: str, rows: Sequence[int]) -> Any:
        with self._watch("judge"):
            answers = self._look.ask(question, prompt, rows)
        yes = np.array([self._script.says(question, *self._places[row]) for row in rows])
        return replace(answers, yes=yes, no=~yes)
