"""What a server prints and logs: bounded, and without characters by which a visitor's text could pass for another's.

Gradio prints what goes wrong in a request, with what was in it, so it is the streams themselves that are kept clean.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

MOST = 20_000  # characters of what is written at once
A_MINUTE = 1_000_000  # and in a minute; of what comes then nothing is kept

# all control characters but the tab and the ends of lines, what reverses or breaks a line, halves of pairs
_FOUL = re.compile(
    r"(?!\A)\r(?!\n)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MOVES = re.compile(r"(?:\x1b\[A|[\r\n])*")  # of a bar that shows how far a download is


def clean(text: str) -> str:
    """What may be written of a text: foul characters as escapes, and its beginning where it is too long."""
    if _MOVES.fullmatch(text):
        return text
    kept = _FOUL.sub(lambda found: ascii(found.group())[1:-1], text[:MOST])
    return kept if len(text) <= MOST else f"{kept}... ({len(text) - MOST} characters more)\n"


class CleanStream:
    """A stream that writes what ``clean`` leaves of a text; all else is that of ``stream``."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        self._stream, self._clock = stream, clock
        self._lock = threading.Lock()
        self._since, self._written = clock(), 0

    def write(self, text: str) -> int:
        kept = clean(text)
        with self._lock:
            if self._clock() - self._since >= 60:
                self._since, self._written = self._clock(), 0
            before, self._written = self._written, self._written + len(kept)
        if self._written <= A_MINUTE:
            self._stream.write(kept)
        elif before <= A_MINUTE:
            self._stream.write("\n... more than is kept of a minute ...\n")
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class OneEntry(logging.Formatter):
    """What is logged as one entry: whatever lines it has, those after the first stand apart from others' first."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n    ")


@contextmanager
def clean_streams() -> Iterator[None]:
    """The process's streams made clean, and this package's log on the one for errors, down to its lines of runs."""
    own, before = logging.getLogger("cotdemo"), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = map(CleanStream, before)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneEntry())
    level = own.level
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        own.removeHandler(handler)
        own.setLevel(level)
        sys.stdout, sys.stderr = before
