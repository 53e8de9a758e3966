"""How much memory the released models take: reckoned from their parameters, by precision, and what cards can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..compute.precision import AUTO, Card, Plan, Precision, plan

# Parameters: of the judge those of its language layers, of its head (and as many of its words), and of the rest.
GENERATOR, TOKENIZER, LAYERS, HEAD, SIGHT = 1.448e9, 0.095e9, 6.525e9, 0.545e9, 0.415e9
ROOM = {16: 2e9, 32: 4e9}  # bytes to work in, by the side of the grid: batches that do not fit are halved
A_PATH = {16: 2.2e9 / 20, 32: 5.4e9 / 16}  # bytes live at once for each path, by the side of the grid


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

# free bytes as their names have it, NVIDIA's compute capability
CARDS = {
    "80 GB (A100, H100)": Card("cuda", 80e9, (8, 0), can_quantise=True),
    "24 GB (RTX 3090, 4090, L4)": Card("cuda", 24e9, (8, 6), can_quantise=True),
    "16 GB (RTX 4080)": Card("cuda", 16e9, (8, 9), can_quantise=True),
    "16 GB (T4)": Card("cuda", 15.6e9, (7, 5), can_quantise=True),  # a part of it is its driver's
    "12 GB (RTX 3060, 4070)": Card("cuda", 12e9, (8, 6), can_quantise=True),
    "8 GB (RTX 3070, 4060)": Card("cuda", 8e9, (8, 6), can_quantise=True),
}


@dataclass(frozen=True)
class Fit:
    """What ``auto`` picks for a card, and how many paths are computed at once beside the weights; more go in halves."""

    card: str
    plan: Plan
    paths: int
    fits: bool


def fits(side: int) -> Iterator[Fit]:
    """For each of ``CARDS``, at that side of the grid."""
    for name, card in CARDS.items():
        picked = plan(AUTO, card, lambda *way: need(*way, ROOM[side]))
        paths = int((card.free - at_work(picked.precision, picked.offload)) / A_PATH[side])
        yield Fit(name, picked, paths, picked.needed <= card.free)
