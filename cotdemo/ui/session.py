"""Between a search and the page: the backend that loads in the background, runs in a thread of their own, messages."""

from __future__ import annotations

import json
import logging
import queue
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..run.codec import encode_event
from ..run.events import Event
from ..run.state import RunState
from ..run.trace import Trace

log = logging.getLogger(__name__)

FLUSH = 1 / 14  # seconds between messages to the page; what comes in between is sent together
BURST = 0.012  # seconds to wait for the events that come with a first one
KEPT_BYTES = 256 * 2**20  # pictures of runs kept for reflection and download, all visitors together
KEPT_RUNS = 200


class Loader:
    """Loads the backend once, in the background. A load that failed is tried again when asked for next time."""

    def __init__(self, load: Callable[[], Any]):
        self._load = load
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._done = threading.Event()
        self.backend: Any = None
        self.error: BaseException | None = None
        self.seconds = 0.0

    @property
    def ready(self) -> bool:
        return self.backend is not None

    @property
    def words(self) -> str:
        """How far it is."""
        return getattr(self._load, "words", "") or "loading the model"

    @property
    def settled(self) -> bool:
        """Loaded or failed; False while nothing has been asked for or loading goes on."""
        return self._done.is_set()

    def start(self) -> None:
        """Begin to load, unless that has been done or is going on."""
        with self._lock:
            if self.ready or (self._thread is not None and self._thread.is_alive()):
                return
            self.error = None
            self._done.clear()
            self._thread = threading.Thread(target=self._work, name="load-backend", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        started = time.perf_counter()
        try:
            self.backend = self._load()
        except Exception as error:
            self.error = error
            if not isinstance(error, UserError):
                log.exception("the backend could not be loaded")
        finally:
            self.seconds = time.perf_counter() - started
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is loaded or failed; True if so."""
        return self._done.wait(seconds)

    def result(self) -> Any:
        """The backend. Raises what loading raised."""
        if self.error is not None:
            raise self.error
        return self.backend


def batches(events: Iterator[Event], stop: threading.Event) -> Iterator[list[Event]]:
    """The events of a search in batches, at most one every ``FLUSH`` seconds, while it goes on in its own thread.

    So an event waits for its message, never for the next step, and making messages does not hold up the search.
    ``stop`` and closing this generator both close the search at its next event; the device is free when it returns.
    """
    arrived: queue.SimpleQueue[Event | _End] = queue.SimpleQueue()

    def work() -> None:
        error = None
        try:
            for event in events:
                arrived.put(event)
                if stop.is_set():
                    break
        except BaseException as caught:
            error = caught
        finally:
            try:
                events.close()
            except BaseException as caught:
                error = error or caught
            arrived.put(_End(error))

    thread = threading.Thread(target=work, name="search", daemon=True)
    thread.start()
    sent = 0.0
    try:
        while True:
            batch = [arrived.get()]
            due = max(sent + FLUSH, time.perf_counter() + BURST)
            while not isinstance(batch[-1], _End):
                try:
                    batch.append(arrived.get(timeout=max(0.0, due - time.perf_counter())))
                except queue.Empty:
                    break
            end = batch.pop() if isinstance(batch[-1], _End) else None
            sent = time.perf_counter()
            if batch:
                yield batch
            if end is not None:
                if end.error is not None:
                    raise end.error
                return
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class Run:
    """What one session has on show: its events so far, and the messages it was told them in."""

    def __init__(self, id: str | None = None):
        self.id = id or secrets.token_urlsafe(12)
        self.events: list[Event] = []
        self.state = RunState()  # what they come to
        self.messages: list[str] = []
        self.picture_bytes = 0
        self.stop = threading.Event()  # asks the search to end at its next event
        self.idle = threading.Event()  # no search is under way
        self.idle.set()

    def stream(self, events: Iterator[Event]) -> Iterator[str]:
        """The messages of a search as it goes on; its events are kept. Ends early when ``stop`` is set."""
        self.stop.clear()
        self.idle.clear()
        try:
            for batch in batches(events, self.stop):
                yield self.message(batch)
        finally:
            self.idle.set()

    def message(self, events: list[Event], **more: object) -> str:
        """The next message, with these events, which are kept."""
        self.keep(events)
        return self._numbered({"events": [encode_event(event) for event in events], **more})

    def keep(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            self.state.apply(event)
        pictures = (getattr(event, "picture", None) for event in events)
        self.picture_bytes += sum(picture.nbytes for picture in pictures if picture is not None)

    def snapshot(self, *notices: dict) -> str:
        """Everything so far but the pictures of steps, which heals whatever the page has missed, then ``notices``."""
        events = Trace.of(self.events).events if self.events else ()
        encoded = [encode_event(event, pictures=False) for event in events]
        return self._numbered({"snapshot": True, "events": [*encoded, *notices]})

    def resend(self, numbers: list[int]) -> list[str]:
        return [self.messages[number] for number in numbers if number < len(self.messages)]

    def _numbered(self, content: dict) -> str:
        content = {"run": self.id, "seq": len(self.messages), **content}
        # A text, so that Gradio neither searches it for files nor compares it value by value.
        self.messages.append(json.dumps(content, separators=(",", ":"), allow_nan=False))
        return self.messages[-1]


def notice(kind: str, message: str = "") -> str:
    """A message of the page about whatever is on show: Waiting, Failed. Never equal to one before."""
    return json.dumps({"notice": {"type": kind, "message": message}, "nonce": secrets.token_hex(4)})


class Runs:
    """The runs of all sessions, the least recently used dropped first. An id is known to its session only."""

    def __init__(self, most_bytes: int = KEPT_BYTES, most: int = KEPT_RUNS):
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()
        self._most_bytes = most_bytes
        self._most = most

    def add(self, run: Run) -> None:
        with self._lock:
            self._runs[run.id] = run
            while len(self._runs) > self._most or (len(self._runs) > 1 and self._bytes() > self._most_bytes):
                self._runs.popitem(last=False)

    def _bytes(self) -> int:
        return sum(run.picture_bytes for run in self._runs.values())

    def get(self, id: object) -> Run | None:
        """The run of that id, which may be whatever a client sent."""
        with self._lock:
            if not isinstance(id, str) or id not in self._runs:
                return None
            self._runs.move_to_end(id)
            return self._runs[id]
