"""How much memory the released models take, and how many operations: by arithmetic, and what that is on cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..compute.precision import AUTO, Card, Plan, Precision, plan

# Parameters: of the judge those of its language layers, of its head (and as many of its words), and of the rest.
GENERATOR, TOKENIZER, LAYERS, HEAD, SIGHT = 1.448e9, 0.095e9, 6.525e9, 0.545e9, 0.415e9
ROOM = {16: 2e9, 32: 4e9}  # bytes to work in, by the side of the grid: batches that do not fit are halved
A_PATH = {16: 2.2e9 / 20, 32: 5.4e9 / 16}  # bytes live at once for each path, by the side of the grid
# Operations for each path of PARM at 256 x 256, 18 steps, judged from step 1 and from 10, half of them stopped there:
# what `bench --backend show-o --count --paths 20 --clear-at 10 --stop-one-in 2` counts, by 20.
A_PATHS_OPERATIONS = {1: 2873e12 / 20, 10: 696e12 / 20}


def need(precision: Precision, offload: bool, room: float = 0.0) -> float:
    """Bytes of memory for one generator, one judge and the image tokenizer, and ``room`` to work in."""
    working = at_work(precision, offload) + room
    return max(working, TOKENIZER * precision.rest + judge_bytes(precision)) if offload else working


def at_work(precision: Precision, offload: bool) -> float:
    """Bytes of weights on the card while it computes.

    Offloaded, all but the quantised layers and the tokenizer lies in the processor's memory and comes group by group,
    the largest of which is the judge's head; but the judge is loaded whole before that is brought away.
    """
    if offload:
        return (TOKENIZER + HEAD) * precision.rest + LAYERS * precision.layers
    return (TOKENIZER + GENERATOR) * precision.rest + judge_bytes(precision)


def judge_bytes(precision: Precision) -> float:
    """Bytes of a judge's weights."""
    return LAYERS * precision.layers + (2 * HEAD + SIGHT) * precision.rest


# -- the cards people have

# Free bytes as their names have it and NVIDIA's compute capability; operations a second of dense products in half
# precision, as the maker has them, of the slowest where several are named.
CARDS = {
    "80 GB (A100, H100)": (Card("cuda", 80e9, (8, 0), can_quantise=True), 312e12),
    "24 GB (RTX 3090, 4090, L4)": (Card("cuda", 24e9, (8, 6), can_quantise=True), 71e12),
    "16 GB (RTX 4080)": (Card("cuda", 16e9, (8, 9), can_quantise=True), 97e12),
    "16 GB (T4)": (Card("cuda", 15.6e9, (7, 5), can_quantise=True), 65e12),  # a part of it is its driver's
    "12 GB (RTX 3060, 4070)": (Card("cuda", 12e9, (8, 6), can_quantise=True), 25e12),
    "8 GB (RTX 3070, 4060)": (Card("cuda", 8e9, (8, 6), can_quantise=True), 30e12),
}


@dataclass(frozen=True)
class Fit:
    """What ``auto`` picks for a card, and how many paths are computed at once beside the weights; more go in halves."""

    card: str
    plan: Plan
    paths: int
    fits: bool
    rate: float

    def least_seconds(self, paths: int, judged_from: int) -> float:
        """Seconds of arithmetic of one run at 256 x 256 at the full rate of the card; kernels and buses reach less."""
        return paths * A_PATHS_OPERATIONS[judged_from] / self.rate


def fits(side: int) -> Iterator[Fit]:
    """For each of ``CARDS``, at that side of the grid."""
    for name, (card, rate) in CARDS.items():
        picked = plan(AUTO, card, lambda *way: need(*way, ROOM[side]))
        paths = int((card.free - at_work(picked.precision, picked.offload)) / A_PATH[side])
        yield Fit(name, picked, paths, picked.needed <= card.free, rate)
