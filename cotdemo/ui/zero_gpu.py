"""Hugging Face's ZeroGPU: a GPU is lent for one call of a decorated generator, which runs in a process of its own.

That process is forked for the call: what a first run needs has been moved to "cuda" before, when the app started, and
what another run needs besides is downloaded and read before the call, which then only has to move it. What goes in and
comes out is pickled. Settings, events and traces are plain records of numbers, texts and numpy arrays, so they may;
a backend is not given but found where ``ZeroGpu`` has put it. Whoever closes the generator gives the GPU back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..registry import BACKENDS, CORRECTOR, METHODS
from ..run.events import Event, RunStarted
from ..search import entry as searches
from ..settings import Settings

STARTING = 15  # seconds of a call
PER_PART = 6  # seconds to give a GPU weights that stand by in the processor's memory: 16 GB
PER_STEP = 0.12  # seconds of a path's step with a 7B judge looking
MOST = 180  # seconds of a call

_backend: Any = None  # that of this app, for the forked process


def seconds_for(paths: int, steps: int, rounds: int, parts: int = 0) -> int:
    """For how long a GPU is asked for; a visitor's daily share is charged with what is used.

    ``parts`` are how many sets of weights it has to be given first.
    """
    return int(min(STARTING + PER_PART * parts + PER_STEP * paths * steps * (1 + rounds), MOST))


def _standing_by(settings: Settings) -> int:
    """Have what a run needs downloaded and read, before a GPU is lent for it; how many parts that has to be given."""
    if not hasattr(_backend, "stand_by"):  # one that loads nothing
        return 0
    method = METHODS[settings.method]
    models = {settings.model} | ({CORRECTOR} if settings.corrects else set())
    verifiers = {*method.verifiers} | ({BACKENDS[settings.backend].critic} if method.repaints else set())
    return _backend.stand_by(sorted(models), sorted(verifiers))


class ZeroGpu:
    """``cotdemo.search`` where every search borrows a GPU. ``lend`` is ``spaces.GPU``."""

    def __init__(self, backend: Any, lend: Callable[..., Callable]):
        global _backend
        _backend = backend
        self._perform = lend(duration=_seconds_to_perform)(_perform)
        self._reflect = lend(duration=_seconds_to_reflect)(_reflect)
        self._brush = lend(duration=_seconds_to_brush)(_brush)

    def perform(self, settings: Settings, backend: Any, show: searches.Show = "all") -> Iterator[Event]:
        searches.perform(settings, backend, show=show).close()  # refuses what it must before a GPU is asked for
        _standing_by(settings)
        return self._perform(settings, show)

    def search(self, method: str, backend: Any, prompt: str, **settings: Any) -> Iterator[Event]:
        return self.perform(Settings.checked(prompt, method, backend.name, **settings), backend)

    def reflect(self, backend: Any, events: Sequence[Event], *, anyway: bool = False) -> Iterator[Event]:
        searches.reflect(backend, events, anyway=anyway).close()
        _standing_by(_reflecting(events))
        return self._reflect(list(events), anyway)

    def brush(self, backend: Any, events: Sequence[Event], tokens: Sequence[int], prompt: str = "") -> Iterator[Event]:
        searches.brush(backend, events, tokens, prompt).close()
        _standing_by(_brushing(events))
        return self._brush(list(events), list(tokens), prompt)


def _perform(settings: Settings, show: searches.Show) -> Iterator[Event]:
    yield from searches.perform(settings, _backend, show=show)


def _reflect(events: list[Event], anyway: bool) -> Iterator[Event]:
    yield from searches.reflect(_backend, events, anyway=anyway)


def _brush(events: list[Event], tokens: list[int], prompt: str) -> Iterator[Event]:
    yield from searches.brush(_backend, events, tokens, prompt)


def _seconds_to_perform(settings: Settings, show: searches.Show) -> int:
    return seconds_for(settings.paths, settings.steps, settings.rounds, _standing_by(settings))


def _seconds_to_reflect(events: list[Event], anyway: bool) -> int:
    return _seconds_of_a_round(_reflecting(events))


def _seconds_to_brush(events: list[Event], tokens: list[int], prompt: str) -> int:
    return _seconds_of_a_round(_brushing(events))


def _seconds_of_a_round(settings: Settings) -> int:
    return seconds_for(settings.paths, settings.steps, 0, _standing_by(settings))


def _brushing(events: Sequence[Event]) -> Settings:
    """The settings that need the weights which painting over a run's answer does: nobody criticises it."""
    return replace(_asked(events), method="parm")


def _asked(events: Sequence[Event]) -> Settings:
    return next(event for event in events if isinstance(event, RunStarted)).settings


def _reflecting(events: Sequence[Event]) -> Settings:
    """The settings that a reflection on a run needs its weights for."""
    asked = _asked(events)
    own = asked.repaint if asked.method == "parm++" else BACKENDS[asked.backend].defaults["repaint"]
    return replace(asked, method="parm++", repaint=own)
