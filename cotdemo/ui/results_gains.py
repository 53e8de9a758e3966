"""What each row of the ladder gains over the plain generator, paired by prompt, with 95% intervals.

Means and intervals are those of ``cotdemo.evaluation.report.means_of_kinds``, but all rows share their draws: a table
takes a moment, and a page that is being built can wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation.results import OVERALL, RULES, SHIPPED, Entry, entries_of, values

PLAIN = "plain"  # the row that all others are held against; ``PLAIN`` of web/rungs.js
DRAWS = 2000
Gain = dict[str, dict[str, list[float]]]  # rule -> kind or ``OVERALL`` -> value, and the ends of its interval


def gains_of(content: Mapping[str, Any]) -> dict[str, Gain]:
    """By the name of every other measured row with the shipped weights.

    {} where nothing can be paired: the plain row is not measured, or the prompts are no longer those of then. Raises
    KeyError or ValueError for rows that do not hold what came of every prompt.
    """
    rows = {row["name"]: row for row in content["rows"] if row["training_seed"] == SHIPPED and not row["missing"]}
    entries = entries_of(content["asked"])
    names = [name for name in rows if name != PLAIN]
    if PLAIN not in rows or entries is None or not names:
        return {}
    gains: dict[str, Gain] = {name: {} for name in names}
    for rule in RULES:
        gained = [np.subtract(values(rows[name], rule), values(rows[PLAIN], rule)) for name in names]
        for name, found in zip(names, _estimates(np.stack(gained, axis=1), entries)):
            gains[name][rule] = found
    return gains


def _estimates(gained: np.ndarray, entries: Sequence[Entry]) -> list[dict[str, list[float]]]:
    """Of ``gained`` ``(entries, rows)``, for each row: mean and interval by kind and overall, the mean of kinds."""
    if len(gained) != len(entries):
        raise ValueError("there must be as many values as prompts were asked")
    rng = np.random.default_rng(0)
    means, resampled = {}, {}
    for kind in dict.fromkeys(entry.kind for entry in entries):
        own = [place for place, entry in enumerate(entries) if entry.kind == kind]
        _, group = np.unique([entries[place].prompt for place in own], return_inverse=True)
        sizes = np.bincount(group).astype(float)
        totals = np.zeros((len(sizes), gained.shape[1]))
        np.add.at(totals, group, gained[own])  # pictures of one prompt are drawn together
        drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS)
        means[kind], resampled[kind] = totals.sum(0) / sizes.sum(), (drawn @ totals) / (drawn @ sizes)[:, None]
    means[OVERALL] = np.mean(list(means.values()), axis=0)
    resampled[OVERALL] = np.mean(list(resampled.values()), axis=0)
    ends = {kind: np.quantile(drawn, [0.025, 0.975], axis=0) for kind, drawn in resampled.items()}
    return [
        {kind: [round(float(end), 4) for end in (means[kind][row], *ends[kind][:, row])] for kind in means}
        for row in range(gained.shape[1])
    ]
