"""What a run came to, without its images: every path of every round, its verdicts and its truth.

A record is made from the state of one run (``cotdemo.run.state``). All figures of an evaluation are functions of
records (``report``), so whatever yields the events of a run can be evaluated.

A ``Journal`` is the file of an evaluation: complete, or so far. A record is kept as soon as it is made. While an
evaluation runs, ``FILE.partial`` holds what was asked for in its first line and one record in each later one; of
several processes each has a file of its own, ``FILE.partial-1`` and so on. ``finish`` writes FILE in one move, and the
partial files go.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any, NamedTuple, TextIO

from pydantic import ConfigDict, TypeAdapter

from ..errors import UserError
from ..files import headed, read_json, write_json
from ..geneval.folder import Entry
from ..run.state import PathState, RoundState, RunState

FORMAT, VERSION = "cotdemo-evaluation", 2
_STRICT = ConfigDict(extra="forbid")


class Outcome(NamedTuple):
    p_yes: float
    answer: str


@dataclass
class Path:
    """One path of one round. ``correct`` is None where the final image is not known, or nothing can check it."""

    __pydantic_config__ = _STRICT

    steps: int = 0  # painted in the run
    pruned: int | None = None  # the step after which it was stopped
    verdicts: list[list[Any]] = field(default_factory=list)  # [step, question, P(yes), P(no), answer]
    correct: bool | None = None
    strict: bool | None = None
    reason: str = ""
    finished_later: bool = False  # it was stopped, and painted to its end to learn what would have come of it

    @classmethod
    def of(cls, path: PathState) -> Path:
        verdicts = [
            [judged.step, judged.question, _short(judged.p_yes), _short(judged.p_no), judged.answer]
            for step in path.steps.values()
            for judged in step.verdicts.values()
        ]
        made = cls(len(path.steps), path.pruned.step if path.pruned else None, verdicts)
        if path.checked:
            made.correct, made.strict, made.reason = path.checked.correct, path.checked.strict, path.checked.reason
        return made

    def outcome(self) -> Outcome | None:
        """The answer about the final image, where it was judged."""
        asked = [Outcome(p_yes, said) for _, question, p_yes, _, said in self.verdicts if question == "outcome"]
        return asked[-1] if asked else None  # a process reward model asks it about every guess


@dataclass
class Round:
    """One round of painting and the image it chose."""

    __pydantic_config__ = _STRICT

    model: str
    paths: list[Path]
    winner: int = -1
    fallback: bool = False  # no path survived
    critique: str | None = None  # what the judge said about the winner

    @classmethod
    def of(cls, round: RoundState) -> Round:
        made = cls(round.model, [Path.of(path) for path in round.paths])
        if round.winner:
            made.winner, made.fallback = round.winner.path, round.winner.fallback
        if round.criticised:
            made.critique = round.criticised.text
        return made

    @property
    def chosen(self) -> Path:
        return self.paths[self.winner]


@dataclass
class Record:
    """One image of an evaluation: the answer is the winner of round ``answer``."""

    __pydantic_config__ = _STRICT

    index: int
    sample: int
    kind: str
    prompt: str
    seed: int
    rounds: list[Round]
    answer: int
    seconds: float
    generator_passes: int
    judge_passes: int
    pictures_decoded: int
    passes_saved: int
    operations: Mapping[str, int]  # by part

    @property
    def place(self) -> tuple[int, int]:
        return self.index, self.sample

    @property
    def final(self) -> Path:
        """The path whose image is the answer."""
        return self.rounds[self.answer].chosen

    @classmethod
    def of(cls, entry: Entry, run: RunState, operations: Mapping[str, int]) -> Record:
        """The record of a complete run, and of what it has cost. Raises ValueError for one without an end."""
        end = run.finished
        if end is None:
            raise ValueError("the run has not come to its end")
        rounds = [Round.of(one) for one in run.rounds]
        return cls(
            entry.index, entry.sample, entry.kind, entry.prompt, run.settings.seed, rounds, end.round,
            round(end.seconds, 4), end.generator_passes, end.judge_passes, end.pictures_decoded, end.passes_saved,
            operations,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """The inverse of ``as_dict``. Raises ValueError for anything else."""
        record = _checking().validate_python(values)
        try:
            _ = record.final
        except IndexError:
            raise ValueError("its answer is none of its paths") from None
        return record


@cache
def _checking() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def _short(probability: float) -> float:
    return float(f"{probability:.9g}")  # tells every float32 from every other, in fewer digits


# -- files


def load(file: FilePath) -> tuple[dict[str, Any], list[Record]]:
    """What a complete evaluation was asked for, and its records. Raises UserError for another file."""
    return read_json(
        file, FORMAT, VERSION, "evaluation",
        lambda content: (content["asked"], [Record.from_dict(record) for record in content["records"]]),
    )  # fmt: skip


class Journal:
    """Records of one evaluation by (index, sample); ``asked`` is what it was asked to do, as JSON values.

    ``process`` tells the files of several processes apart; each reads what all have recorded before. With ``resume``,
    records of an earlier run of the same evaluation are taken over; without it, a file that is there is not touched.
    Raises UserError for that, and for a file that is damaged or of another evaluation.
    """

    def __init__(self, file: FilePath, asked: dict[str, Any], resume: bool = False, process: int = 0):
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
        records = [self.records[place].as_dict() for place in chosen]
        whole = headed(FORMAT, VERSION, asked=self.asked, **content, records=records)
        write_json(self.file, whole)
        for partial in self._partials():
            partial.unlink(missing_ok=True)
        return whole

    def gather(self) -> None:
        """Take in what other processes have recorded."""
        for path in self._partials():
            self.records |= {record.place: record for record in self._load_partial(path)[1]}

    def _partials(self) -> list[FilePath]:
        return sorted(self.file.parent.glob(glob.escape(self.file.name) + ".partial*"))

    def _write(self, content: Any) -> None:
        self._stream.write(json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n")
        self._stream.flush()

    def _load_partial(self, path: FilePath) -> tuple[dict[str, Any], list[Record]]:
        whole, _, torn = path.read_bytes().rpartition(b"\n")  # a killed run may have left half a line
        if path == self.partial:
            self._torn = len(torn)
        if not whole:
            return self.asked, []
        try:
            head, *lines = map(json.loads, whole.decode().split("\n"))
            if (head["format"], head["version"]) != (FORMAT, VERSION):
                raise ValueError("another format")
            return head["asked"], [Record.from_dict(line) for line in lines]
        except (ValueError, LookupError, TypeError):
            raise UserError(f"{path} is damaged: delete it and start again.") from None


def _difference(before: dict[str, Any], asked: dict[str, Any]) -> str:
    return ", ".join(sorted(name for name in before.keys() | asked.keys() if before.get(name) != asked.get(name)))
