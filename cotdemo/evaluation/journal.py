"""The file of an evaluation: complete, or so far. A record is kept as soon as it is made.

While an evaluation runs, ``FILE.partial`` holds what was asked for in its first line and one record in each later one;
of several processes each has a file of its own, ``FILE.partial-1`` and so on. ``finish`` writes FILE in one move, and
the partial files go.
"""

from __future__ import annotations

import glob
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from ..errors import UserError
from .records import Record

FORMAT = "cotdemo-evaluation"
VERSION = 2


class Journal:
    """Records of one evaluation by (index, sample); ``asked`` is what it was asked to do, as JSON values.

    ``process`` tells the files of several processes apart; each reads what all have recorded before. With ``resume``,
    records of an earlier run of the same evaluation are taken over; without it, a file that is there is not touched.
    Raises UserError for that, and for a file that is damaged or of another evaluation.
    """

    def __init__(self, file: Path, asked: dict[str, Any], resume: bool = False, process: int = 0):
        self.file = file
        self.partial = file.with_name(file.name + ".partial" + (f"-{process}" if process else ""))
        self.asked = json.loads(json.dumps(asked))
        self.records: dict[tuple[int, int], Record] = {}
        found = [*([self.file] if self.file.exists() else []), *self._partials()]
        if found and not resume:
            raise UserError(f"{found[0]} exists: go on with it by --resume, or delete it, or name another file.")
        self._torn = 0
        for path in found:
            before, records = load(path) if path == self.file else self._load_partial(path)
            if before != self.asked:
                raise UserError(
                    f"{path} is of another evaluation ({_difference(before, self.asked)}); name another file."
                )
            self.records |= {record.place: record for record in records}
        self._stream: TextIO | None = None

    def __enter__(self) -> Journal:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self._torn:
            os.truncate(self.partial, self.partial.stat().st_size - self._torn)
        self._stream = self.partial.open("a", encoding="ascii")
        if self._stream.tell() == 0:
            self._write({"format": FORMAT, "version": VERSION, "asked": self.asked})
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def add(self, record: Record) -> None:
        self.records[record.place] = record
        self._write(record.as_dict())

    def finish(self, chosen: list[tuple[int, int]], **content: Any) -> dict[str, Any]:
        """Write the evaluation's file: the records of ``chosen`` places and further ``content``; returns it all."""
        whole = {
            "format": FORMAT,
            "version": VERSION,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "asked": self.asked,
            **content,
            "records": [self.records[place].as_dict() for place in chosen],
        }
        write_json(self.file, whole)
        for partial in self._partials():
            partial.unlink(missing_ok=True)
        return whole

    def gather(self) -> None:
        """Take in what other processes have recorded."""
        for path in self._partials():
            self.records |= {record.place: record for record in self._load_partial(path)[1]}

    def _partials(self) -> list[Path]:
        return sorted(self.file.parent.glob(glob.escape(self.file.name) + ".partial*"))

    def _write(self, content: Any) -> None:
        self._stream.write(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")
        self._stream.flush()

    def _load_partial(self, path: Path) -> tuple[dict[str, Any], list[Record]]:
        whole, _, torn = path.read_bytes().rpartition(b"\n")  # a killed run may have left half a line
        if path == self.partial:
            self._torn = len(torn)
        if not whole:
            return self.asked, []
        try:
            head, *lines = map(json.loads, whole.decode().split("\n"))
            return _asked(head), [Record.from_dict(line) for line in lines]
        except ValueError:
            raise UserError(f"{path} is damaged: delete it and start again.") from None


def load(file: Path) -> tuple[dict[str, Any], list[Record]]:
    """What a complete evaluation was asked for, and its records. Raises UserError for another file."""
    try:
        content = json.loads(file.read_text(encoding="ascii"))
        return _asked(content), [Record.from_dict(record) for record in content["records"]]
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{file} is no evaluation that this version wrote.") from None


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` in one move, so that no reader ever sees half a file; NaN, which JSON has not, becomes null."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n", encoding="ascii")
    part.replace(file)


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if content != content else content


def _asked(head: Any) -> dict[str, Any]:
    if not isinstance(head, dict) or (head.get("format"), head.get("version")) != (FORMAT, VERSION):
        raise ValueError("another format")
    return head["asked"]


def _difference(before: dict[str, Any], asked: dict[str, Any]) -> str:
    return ", ".join(sorted(name for name in before.keys() | asked.keys() if before.get(name) != asked.get(name)))
