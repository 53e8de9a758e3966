"""Who may compute: one visitor at a time, in the order they came, and every one who waits knows how many are before.

Gradio has a queue of its own, but a listener that waits there has not begun: it cannot say where it stands in words of
ours, and its Stop button is still grey. Here the listener is running, and waits inside.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UserError

MOST = 20  # who computes and who waits, together; each takes one of Gradio's 40 threads


class Line:
    def __init__(self, most: int = MOST):
        self._most = most
        self._places: deque[Place] = deque()
        self._moved = threading.Condition()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place at the end of the line, left when the block ends. Raises UserError where the line is full."""
        place = Place(self)
        with self._moved:
            if len(self._places) >= self._most:
                raise UserError(
                    f"{self._most} runs are waiting or under way, and no more fit. Try again in a minute; your "
                    "settings are kept."
                )
            self._places.append(place)
        try:
            yield place
        finally:
            with self._moved:
                self._places.remove(place)
                self._moved.notify_all()

    def before(self, place: Place) -> int:
        with self._moved:
            return self._places.index(place)

    def wait(self, place: Place, seconds: float) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self._places[0] is place, seconds)


class Place:
    """One place in a line."""

    def __init__(self, line: Line):
        self._line = line

    @property
    def before(self) -> int:
        """How many are before this one; 0 when it is its turn."""
        return self._line.before(self)

    def wait(self, seconds: float) -> bool:
        """Wait for its turn; True once it has come."""
        return self._line.wait(self, seconds)
