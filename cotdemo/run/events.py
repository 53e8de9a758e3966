"""The vocabulary of a run: small frozen records that every search yields and every consumer reads.

A search (``cotdemo.search``) is a generator of these events. The page, the command line, the trace file, the API and
the tests all consume the same stream, so nothing about a run is known to one of them and hidden from another.

Each field is declared once, with its kind (what is accepted, how it is written) and a sentence about it: the trace's
codec and the tables of docs/trace.md derive from them.

Conventions: paths are numbered from 0 and keep their number for the whole run; steps are numbered from 0; rounds are
numbered from 0 (round 0 paints, later rounds repaint after a critique). Images are RGB ``uint8`` arrays of shape
``(height, width, 3)`` and take no part in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ..fields import (
    IMAGE,
    MAX_SIDE,
    MAX_TOKENS,
    SMALL,
    THUMBNAIL,
    Codes,
    Flag,
    Hashes,
    Nested,
    Number,
    OneOf,
    Option,
    OrNone,
    Pixels,
    Positions,
    Several,
    Shares,
    Text,
    Whole,
    Wholes,
    declared,
)
from ..registry import MODELS
from ..settings import MAX_PROMPT, MOST_ROUNDS, PATHS, STEPS, Settings

Question = Literal["clarity", "potential", "outcome"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
MAX_CODEBOOK = 2**16  # a code is packed into 16 bits
MAX_WORDS = 1000  # characters of a critique, a reason, a message
MOST_REQUIREMENTS = 16  # of a prompt
MAX_NAME = 200  # of a checker

MAX_EVENTS = 20_000  # of a run
MOST_COUNTED = 10**9

_PROBABILITY, _COUNT = Number(0, 1), Whole(0, MOST_COUNTED)
_ASKED = OneOf({question: Option(question) for question in QUESTIONS})
_ANSWERS = OneOf({answer: Option(answer) for answer in ("yes", "no", "neither")})
# Images of steps are many, and their codes tell them exactly: small and lossy. A round's image is what people look
# at: as it is, and to the bit where that costs little.
_STEP_IMAGE, _ROUND_IMAGE = Pixels(THUMBNAIL), Pixels(IMAGE, exact=SMALL)


def _round(about: str = "") -> Any:
    return declared(Whole(0, MOST_ROUNDS), about)


def _path(about: str = "") -> Any:
    return declared(Whole(0, PATHS[1] - 1), about)


def _step(about: str = "") -> Any:
    return declared(Whole(0, STEPS[1] - 1), about)


def _image(kind: Pixels, about: str) -> Any:
    return declared(kind, about, default=None, compare=False, repr=False)


def _withheld() -> Any:
    about = "true: a safety checker flagged the image, and a grey one stands in for it"
    return declared(OrNone(Flag()), about, default=None)


@dataclass(frozen=True)
class RunStarted:
    """What was asked for, and what answers: the first event of every run."""

    settings: Settings = declared(Nested(Settings))
    grid: tuple[int, int] = declared(Wholes(1, MAX_SIDE, 2, 2), "token rows, token columns")
    codebook: int = declared(Whole(2, MAX_CODEBOOK), "number of codes a token can take")
    picture_size: tuple[int, int] = declared(Wholes(1, 4096, 2, 2), "height, width in pixels")
    weights: dict[str, str] = declared(Hashes(), "component to short hash of its weights", default_factory=dict)
    requirements: tuple[str, ...] = declared(
        Several(Text(MAX_PROMPT, least=1), 0, MOST_REQUIREMENTS),
        "what the prompt asks for, point by point, in words; none where that is not known",
        default=(),
    )


@dataclass(frozen=True)
class RoundStarted:
    """A round of painting begins; from round 1 on it repaints an image: from a critique (PARM++), or single tokens."""

    round: int = _round("one more than the round before")
    model: str = declared(OneOf(MODELS), "the model that paints it")
    critique: str = declared(Text(MAX_WORDS), "the words it repaints from", default="")
    picture: np.ndarray | None = _image(_ROUND_IMAGE, "that it repaints")
    tokens: tuple[int, ...] | None = declared(
        OrNone(Wholes(0, MAX_TOKENS - 1, 1, MAX_TOKENS)),
        "positions painted anew, as a visitor marked or the generator doubts them; none where the round repaints "
        "from a critique",
        default=None,
    )
    prompt: str = declared(
        Text(MAX_PROMPT), "what it paints and is judged by; none where that is the run's own prompt", default=""
    )
    withheld: bool | None = _withheld()


@dataclass(frozen=True)
class StepDecoded:
    """One mask-predict step of one path, once each.

    ``codes`` are all N sampled codes of the step (known positions keep theirs). ``masked`` lists the positions that are
    masked again after the step; the others are kept.
    """

    round: int = _round()
    path: int = _path()
    step: int = _step()
    codes: tuple[int, ...] = declared(Codes(), "of all tokens: the guess, which is what the judge sees", repr=False)
    masked: tuple[int, ...] = declared(Positions(), "the positions that are masked again after the step", repr=False)
    confidence: tuple[float, ...] = declared(
        Shares(), "probability of each code; 1.0 where the position was known before", repr=False
    )
    picture: np.ndarray | None = _image(_STEP_IMAGE, "of the guess; none where nobody judges or shows it")
    passes: int | None = declared(
        _COUNT,
        "forward passes of one sequence through the generator that the step took: 2 where it is guided, otherwise 1; "
        "none in traces from before they were counted here",
        default=None,
    )
    withheld: bool | None = _withheld()


@dataclass(frozen=True)
class Judged:
    """The judge's answer to one question about the path's guess at this step, read from one forward pass.

    Once for each round, path, step and question. Where another judge than PARM's ranked the images, Reflect brings
    PARM's word on the winner besides.
    """

    round: int = _round()
    path: int = _path()
    step: int = _step()
    question: Question = declared(_ASKED)
    p_yes: float = declared(_PROBABILITY)
    p_no: float = declared(_PROBABILITY)
    answer: Literal["yes", "no", "neither"] = declared(_ANSWERS)


@dataclass(frozen=True)
class Present:
    """What the judge says of the path's guess at this step, requirement by requirement. Nothing is chosen by it.

    Once for each round, path and step, where the judge looks at the guess anyway and the settings want a checklist.
    """

    round: int = _round()
    path: int = _path()
    step: int = _step()
    p_yes: tuple[float, ...] = declared(
        Several(_PROBABILITY, 1, MOST_REQUIREMENTS), "that each of the run's requirements is there, in their order"
    )

    @property
    def least(self) -> int:
        """The requirement that is least likely to be there, by its place."""
        return min(range(len(self.p_yes)), key=self.p_yes.__getitem__)


@dataclass(frozen=True)
class PathPruned:
    """The path stops after this step: the judge said that it can no longer come out right, or that others are likelier.

    If no path survives, one of them goes on later: then steps of it follow.
    """

    round: int = _round()
    path: int = _path()
    step: int = _step()
    p_no: float = declared(_PROBABILITY, "P(no) of the answer that stopped it")
    outdone: bool = declared(
        Flag(), "true: not hopeless by itself, others of its wave were likelier to come right", default=False
    )


@dataclass(frozen=True)
class Winner:
    """The image that a round chose; one per round."""

    round: int = _round()
    path: int = _path()
    survivors: tuple[int, ...] = declared(Wholes(0, PATHS[1] - 1, 0, PATHS[1]), "paths among which it was chosen")
    p_yes: float | None = declared(OrNone(_PROBABILITY), "of the outcome answer; null where nobody judged it")
    fallback: bool = declared(
        Flag(), "true: no path survived, and the one with the lowest P(no) to potential was finished", default=False
    )
    codes: tuple[int, ...] = declared(
        Codes(), "of the image; without them the run cannot be reflected on", default=(), repr=False
    )
    picture: np.ndarray | None = _image(_ROUND_IMAGE, "the image itself")
    withheld: bool | None = _withheld()


@dataclass(frozen=True)
class Critiqued:
    """What the judge says is wrong with the winner of a round; one per round."""

    round: int = _round()
    text: str = declared(Text(MAX_WORDS), "the judge's words")
    done: bool = declared(Flag(), "false while the words are still coming (in the page's stream only)", default=True)
    about: tuple[int, ...] = declared(
        Wholes(0, MOST_REQUIREMENTS - 1, 0, MOST_REQUIREMENTS),
        "which of the run's requirements they speak of, counted from 0",
        default=(),
    )


@dataclass(frozen=True)
class Checked:
    """What a checker says about a final image, once each: the embedded world's, which is exact, or a detector, which
    errs. The judge does not see it.
    """

    round: int = _round()
    path: int = _path()
    correct: bool = declared(Flag(), "right by GenEval's rules")
    strict: bool = declared(
        Flag(), "right, and nothing in the image that was not asked for; of a detector the same as correct"
    )
    reason: str = declared(Text(MAX_WORDS), 'what is wrong; "" when right')
    by: str | None = declared(
        OrNone(Text(MAX_NAME, 1)), "the detector, where it is one that says so; none for an exact checker", default=None
    )


@dataclass(frozen=True)
class Progress:
    """What is happening, in words; carries no result and is not kept in a trace."""

    message: str = declared(Text(MAX_WORDS), "what is happening just now")


@dataclass(frozen=True)
class RunFinished:
    """The answer so far and what it cost.

    A stopped run has none; a run that was reflected on has one more for each reflection, and the last one counts.
    """

    round: int = _round("of the winner that is the answer")
    path: int = _path("of the winner that is the answer")
    seconds: float = declared(Number(0, MOST_COUNTED, digits=3), "time spent computing", compare=False)
    generator_passes: int = declared(
        _COUNT, "forward passes of one sequence through the generator, of all steps together"
    )
    judge_passes: int = declared(_COUNT, "questions answered, critiques included")
    pictures_decoded: int = declared(_COUNT, "images that were decoded from codes")
    passes_saved: int = declared(_COUNT, "generator passes that stopping paths, or beginning fewer, avoided")


Event = (
    RunStarted
    | RoundStarted
    | StepDecoded
    | Judged
    | Present
    | PathPruned
    | Winner
    | Critiqued
    | Checked
    | Progress
    | RunFinished
)
