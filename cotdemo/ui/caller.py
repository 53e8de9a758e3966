"""The client of a named endpoint, who may leave before there is an answer.

Gradio closes the generators of a page that has been closed, but a plain function runs to its end and its result waits
for whoever asked. What Gradio knows of its clients is in its queue: an event is no longer ``alive`` once the stream of
its session has broken off, and messages that nobody takes stay in the session's box. (Read in gradio 6.27 to 6.31.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from anyio import from_thread
from gradio.context import LocalContext
from gradio.server_messages import HeartbeatMessage

from ..errors import UserError
from ..run.events import Event
from .run_log import Left

UNHEARD = 60.0  # seconds after which whoever has not taken a message has left
LOOK = 0.3  # seconds between looks at whether a client is still there
PATIENCE = 3600.0  # seconds that one waits for its turn, and for the model
GONE = "The client has left."


class Boxes:
    """The boxes of messages to sessions, and since when the first message of one has been waiting there."""

    def __init__(self, unheard: float = UNHEARD):
        self.unheard = unheard
        self._lock = threading.Lock()
        self._since: dict[tuple[str, int], float] = {}  # by session and message

    def let_go(self, queue: Any) -> None:
        """Throw away what nobody has taken for long."""
        boxes, now = queue.pending_messages_per_session, time.monotonic()
        with self._lock:
            waiting = [(session, id(box._queue[0])) for session, box in list(boxes.items()) if box.qsize()]
            self._since = {one: self._since.get(one, now) for one in waiting}
            for (session, _), since in self._since.items():
                if now - since > self.unheard:
                    for event in list(queue.event_ids_to_events.values()):
                        event.alive = event.alive and event.session_hash != session
                    boxes.pop(session, None)
                    queue.pending_event_ids_session.pop(session, None)


BOXES = Boxes()  # of this process


class Caller:
    """Whoever calls the endpoint that this is made in; outside of Gradio's threads, somebody who stays."""

    def __init__(self, boxes: Boxes = BOXES):
        self._boxes = boxes
        self._request = LocalContext.request.get(None)
        blocks, event = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
        self._queue = getattr(blocks, "_queue", None)
        queued = self._queue is not None and event is not None  # an empty queue is false
        self._event = self._queue.event_ids_to_events.get(event) if queued else None
        self.left()  # what others have left behind is let go, too

    def wait(self, ready: Callable[[float], bool]) -> None:
        """Until ``ready``, which waits so many seconds at most. Raises UserError where that is too long, or in vain."""
        begun = time.monotonic()
        while not ready(LOOK):
            if self.left():
                raise Left(GONE)
            if time.monotonic() - begun > PATIENCE:
                raise UserError("Other runs took too long. Try again later.")

    def hears(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events of a search, which is closed once the client has left. Raises Left then."""
        looked = time.monotonic()
        with closing(events):
            for event in events:
                yield event
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                    if self.left():
                        raise Left(GONE)

    def left(self) -> bool:
        """Whether the client is gone."""
        if self._queue is None:
            return False
        self._boxes.let_go(self._queue)
        if self._event is not None:
            box = self._queue.pending_messages_per_session.get(self._event.session_hash)
            if box is not None and not box.qsize():  # a stream that waits for words looks after its client with each
                from_thread.run_sync(box.put_nowait, HeartbeatMessage())
            return box is None or not self._event.alive
        asked = getattr(self._request, "request", None)  # the request of a call that waits for its answer
        return asked is not None and bool(from_thread.run(asked.is_disconnected))
