"""Between a search and the page: the backend that loads in the background, runs in a thread of their own, messages."""

from __future__ import annotations

import json
import logging
import queue
import secrets
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..run.codec import decode_event
from ..run.events import Event
from ..run.state import RunState
from ..run.trace import PROGRAM, Trace, compact, event_text, is_kept, joined, now, without_image
from .visitors import Visitor

log = logging.getLogger(__name__)

FLUSH = 1 / 14  # seconds between messages to the page; what comes in between is sent together
BURST = 0.012  # seconds to wait for the events that come with a first one
KEPT_BYTES = 256 * 2**20  # of runs kept for reflection and download, all visitors together
KEPT_RUNS = 200
RESEND_BYTES = 8 * 2**20  # of messages that one request is given again


class Loader:
    """Loads the backend once, in the background. A load that failed is tried again when asked for next time."""

    def __init__(self, load: Callable[[], Any]):
        self._load = load
        self._lock = threading.Lock()
        self._loading = False
        self._done = threading.Event()
        self.backend: Any = None
        self.error: BaseException | None = None
        self.seconds = 0.0

    @property
    def ready(self) -> bool:
        return self.backend is not None

    @property
    def loading(self) -> bool:
        return self._loading

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
            if self.ready or self._loading:
                return
            self.error, self._loading = None, True
            self._done.clear()
            threading.Thread(target=self._work, name="load-backend", daemon=True).start()

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
            with self._lock:  # the thread itself may live on for a moment, and must not be waited for
                self._loading = False
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
            # what comes faster than it is read goes into the next one, too: this one would never be sent
            while not isinstance(batch[-1], _End) and (left := due - time.perf_counter()) > 0:
                try:
                    batch.append(arrived.get(timeout=left))
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


@dataclass(frozen=True)
class _Told:
    """One message: the run's events from ``first`` to before ``last``, then ``notices``, and what ``more`` says.

    A snapshot has those that a trace holds, up to the ``last`` of them.
    """

    first: int
    last: int
    notices: tuple[dict, ...]
    more: dict[str, object]
    snapshot: bool = False


class Run:
    """What one session has on show: its events so far, and the messages it was told them in.

    Each event is held once, as the text of it that goes into messages and into the trace file: a twentieth of what the
    records of one take. ``state`` is there while a search goes on; after ``rest`` it is made anew for whoever asks, and
    not held.
    """

    def __init__(self, id: str | None = None):
        self.id = id or secrets.token_urlsafe(12)
        self.held = 3000  # bytes, about, its locks among them
        self.created = ""  # when it was made, where it was opened and nothing has been added since
        self.program = PROGRAM  # by what
        self.owner = ""  # the public address that it is kept for, where that is known
        self.stop = threading.Event()  # asks the search to end at its next event
        self.stopped = False  # by somebody who asked for it, not by leaving
        self.idle = threading.Event()  # no search is under way
        self.idle.set()
        self._texts: list[str] = []  # of all events
        self._kept: list[str] = []  # of those that a trace holds
        self._told: list[_Told] = []
        self._state: RunState | None = None  # while events come

    @property
    def state(self) -> RunState:
        """What its events come to."""
        return RunState.of(self.events) if self._state is None else self._state

    @property
    def events(self) -> list[Event]:
        """Those that a trace holds, read anew."""
        return [decode_event(json.loads(text)) for text in self._kept]

    @property
    def begun(self) -> bool:
        return bool(self._kept)

    def trace(self) -> Trace:
        """What a trace file of it holds, which is not to be empty."""
        return Trace(tuple(self.events), self.created or now(), tuple(self._kept), self.program)

    def trace_text(self) -> str:
        """The trace file; "" before the first event."""
        return joined(self._kept, self.created or now(), self.program) if self._kept else ""

    def halt(self) -> None:
        """Ask the search to end at its next event, for somebody who wants that."""
        self.stopped = True
        self.stop.set()

    def stream(self, events: Iterator[Event]) -> Iterator[str]:
        """The messages of a search as it goes on; its events are kept. Ends early when ``stop`` is set."""
        self.stop.clear()
        self.stopped = False
        self.idle.clear()
        try:
            for batch in batches(events, self.stop):
                yield self.message(batch)
        finally:
            self.idle.set()

    def rest(self) -> None:
        """No more events come for now."""
        self._state = None

    def message(self, events: Sequence[Event], *notices: dict, **more: object) -> str:
        """The next message, with these events, which are kept, then ``notices``."""
        first = len(self._texts)
        self.keep(events)
        return self._tell(_Told(first, len(self._texts), notices, more))

    def keep(self, events: Sequence[Event]) -> None:
        state, self.created, self.program = self.state, "", PROGRAM
        self._state = state
        for event in events:
            self._hold(event_text(event), is_kept(event))
            state.apply(event)

    def copy(self, texts: Iterable[str], *notices: dict, **more: object) -> str:
        """The one message with events that have been written already (``Trace.texts``), then ``notices``."""
        for text in texts:
            self._hold(text, True)
        return self._tell(_Told(0, len(self._texts), notices, more))

    def _hold(self, text: str, kept: bool) -> None:
        self._texts.append(text)
        if kept:
            self._kept.append(text)
        self.held += sys.getsizeof(text) + 16

    def snapshot(self, *notices: dict) -> str:
        """Everything so far but the images of steps, which heals whatever the page has missed, then ``notices``."""
        return self._tell(_Told(0, len(self._kept), notices, {"snapshot": True}, snapshot=True))

    def resend(self, numbers: Iterable[int]) -> list[str]:
        """Those messages again, each once, as far as ``RESEND_BYTES`` go; the first of them whatever it takes."""
        again: list[str] = []
        left = RESEND_BYTES
        for number in dict.fromkeys(number for number in numbers if number < len(self._told)):
            message = self._message(number)
            left -= len(message)
            if again and left < 0:
                break
            again.append(message)
        return again

    def _tell(self, told: _Told) -> str:
        self._told.append(told)
        self.held += 300  # it, and what it holds
        return self._message(len(self._told) - 1)

    def _message(self, number: int) -> str:
        """A text, so that Gradio neither searches it for files nor compares it value by value."""
        told = self._told[number]
        if told.snapshot:
            texts = map(without_image, self._kept[: told.last])
        else:
            texts = self._texts[told.first : told.last]
        head = compact({"run": self.id, "seq": number, **told.more, "events": []})
        return head[:-2] + ",".join([*texts, *map(compact, told.notices)]) + head[-2:]


def notice(kind: str, message: str = "") -> str:
    """A message of the page about whatever is on show: Waiting, Failed. Never equal to one before."""
    return json.dumps({"notice": {"type": kind, "message": message}, "nonce": secrets.token_hex(4)})


class Runs:
    """The runs of all sessions. An id is known to its session only.

    Where they are too many, or hold too much, that visitor's is dropped which has the most of it, the least recently
    used first: nobody's make all others' go.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES, most: int = KEPT_RUNS):
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()
        self._most_bytes = most_bytes
        self._most = most

    def add(self, run: Run) -> None:
        """Keep a run at rest, or count one anew that has grown."""
        run.rest()
        with self._lock:
            if run.id not in self._runs:
                run.owner = run.owner or Visitor.here().address
            self._runs[run.id] = run
            self._runs.move_to_end(run.id)
            while len(self._runs) > self._most:
                self._drop(lambda run: 1)
            while len(self._runs) > 1 and sum(run.held for run in self._runs.values()) > self._most_bytes:
                self._drop(lambda run: run.held)

    def _drop(self, weight: Callable[[Run], int]) -> None:
        """Drop a run of the visitor whose runs weigh the most, but not the one that has come last."""
        *others, _ = self._runs.values()
        weights: Counter[str] = Counter()
        for run in others:
            weights[run.owner] += weight(run)
        ((owner, _),) = weights.most_common(1)
        del self._runs[next(run.id for run in others if run.owner == owner)]

    def get(self, id: object) -> Run | None:
        """The run of that id, which may be whatever a client sent."""
        with self._lock:
            if not isinstance(id, str) or id not in self._runs:
                return None
            self._runs.move_to_end(id)
            return self._runs[id]
