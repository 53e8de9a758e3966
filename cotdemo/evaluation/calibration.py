"""Whether PARM's judge is as sure as it should be: P(yes) to each of its questions, against how often it was right.

Counted are the answers that a run would ask for. Clarity is asked of every guess of a path until it is "yes", and is
right of a guess that shows what its path ends with; potential of the guess that is clear at last, and outcome of the
final image, are right where that is. ``eval --curves`` keeps ten bins a question, and the Results tab draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .entries import Entry
from .pool import UNKNOWN, YES, Pool
from .report import RULES

BINS = 10
JUDGE = "parm"


def calibration(pool: Pool, entries: Sequence[Entry], paths: int) -> dict[str, list[dict[str, Any]]]:
    """The bins of every question, over the first ``paths`` paths of a pool, which must hold them judged by PARM."""
    said_yes = pool.answered(entries, JUDGE, "clarity", paths) == YES  # (prompts, paths, steps)
    first_yes = said_yes & (said_yes.cumsum(-1) == 1)
    until_yes = said_yes.cumsum(-1) - said_yes == 0
    final = np.zeros_like(said_yes)
    final[..., -1] = True
    shown = pool.clear(entries, paths)
    clear = dict.fromkeys(RULES, shown == 1)
    right = {rule: np.stack([truth[:paths] for truth in of])[..., None] for rule, of in pool.truths(entries).items()}
    asked = {
        "clarity": (clear, until_yes & (shown != UNKNOWN)), "potential": (right, first_yes), "outcome": (right, final),
    }  # fmt: skip
    return {
        question: bins(pool.told(entries, JUDGE, question, paths), truths, counted)
        for question, (truths, counted) in asked.items()
    }


def bins(stated: np.ndarray, truths: Mapping[str, np.ndarray], counted: np.ndarray) -> list[dict[str, Any]]:
    """Ten rows from P(yes) 0 to 1: how many answers, the mean P(yes) of them, and by rule the share that was right.

    ``stated`` and ``counted``, whether an answer counts, are of one shape; each of ``truths`` broadcasts to it. Means
    of a row without answers are None.
    """
    values = stated[counted]
    right = {rule: np.broadcast_to(truth, stated.shape)[counted] for rule, truth in truths.items()}
    places = np.minimum((values * BINS).astype(int), BINS - 1)
    return [
        {
            "from": number / BINS,
            "count": int((places == number).sum()),
            "stated": _mean(values[places == number]),
            "right": {rule: _mean(of[places == number]) for rule, of in right.items()},
        }
        for number in range(BINS)
    ]


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
