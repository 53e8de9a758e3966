"""Means with 95% intervals, by bootstrap over prompts, stratified by kind; areas under ROC curves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .entries import Entry
from .records import Record

OVERALL = "overall"  # the mean of the kinds, as GenEval has it


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def means_of_kinds(
    values: Sequence[float],
    kinds: Sequence[str],
    prompts: Sequence[Hashable],
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mean of ``values`` for each kind, in order of appearance, and ``OVERALL``: the mean of the kinds' means.

    Intervals are percentiles of a bootstrap over prompts, stratified by kind. Images of the same prompt are not
    independent, so they are drawn together. For a paired comparison pass differences. Raises ValueError for no values.
    """
    values = np.asarray(values, float)
    if not len(values) == len(kinds) == len(prompts) > 0:
        raise ValueError("there must be as many kinds and prompts as values, and at least one")
    rng = np.random.default_rng(seed)
    means, resampled = {}, {}
    for kind in dict.fromkeys(kinds):
        members = [place for place, other in enumerate(kinds) if other == kind]
        sums: dict[Hashable, list[float]] = {}
        for place in members:
            sums.setdefault(prompts[place], []).append(values[place])
        totals = np.asarray([sum(group) for group in sums.values()])
        sizes = np.asarray([len(group) for group in sums.values()], float)
        means[kind] = totals.sum() / sizes.sum()
        resampled[kind] = _resampled(totals, sizes, draws, rng)
    means[OVERALL] = float(np.mean(list(means.values())))
    resampled[OVERALL] = np.mean(list(resampled.values()), axis=0)
    return {kind: _estimate(mean, resampled[kind]) for kind, mean in means.items()}


def estimates(values: Sequence[float], of: Sequence[Entry | Record]) -> dict[str, dict[str, float]]:
    """``means_of_kinds`` of a value for each entry or record, as it stands in a file."""
    found = means_of_kinds(values, [one.kind for one in of], [one.prompt for one in of])
    return {kind: one.as_dict() for kind, one in found.items()}


def _resampled(totals: np.ndarray, sizes: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means ``(draws,)`` over groups drawn with replacement, from each group's sum and size."""
    means = []
    for first in range(0, draws, 500):  # in parts, as there may be thousands of groups
        drawn = rng.integers(len(totals), size=(min(500, draws - first), len(totals)))
        means.append(totals[drawn].sum(1) / sizes[drawn].sum(1))
    return np.concatenate(means)


def _estimate(mean: float, resampled: np.ndarray) -> Estimate:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(mean), float(low), float(high))


def roc_auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The share of (positive, negative) pairs in which the positive has the higher score; equal scores count half.

    NaN where there is no such pair. Raises ValueError for scores that are NaN.
    """
    wins, pairs = _won_pairs(np.asarray(scores, float), np.asarray(labels, bool))
    return wins / pairs if pairs else float("nan")


def roc_auc_within(scores: Sequence[float], labels: Sequence[bool], groups: Sequence[Hashable]) -> float:
    """As ``roc_auc``, over pairs of the same group only: is the right image *of a prompt* told from its wrong ones?

    Easy and hard prompts then add nothing. NaN where no group has both labels.
    """
    scores, labels = np.asarray(scores, float), np.asarray(labels, bool)
    if not len(scores) == len(labels) == len(groups):
        raise ValueError("there must be as many labels and groups as scores")
    places: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    counts = [_won_pairs(scores[members], labels[members]) for members in places.values()]
    wins, pairs = (sum(column) for column in zip(*counts)) if counts else (0.0, 0)
    return wins / pairs if pairs else float("nan")


def _won_pairs(scores: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Pairs won by the positive (the Mann-Whitney statistic) and all pairs."""
    if scores.shape != labels.shape:
        raise ValueError("there must be as many labels as scores")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # equal scores share their mean rank
    positives = int(labels.sum())
    wins = float(ranks[labels].sum()) - positives * (positives + 1) / 2
    return wins, positives * (len(labels) - positives)
