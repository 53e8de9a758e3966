"""Who may compute: one visitor at a time, in the order they came, and every one who waits knows how many are before.

Gradio has a queue of its own, but a listener that waits there has not begun: it cannot say where it stands in words of
ours, and its Stop button is still grey. Here the listener is running, and waits inside.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UserError
from .visitors import Allowance, Visitor

MOST = 20  # who computes and who waits, together
MOST_EVER = 36  # as each takes one of Gradio's 40 threads
OF_SESSION = 2  # places that one session may have
OF_ADDRESS = 6  # and one public address, which may be that of a class or an office
KEPT = "Your settings are kept."


class Line:
    """``work`` is how many steps of a path one public address may ask for in a minute."""

    def __init__(self, most: int = MOST, work: float = math.inf):
        self.most = most
        self._places: deque[Place] = deque()
        self._moved = threading.Condition()
        self._work = Allowance(work)

    @contextmanager
    def place(self, visitor: Visitor = Visitor(), work: int = 0) -> Iterator[Place]:  # noqa: B008  # it is frozen
        """A place at the end of the line, left when the block ends; ``work`` is the run's paths x steps.

        Raises UserError where the line is full, or the visitor has had what one may have.
        """
        place = Place(self, visitor)
        with self._moved:
            self._refuse(visitor, work)
            self._places.append(place)
        try:
            yield place
        finally:
            with self._moved:
                self._places.remove(place)
                self._moved.notify_all()

    def _refuse(self, visitor: Visitor, work: int) -> None:
        """Raise UserError unless the visitor may have one place more, for so much work."""
        if len(self._places) >= self.most:
            raise UserError(
                f"{self.most} runs are waiting or under way, and no more fit. Try again in a minute. {KEPT}"
            )
        session = sum(place.visitor.session == visitor.session for place in self._places)
        if visitor.session and session >= OF_SESSION:
            raise UserError(f"{session} runs of yours are waiting or under way: wait for one, or stop it. {KEPT}")
        if not visitor.address:
            return
        address = sum(place.visitor.address == visitor.address for place in self._places)
        if address >= OF_ADDRESS:
            raise UserError(f"{address} runs from your address are waiting or under way: wait for one of them. {KEPT}")
        seconds = self._work.take(visitor.address, work)
        if seconds:
            raise UserError(
                f"So that others have their turn, {self._work.most:g} paths x steps a minute are painted for one "
                f"visitor. Try again in {math.ceil(seconds)} s. {KEPT}"
            )

    @property
    def taken(self) -> int:
        """How many places there are, of those who compute and who wait."""
        return len(self._places)

    def before(self, place: Place) -> int:
        with self._moved:
            return self._places.index(place)

    def wait(self, place: Place, seconds: float) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self._places[0] is place, seconds)


class Place:
    """One place in a line."""

    def __init__(self, line: Line, visitor: Visitor):
        self._line, self.visitor = line, visitor

    @property
    def before(self) -> int:
        """How many are before this one; 0 when it is its turn."""
        return self._line.before(self)

    def wait(self, seconds: float) -> bool:
        """Wait for its turn; True once it has come."""
        return self._line.wait(self, seconds)
