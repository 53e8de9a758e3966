"""Means with 95% intervals, by bootstrap over prompts, stratified by kind; areas under ROC curves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from ..geneval.folder import Entry
from .records import Record

OVERALL = "overall"  # the mean of the kinds, as GenEval has it


class Estimate(NamedTuple):
    """A mean and its 95% interval."""

    value: float
    low: float
    high: float


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
    if not len(values) == len(kinds) == len(prompts) > 0:
        raise ValueError("there must be as many kinds and prompts as values, and at least one")
    groups: dict[str, dict[Hashable, list[float]]] = {}  # kind -> prompt -> values
    for value, kind, prompt in zip(values, kinds, prompts):
        groups.setdefault(kind, {}).setdefault(prompt, []).append(float(value))
    rng = np.random.default_rng(seed)
    means, resampled = {}, {}
    for kind, of in groups.items():
        totals, sizes = (np.array([total(group) for group in of.values()], float) for total in (sum, len))
        means[kind] = totals.sum() / sizes.sum()
        resampled[kind] = _resampled(totals, sizes, draws, rng)
    means[OVERALL] = np.mean(list(means.values()))
    resampled[OVERALL] = np.mean(list(resampled.values()), axis=0)
    ends = {kind: np.quantile(of, [0.025, 0.975]) for kind, of in resampled.items()}
    return {kind: Estimate(float(mean), *map(float, ends[kind])) for kind, mean in means.items()}


def estimates(values: Sequence[float], of: Sequence[Entry | Record]) -> dict[str, dict[str, float]]:
    """``means_of_kinds`` of a value for each entry or record, as it stands in a file."""
    found = means_of_kinds(values, [one.kind for one in of], [one.prompt for one in of])
    return {
        kind: {end: round(value, 6) for end, value in estimate._asdict().items()} for kind, estimate in found.items()
    }


def _resampled(totals: np.ndarray, sizes: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means ``(draws,)`` over groups drawn with replacement, from each group's sum and size."""
    means = []
    for first in range(0, draws, 500):  # in parts, as there may be thousands of groups
        drawn = rng.integers(len(totals), size=(min(500, draws - first), len(totals)))
        means.append(totals[drawn].sum(1) / sizes[drawn].sum(1))
    return np.concatenate(means)


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
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    counts = [_won_pairs(scores[members], labels[members]) for members in rows.values()]
    wins, pairs = (sum(column) for column in zip(*counts)) if counts else (0.0, 0)
    return wins / pairs if pairs else float("nan")


def _won_pairs(scores: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Pairs won by the positive (the Mann-Whitney statistic) and all pairs."""
    if scores.shape != labels.shape:
        raise ValueError("there must be as many labels as scores")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    _, number, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[number]  # equal scores share their mean rank
    positives = int(labels.sum())
    wins = float(ranks[labels].sum()) - positives * (positives + 1) / 2
    return wins, positives * (len(labels) - positives)
