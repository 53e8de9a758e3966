"""What a run came to, without its pictures: every path of every round, its verdicts and its truth.

A record is made from the events of one run. All figures of an evaluation are functions of records (``report``), so
whatever yields the events of a run can be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..events import (
    Checked,
    Critiqued,
    Event,
    Judged,
    PathPruned,
    RoundStarted,
    RunFinished,
    StepDecoded,
    Winner,
)
from ..settings import Settings
from .entries import Entry

PARTS = ("generator", "decoder", "judge")  # of a backend, whose operations are counted


@dataclass
class Path:
    """One path of one round. ``correct`` is None where the final picture is not known, or nothing can check it."""

    steps: int = 0  # painted in the run
    pruned: int | None = None  # the step after which it was stopped
    verdicts: list[list[Any]] = field(default_factory=list)  # [step, question, P(yes), P(no), answer]
    correct: bool | None = None
    strict: bool | None = None
    reason: str = ""
    finished_later: bool = False  # it was stopped, and painted to its end to learn what would have come of it

    def outcome(self) -> tuple[float, str] | None:
        """P(yes) and the answer about the final picture, where it was judged."""
        asked = [(p_yes, said) for _, question, p_yes, _, said in self.verdicts if question == "outcome"]
        return asked[-1] if asked else None  # a process reward model asks it about every guess


@dataclass
class Round:
    """One round of painting and the picture it chose."""

    model: str
    paths: list[Path]
    winner: int = -1
    fallback: bool = False  # no path survived
    critique: str | None = None  # what the judge said about the winner

    @property
    def chosen(self) -> Path:
        return self.paths[self.winner]


@dataclass
class Record:
    """One picture of an evaluation: the answer is the winner of round ``answer``."""

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
        """The path whose picture is the answer."""
        return self.rounds[self.answer].chosen

    @classmethod
    def of(cls, entry: Entry, settings: Settings, events: Iterable[Event], operations: Mapping[str, int]) -> Record:
        """The record of a complete run, and of what it has cost."""
        rounds: list[Round] = []
        end = None
        for event in events:
            if isinstance(event, RoundStarted):
                rounds.append(Round(event.model, [Path() for _ in range(settings.paths)]))
            elif isinstance(event, RunFinished):
                end = event
            elif hasattr(event, "round"):
                _note(rounds[event.round], event)
        if end is None:
            raise ValueError("the run has not come to its end")
        return cls(
            entry.index, entry.sample, entry.kind, entry.prompt, settings.seed, rounds, end.round,
            round(end.seconds, 4), end.generator_passes, end.judge_passes, end.pictures_decoded, end.passes_saved,
            operations,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """The inverse of ``as_dict``. Raises ValueError for anything else."""
        try:
            rounds = [
                _made(Round, one | {"paths": [_made(Path, path) for path in one["paths"]]}) for one in values["rounds"]
            ]
            record = _made(cls, dict(values) | {"rounds": rounds})
            _ = record.final, record.place
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"no record of an evaluation: {error}") from None
        return record


def _made(kind: type, values: Mapping[str, Any]) -> Any:
    if set(values) != {field.name for field in fields(kind)}:
        raise KeyError(f"the fields of {kind.__name__}")
    return kind(**values)


def _note(round: Round, event: Event) -> None:
    if isinstance(event, Winner):
        round.winner, round.fallback = event.path, event.fallback
    elif isinstance(event, Critiqued):
        round.critique = event.text
    elif isinstance(event, StepDecoded):
        round.paths[event.path].steps += 1
    elif isinstance(event, PathPruned):
        round.paths[event.path].pruned = event.step
    elif isinstance(event, Checked):
        path = round.paths[event.path]
        path.correct, path.strict, path.reason = event.correct, event.strict, event.reason
    elif isinstance(event, Judged):
        verdict = [event.step, event.question, _short(event.p_yes), _short(event.p_no), event.answer]
        round.paths[event.path].verdicts.append(verdict)


def _short(probability: float) -> float:
    return float(f"{probability:.9g}")  # tells every float32 from every other, in fewer digits
