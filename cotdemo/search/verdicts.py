"""How an answer becomes a verdict.

By default the likeliest token decides, so a run is deterministic. ``verdicts="sampled"`` draws the verdict from the
answer's probabilities, as the released code does by sampling its answers at temperature 1. What follows from a verdict
is a ``StoppingRule``'s to say (``cotdemo.search.stopping``).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..events import QUESTIONS, Question

Answer = Literal["yes", "no", "neither"]


def likeliest(yes: bool, no: bool) -> Answer:
    """The verdict of the likeliest token."""
    return "yes" if yes else "no" if no else "neither"


def drawn(p_yes: float, p_no: float, key: tuple[int, int, int, int], question: Question) -> Answer:
    """A verdict drawn from the probabilities; the same ``key`` (seed, round, path, step) draws the same."""
    draw = np.random.default_rng([*key, QUESTIONS.index(question)]).random()
    return "yes" if draw < p_yes else "no" if draw < p_yes + p_no else "neither"
