"""The vocabulary of a run: small frozen records that every search yields and every consumer reads.

A search (``cotdemo.search``) is a generator of these events. The page, the command line, the trace file, the API and
the tests all consume the same stream, so nothing about a run is known to one of them and hidden from another.

Conventions: paths are numbered from 0 and keep their number for the whole run; steps are numbered from 0; rounds are
numbered from 0 (round 0 paints, later rounds repaint after a critique). Pictures are RGB ``uint8`` arrays of shape
``(height, width, 3)`` and take no part in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

Method = Literal["baseline", "orm-zero-shot", "orm", "prm", "parm", "parm++"]
Question = Literal["clarity", "potential", "outcome"]
QUESTIONS: tuple[Question, ...] = get_args(Question)


def _picture() -> np.ndarray | None:
    return field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class RunStarted:
    """First event of every run: what was asked for, and what answers."""

    prompt: str
    method: Method
    backend: str
    model: str
    paths: int
    steps: int
    guidance: float
    temperature: float
    seed: int
    rounds: int
    grid: tuple[int, int]  # token rows, token columns
    codebook: int  # number of codes a token can take
    picture_size: tuple[int, int]  # height, width in pixels
    weights: dict[str, str] = field(default_factory=dict)  # component -> short hash of its weights
    verdicts: str = "argmax"  # "argmax": the likeliest token decides; "sampled": drawn, as the released code does
    original: bool = False  # the released code's rules in place of the right ones (``cotdemo.search.verdicts``)
    judge_from: int = 1  # the step, counted from 1, whose guesses PARM's judge looks at first
    stopping: str = "paper"  # or "lenient": PARM stops fewer paths and lets unclear ones win
    repaint: str = "whole"  # or "region": PARM++ leaves half of the picture as it is


@dataclass(frozen=True)
class RoundStarted:
    """A round of painting begins; from round 1 on it repaints ``picture`` with ``critique`` (PARM++)."""

    round: int
    model: str
    critique: str = ""
    picture: np.ndarray | None = _picture()


@dataclass(frozen=True)
class StepDecoded:
    """One mask-predict step of one path.

    ``codes`` are all N sampled codes of the step (known positions keep theirs): the *guess*, which is what a judge
    sees. ``masked`` lists the positions that are masked again after the step; the others are kept. ``confidence`` is
    the probability of each sampled code, 1.0 where the position was known before. ``passes`` are the forward passes of
    one sequence through the generator that the step took, two where it was guided; None in traces of before they were
    counted here.
    """

    round: int
    path: int
    step: int
    codes: tuple[int, ...] = field(repr=False)
    masked: tuple[int, ...] = field(repr=False)
    confidence: tuple[float, ...] = field(repr=False)
    picture: np.ndarray | None = _picture()  # decode of ``codes``; None where nobody judges or shows it
    passes: int | None = None


@dataclass(frozen=True)
class Judged:
    """The judge's answer to one question about one picture, read from the logits of one forward pass."""

    round: int
    path: int
    step: int
    question: Question
    p_yes: float
    p_no: float
    answer: Literal["yes", "no", "neither"]


@dataclass(frozen=True)
class PathPruned:
    """The path stops after ``step``: the judge said it can no longer come out right (with probability ``p_no``)."""

    round: int
    path: int
    step: int
    p_no: float


@dataclass(frozen=True)
class Winner:
    """The picture a round chose. ``p_yes`` is the outcome answer's probability, None where nothing judged it.

    ``fallback`` tells that every path was pruned (or never clear), and the one with the lowest P(no) was finished.
    """

    round: int
    path: int
    survivors: tuple[int, ...]
    p_yes: float | None
    fallback: bool = False
    codes: tuple[int, ...] = field(default=(), repr=False)
    picture: np.ndarray | None = _picture()


@dataclass(frozen=True)
class Critiqued:
    """The judge's words on the round's winner. ``done`` is False while the words are still coming (streaming)."""

    round: int
    text: str
    done: bool = True


@dataclass(frozen=True)
class Checked:
    """What the embedded world's exact checker says: the truth, which the judge does not see."""

    round: int
    path: int
    correct: bool  # by GenEval's rules
    strict: bool  # correct, and nothing in the picture that was not asked for
    reason: str  # "" when correct


@dataclass(frozen=True)
class Progress:
    """What is happening, in words; carries no result and is not kept in a trace."""

    message: str


@dataclass(frozen=True)
class RunFinished:
    """Last event of a completed run: which round's winner is the answer, and what the run cost."""

    round: int
    path: int
    seconds: float = field(compare=False)
    generator_passes: int  # of all steps together
    judge_passes: int  # questions answered
    pictures_decoded: int
    passes_saved: int  # generator passes that pruning avoided


Event = (
    RunStarted
    | RoundStarted
    | StepDecoded
    | Judged
    | PathPruned
    | Winner
    | Critiqued
    | Checked
    | Progress
    | RunFinished
)
