"""How an answer becomes a verdict.

By default the likeliest token decides, so a run is deterministic. ``verdicts="sampled"`` has the judge draw its answer
and reads the probabilities it was drawn from, as the released code does (``cotdemo.verifiers.sampled``). What follows
from a verdict is a ``StoppingRule``'s to say (``cotdemo.search.stopping``).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..run.events import QUESTIONS, Question

Answer = Literal["yes", "no", "neither"]


def likeliest(yes: bool, no: bool) -> Answer:
    """The verdict of the likeliest token."""
    return "yes" if yes else "no" if no else "neither"


def draw_seed(key: tuple[int, int, int, int], question: Question) -> int:
    """The seed that one answer is drawn from, by its ``key`` (seed, round, path, step): whoever is asked beside it."""
    return int(np.random.SeedSequence([*key, QUESTIONS.index(question)]).generate_state(1)[0])
