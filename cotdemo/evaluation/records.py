"""What a run came to, without its pictures: every path of every round, its verdicts and its truth.

A record is made from the state of one run (``cotdemo.state``). All figures of an evaluation are functions of records
(``report``), so whatever yields the events of a run can be evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..events import Judged
from ..state import PathState, RoundState, RunState
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

    @classmethod
    def of(cls, path: PathState) -> Path:
        verdicts = [_verdict(judged) for step in path.steps.values() for judged in step.verdicts.values()]
        made = cls(len(path.steps), path.pruned.step if path.pruned else None, verdicts)
        if path.checked:
            made.correct, made.strict, made.reason = path.checked.correct, path.checked.strict, path.checked.reason
        return made

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


def _verdict(judged: Judged) -> list[Any]:
    return [judged.step, judged.question, _short(judged.p_yes), _short(judged.p_no), judged.answer]


def _short(probability: float) -> float:
    return float(f"{probability:.9g}")  # tells every float32 from every other, in fewer digits
