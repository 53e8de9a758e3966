"""How an answer becomes a verdict, and what the released code made of it.

By default the likeliest token decides, so a run is deterministic. ``verdicts="sampled"`` has the judge draw its answer
and reads the probabilities it was drawn from, as the released code does (``cotdemo.judge.released``). ``original=True``
takes the released code's rules (github ZiyuGuo99/Image-Generation-CoT, parm.py) where they differ from the paper's: a
picture is clear unless the answer is "no"; potential is asked once; a "no" does not stop the path, which only cannot
win; an answer that is neither counts P(no) = 50 for potential and P(yes) = 0 for outcome; the picture chosen without
survivors is not judged.

``stopping="lenient"`` is ours (docs/measured.md). The best path of a hard prompt may be called hopeless while it is
unfinished, so a path stops only below P(yes) = ``HOPELESS``; and a picture that never was called clear may win, as the
final question tells better whether it is right.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..events import QUESTIONS, Judged, Question
from ..settings import Settings

Answer = Literal["yes", "no", "neither"]

HOPELESS = 0.1  # P(yes) to potential below which a path stops by lenient rules
NEVER_CLEAR = 1.0  # P(no) of a path that was never asked for its potential, in the released code and here


def likeliest(yes: bool, no: bool) -> Answer:
    """The verdict of the likeliest token."""
    return "yes" if yes else "no" if no else "neither"


def draw_seed(key: tuple[int, int, int, int], question: Question) -> int:
    """The seed that one answer is drawn from, by its ``key`` (seed, round, path, step): whoever is asked beside it."""
    return int(np.random.SeedSequence([*key, QUESTIONS.index(question)]).generate_state(1)[0])


def is_clear(clarity: Judged, original: bool) -> bool:
    """Whether the picture can be judged; in the released code, unless the answer is "no"."""
    return clarity.answer != "no" if original else clarity.answer == "yes"


def is_promising(potential: Judged, settings: Settings) -> bool:
    """Whether the path goes on, and is asked nothing more until its end."""
    return potential.p_yes >= HOPELESS if settings.stopping == "lenient" else potential.answer == "yes"


def is_hopeless(potential: Judged, settings: Settings) -> bool:
    """Whether the path stops here."""
    if settings.stopping == "lenient":
        return potential.p_yes < HOPELESS
    return potential.answer == "no" and not settings.original


def doubt(potential: Judged, original: bool) -> float:
    """P(no) to potential by which the least hopeless path is found."""
    return 50.0 if original and potential.answer == "neither" else potential.p_no


def score(outcome: Judged, original: bool) -> float:
    """P(yes) to outcome by which the best of the survivors is found; a "no" can still be the best."""
    return 0.0 if original and outcome.answer == "neither" else outcome.p_yes
