"""How long a run will take: learned from the runs that this process has finished, and nothing else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from statistics import median

from ..run.events import Event, RunFinished, RunStarted
from ..settings import Settings

LAST = 5  # runs of each kind that count


class Pace:
    """Seconds for one step of one path, by method, and by whether guidance doubles the passes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    def learn(self, events: Sequence[Event]) -> None:
        """Take in the latest part of a run; what was stopped, and a reflection alone, teach nothing."""
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        finished = next((event for event in events if isinstance(event, RunFinished)), None)
        if started is None or finished is None:
            return
        asked = started.settings
        with self._lock:
            last = self._seconds.setdefault(_kind(asked), deque(maxlen=LAST))
            last.append(finished.seconds / (asked.paths * asked.steps))

    def expected(self, settings: Settings) -> float | None:
        """Seconds that a run of these settings will take; None where no such run has been finished."""
        seconds = self.table().get(_kind(settings))
        return None if seconds is None else seconds * settings.paths * settings.steps

    def table(self) -> dict[str, float]:
        """Kind, as ``parm/guided``, to seconds; a kind that was never run is not there."""
        with self._lock:
            return {kind: median(seconds) for kind, seconds in self._seconds.items()}


def _kind(settings: Settings) -> str:
    return f"{settings.method}/{'guided' if settings.guidance > 0 else 'unguided'}"
