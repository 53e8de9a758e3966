"""A small coverage-guided fuzzer: inputs that reach lines of the package nobody has reached before are built upon.

Lines are watched by ``sys.monitoring`` (Python 3.12 on), which forgets each once it has been told of it, and before
that by ``sys.settrace``, which leaves functions alone once all of their lines have been seen. In one thread.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from . import ROOT

PACKAGE = str(ROOT / "cotdemo")
LARGEST = 200_000  # bytes of an input that is built upon
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 64, 65, 1e9, 10**20, 0.5, -0.0, 1e308, "", "x", "x" * 2000, "yes", "parm++",
    "\0", "\u202e", "\ud800", [], [0], [[]], {}, {"type": "Winner"}, "AAAA", "data:image/webp;base64,AAAA",
)  # fmt: skip
_TOKENS = (
    b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\u0000", b"9" * 30, b"-", b"1e999", b"NaN", b"null", b"\0",
    b"\xff", b"\xed\xa0\x80", b"\x89PNG\r\n\x1a\n", b"tEXt", b"IEND", b"IHDR", b"zTXt", b"cotdemo\0",
)  # fmt: skip


class Lines:
    """The lines of the package that have been run while this is watching."""

    def __init__(self) -> None:
        self.seen: set[tuple[CodeType, int]] = set()
        self._left: dict[CodeType, set[int]] = {}
        self.fresh = 0  # lines seen for the first time since it was last set to 0

    @contextmanager
    def watching(self) -> Iterator[Lines]:
        """In this thread."""
        how = self._monitored if hasattr(sys, "monitoring") else self._traced
        with how():
            yield self

    def _see(self, code: CodeType, line: int) -> None:
        if (code, line) not in self.seen:
            self.seen.add((code, line))
            self.fresh += 1

    @contextmanager
    def _monitored(self) -> Iterator[None]:
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        tool, events = monitoring.PROFILER_ID, monitoring.events

        def line(code: CodeType, number: int) -> object:
            if code.co_filename.startswith(PACKAGE):
                self._see(code, number)
            return monitoring.DISABLE

        monitoring.use_tool_id(tool, "cotdemo-fuzz")
        try:
            monitoring.register_callback(tool, events.LINE, line)
            monitoring.set_events(tool, events.LINE)
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

    @contextmanager
    def _traced(self) -> Iterator[None]:
        before = sys.gettrace()

        def within(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            if event == "line":
                self._see(frame.f_code, frame.f_lineno)
                self._left[frame.f_code].discard(frame.f_lineno)
            return within

        def called(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
            code = frame.f_code
            if not code.co_filename.startswith(PACKAGE):
                return None
            if code not in self._left:
                first = code.co_firstlineno
                self._left[code] = {line for *_, line in code.co_lines() if line is not None and line != first}
            return within if self._left[code] else None

        sys.settrace(called)
        try:
            yield
        finally:
            sys.settrace(before)


class Fuzzer:
    """``corpus`` are inputs to begin with; it grows by those that reach something new."""

    def __init__(self, corpus: Sequence[bytes], mutate: Callable[[bytes, random.Random], bytes], seed: int = 0):
        assert threading.current_thread() is threading.main_thread() or hasattr(sys, "monitoring")
        self.corpus, self._mutate = list(corpus), mutate
        self._rng, self._first = random.Random(seed), list(corpus)
        self.lines = Lines()

    def inputs(self, many: int, run: Callable[[bytes], None]) -> int:
        """Give ``run`` so many inputs, the corpus first; returns how many it was given. What it raises is passed on."""
        for number in range(many):
            data = self._first.pop() if self._first else self._next()
            self.lines.fresh = 0
            with self.lines.watching():
                run(data)
            if self.lines.fresh and number >= len(self.corpus) and len(data) <= LARGEST:
                self.corpus.append(data)
        return many

    def _next(self) -> bytes:
        # the latest finds are where something new is near
        place = max(self._rng.randrange(len(self.corpus)), self._rng.randrange(len(self.corpus)))
        data = self.corpus[place]
        for _ in range(self._rng.choice((1, 1, 1, 2, 4))):
            data = self._mutate(data, self._rng)
        if self._rng.random() < 0.1:
            other = self._rng.choice(self.corpus)
            data = data[: self._rng.randrange(len(data) + 1)] + other[self._rng.randrange(len(other) + 1) :]
        return data


# -- mutations of inputs


def bytewise(data: bytes, rng: random.Random) -> bytes:
    """One change of some bytes, whatever they mean."""
    mutant, place = bytearray(data), rng.randrange(len(data) + 1)
    match rng.randrange(6):
        case 0:
            mutant[place : place + 1] = bytes([rng.randrange(256)])
        case 1:
            del mutant[place : place + rng.randrange(1, 40)]
        case 2:
            mutant[place:place] = rng.choice(_TOKENS)
        case 3:
            other = rng.randrange(len(data) + 1)
            mutant[place : place + 20] = data[other : other + 20]
        case 4 if mutant:
            mutant[place % len(mutant)] ^= 1 << rng.randrange(8)
        case _:
            del mutant[place:]
    return bytes(mutant)


def of_json(data: bytes, rng: random.Random) -> bytes:
    """A change within what JSON says; of bytes where it is none, and now and then all the same."""
    if rng.random() < 0.2:
        return bytewise(data, rng)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return bytewise(data, rng)
    places = list(_places(tree))
    if not places:
        return bytewise(data, rng)
    holder, key = rng.choice(places)
    other, of = rng.choice(places)
    match rng.randrange(5):
        case 0:
            holder[key] = rng.choice(_VALUES)
        case 1:
            del holder[key]
        case 2:
            holder[key] = other[of] if other is not holder else rng.choice(_VALUES)
        case 3 if isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), holder[key])
        case _ if isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] += rng.choice((-1, 1, 0.5, 16, -64))
        case _:
            holder[key] = rng.choice(_VALUES)
    try:
        return json.dumps(tree).encode()
    except (ValueError, RecursionError):  # something holds itself
        return data


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value within, as what holds it and its key there."""
    stack = [tree]
    while stack:
        one = stack.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, value in items:
            yield one, key
            if isinstance(value, (dict, list)):
                stack.append(value)


def of_png(data: bytes, rng: random.Random) -> bytes:
    """A change of a PNG: of its bytes, or of one of its chunks, whose checksum is then right again."""
    chunks = list(chunks_of(data))
    if not chunks or rng.random() < 0.2:
        return bytewise(data, rng)
    place = rng.randrange(len(chunks))
    kind, body = chunks[place]
    match rng.randrange(5):
        case 0:
            text = kind == b"tEXt" and body.startswith(b"cotdemo\0{")
            changed = b"cotdemo\0" + of_json(body[8:], rng) if text else bytewise(body, rng)
            chunks[place] = kind, changed
        case 1:
            del chunks[place]
        case 2:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks[place])
        case 3:
            chunks[place] = rng.choice((b"tEXt", b"zTXt", b"iTXt", b"IHDR", b"IEND", b"abcd")), body
        case _:
            chunks[place] = kind, bytewise(body, rng)
    return data[:8] + joined(chunks)


def joined(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Chunks, each a type and a body, as they stand in a file, with their right checksums."""
    return b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The whole chunks of a PNG, up to the first that is none."""
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        if place + 12 + length > len(data):
            return
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length
