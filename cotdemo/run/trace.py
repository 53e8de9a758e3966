"""A run as a file: its events, in JSON (docs/trace.md), or as a table.

A trace is opened from files that strangers made, so loading bounds the size before it parses, checks every field
(``cotdemo.run.codec``), then that the events fit together, and raises nothing but UserError.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from ..errors import UserError
from ..fields import each_once
from ..files import write_text
from ..settings import plain_text
from ..version import in_words
from .codec import decode_event, encode_event
from .events import (
    MAX_EVENTS,
    Checked,
    Critiqued,
    Event,
    Judged,
    PathPruned,
    Present,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)
from .state import RunState
from .table import csv_of, rows_of

FORMAT = "cotdemo-trace"
VERSION = 1
PROGRAM = in_words("cotdemo", "torch")  # what traces are made by here
MAX_BYTES = 8_000_000
MAX_PIXELS = 160_000_000  # bytes of all images as they are in memory; those of real runs fill the file before
_MAX_DEPTH = 8
_MAX_MARKS = {b"{": 2 * MAX_EVENTS, b"[": 2 * MAX_EVENTS, b",": 20 * MAX_EVENTS, b'"': 50 * MAX_EVENTS}


@dataclass(frozen=True)
class Trace:
    """The events of one run, complete or stopped, with the moment it was made (ISO 8601, UTC).

    ``read`` are the texts of the events where they were read: written again, their images stay as they are.
    ``program`` is what made it, with its version; "" where a file does not say.
    """

    events: tuple[Event, ...]
    created: str
    read: tuple[str, ...] = field(default=(), compare=False, repr=False)
    program: str = field(default=PROGRAM, compare=False)

    @classmethod
    def of(cls, events: Iterable[Event], created: str | None = None) -> Trace:
        """The trace of a stream of events, without messages of progress and words of a critique still coming."""
        return cls(tuple(filter(is_kept, events)), created or now())

    @cached_property
    def state(self) -> RunState:
        """What the events come to."""
        return RunState.of(self.events)

    @property
    def started(self) -> RunStarted:
        return self.events[0]  # type: ignore[return-value]  # every run begins with it

    @property
    def finished(self) -> RunFinished | None:
        """What the run came to, its reflections included; None where it was stopped before."""
        return self.state.finished

    @property
    def winner(self) -> Winner | None:
        """The answer of the run; before its end the latest round's; None where no round came to its end."""
        return self.state.answer

    def to_json(self) -> str:
        return joined(self.texts(), self.created, self.program)

    def texts(self) -> Iterable[str]:
        """Each event as it stands in the file."""
        return self.read or map(event_text, self.events)

    @classmethod
    def from_json(cls, text: str | bytes) -> Trace:
        """The trace in ``text``. Raises UserError unless it is a complete, valid trace of this version."""
        content = _parse(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError("This is not a trace of this app: open a trace.json that it wrote.")
        if type(content.get("version")) is not int or content["version"] != VERSION:
            version = ascii(content.get("version"))[:20]
            raise UserError(f"This trace has version {version}; this app reads version {VERSION}.")
        if content.keys() - {"format", "version", "created", "program", "events"}:
            raise UserError("This trace holds entries that its version does not have.")
        created = plain_text("created", content.get("created"), 40)
        program = plain_text("program", content.get("program", ""), 100, least=0)
        events = content.get("events")
        if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
            raise UserError(f"A trace must hold 1 to {MAX_EVENTS} events.")
        return cls(tuple(_decoded(events)), created, tuple(map(compact, events)), program)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace file, whole or not at all. Raises OSError, with the file's name, where it cannot."""
        write_text(path, self.to_json(), encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """The trace in a file; at most ``MAX_BYTES`` of it are read. Raises UserError."""
        try:
            with open(path, "rb") as file:
                return cls.from_json(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise UserError(f"The trace cannot be read: {error.strerror}.") from None

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per path and step, its columns by name (``cotdemo.run.table``, docs/trace.md)."""
        return rows_of(self.state)

    def to_csv(self) -> str:
        """The rows as the text of a CSV file, with the run's prompt, method, backend and seed in front."""
        return csv_of(self.state)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def is_kept(event: Event) -> bool:
    """Whether a trace holds it: messages of progress and words of a critique still coming are of the moment."""
    return not isinstance(event, Progress) and not (isinstance(event, Critiqued) and not event.done)


def compact(content: object) -> str:
    """JSON as traces and messages are written: ASCII, without blanks, finite numbers only."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def event_text(event: Event) -> str:
    """One event as it stands in a trace."""
    return compact(encode_event(event))


def joined(texts: Iterable[str], created: str, program: str = PROGRAM) -> str:
    """The trace file of events that have been written already (``event_text``).

    Without the images of steps where it could not be read with them: their codes tell them exactly.
    """
    made = {"created": created, "program": program} if program else {"created": created}
    head = compact({"format": FORMAT, "version": VERSION, **made, "events": []})
    texts = list(texts)
    if len(head) + sum(len(text) + 1 for text in texts) > MAX_BYTES:
        texts = map(without_image, texts)
    return head[:-2] + ",".join(texts) + head[-2:]


def without_image(text: str) -> str:
    """The text of an event, of a step without its image."""
    if not text.startswith('{"type":"StepDecoded"'):
        return text
    content = json.loads(text)
    content.pop("picture", None)
    return compact(content)


def _parse(text: str | bytes) -> Any:
    """JSON with bounded size, depth and counts, and finite numbers only."""
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_BYTES:
            raise UserError(f"This trace is too large: at most {MAX_BYTES // 1_000_000} MB are read.")
        if any(data.count(mark) > most for mark, most in _MAX_MARKS.items()) or _depth(data) > _MAX_DEPTH:
            raise UserError("This trace is nested too deep or holds too many values.")
        return json.loads(
            data.decode(), parse_constant=_refuse_number, parse_int=_short_int, object_pairs_hook=each_once
        )
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError("This trace is damaged or truncated: it is not valid JSON.") from None


def _decoded(contents: Sequence[Any]) -> list[Event]:
    """The events. Raises UserError at the first that is not valid or does not fit those before it, and where the
    images so far take too much memory; what comes after that is not looked at."""
    events: list[Event] = []
    state = RunState()
    once: set[tuple[object, ...]] = set()
    pixels = 0
    for place, content in enumerate(contents):
        try:
            event = decode_event(content)
        except UserError as error:
            raise UserError(f"Event {place} of this trace is not valid: {error}") from None
        image = getattr(event, "picture", None)
        pixels += 0 if image is None else image.nbytes
        if pixels > MAX_PIXELS:
            raise UserError(f"The images of this trace take too much memory: {MAX_PIXELS // 1_000_000} MB at most.")
        _check_next(state, once, place, event)
        state.apply(event)
        events.append(event)
    return events


def _depth(data: bytes) -> int:
    """The deepest nesting of brackets outside texts."""
    depth = deepest = 0
    inside = False
    for mark in re.finditer(rb'\\.|["\[\]{}]', data, re.DOTALL):
        token = mark.group()
        if token == b'"':
            inside = not inside
        elif not inside and token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not inside and token in b"]}":
            depth -= 1
    return deepest


def _refuse_number(name: str) -> float:
    raise UserError(f"This trace holds the number {name}, which is none.")


def _short_int(digits: str) -> int:
    if len(digits) > 20:
        raise UserError("This trace holds a number of more than 20 digits.")
    return int(digits)


def _check_next(state: RunState, once: set[tuple[object, ...]], place: int, event: Event) -> None:
    """Raise UserError unless an event fits those before it: one start, rounds in order, nothing out of range or twice.

    ``once`` are the keys of those that may not come again; that of ``event`` is added.
    """
    if state.started is None:
        if not isinstance(event, RunStarted):
            raise UserError("A trace must begin with RunStarted.")
        return
    key = _key(state, event)
    fault = _fault(state, event) or ("it comes twice" if key in once else None)
    if fault:
        raise UserError(f"Event {place} of this trace does not fit: {type(event).__name__}: {fault}.")
    if not isinstance(event, RunFinished):  # each reflection has an end
        once.add(key)


def _key(state: RunState, event: Event) -> tuple[object, ...]:
    """What tells an event from others of its type; a round has one winner and one critique, each verifier one say."""
    names = ("round",) if isinstance(event, (Winner, Critiqued)) else ("round", "path", "step", "question")
    verifier = state.verifier if isinstance(event, Judged) else None
    return type(event), verifier, *(getattr(event, name, None) for name in names)


def _fault(state: RunState, event: Event) -> str | None:
    """Why ``event`` cannot come next, or None."""
    if isinstance(event, (RunStarted, Progress)) or isinstance(event, Critiqued) and not event.done:
        return "it has no place in a trace"
    begun, settings = state.rounds_begun, state.settings
    if isinstance(event, RoundStarted):
        if max(event.tokens or (0,)) >= math.prod(state.started.grid):
            return "a marked token is out of the grid"
        return None if event.round == begun else f"the next round must be {begun}"
    if event.round >= begun:
        return "its round has not begun"
    if getattr(event, "path", 0) >= settings.paths or getattr(event, "step", 0) >= settings.steps:
        return "its path or step is out of range"
    return _misfit(state, event)


def _misfit(state: RunState, event: Event) -> str | None:
    started, round = state.started, state.rounds[event.round]  # type: ignore[union-attr]  # what has a place has one
    if isinstance(event, (StepDecoded, Winner)):
        tokens = started.grid[0] * started.grid[1]
        optional = isinstance(event, Winner) and not event.codes
        if len(event.codes) != tokens and not optional:
            return f"it must hold {tokens} codes"
        if max(event.codes, default=0) >= started.codebook:
            return "a code is not in the codebook"
    if isinstance(event, (Judged, Present, PathPruned)) and (event.round, event.path, event.step) not in state.steps:
        return "its step was not painted"
    if isinstance(event, Present) and len(event.p_yes) != len(started.requirements):
        return f"it must hold {len(started.requirements)} probabilities, one for each requirement"
    if isinstance(event, Critiqued) and max(event.about, default=-1) >= len(started.requirements):
        return "it speaks of a requirement that there is not"
    if isinstance(event, (Winner, Checked)) and not round.paths[event.path].steps:
        return "its path was not painted"
    if isinstance(event, Winner) and not set(event.survivors) <= set(range(len(round.paths))):
        return "a survivor is out of range"
    if isinstance(event, RunFinished) and (round.winner is None or round.winner.path != event.path):
        return "its round has no such winner"
    return None
