"""Scenes: a few coloured objects on a plain ground, placed on the tokenizer's pitch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

KINDS = (
    "circle", "square", "triangle", "diamond", "star", "heart",
    "moon", "ring", "cross", "arrow", "house", "tree",
)  # fmt: skip
COLOURS = {
    "red": (214, 39, 40),
    "orange": (255, 127, 14),
    "yellow": (250, 220, 40),
    "green": (44, 150, 44),
    "blue": (31, 90, 205),
    "purple": (130, 60, 180),
    "pink": (250, 145, 195),
    "brown": (116, 70, 38),
    "black": (24, 24, 28),
    "white": (252, 252, 252),
}  # GenEval's ten colours
GROUND = (172, 182, 192)
RELATIONS = ("left of", "right of", "above", "below")


@dataclass(frozen=True)
class Difficulty:
    """What decides how hard the world is to paint, in pixels.

    ``pitch`` is the distance between allowed positions: 8, the tokenizer's own pitch, shows every object to it in the
    same phase and keeps the entropy of the token grid low enough for minutes of training on a CPU.
    """

    canvas: int = 64
    box: int = 24  # the square an object occupies; two boxes never overlap
    size: int = 21  # the drawn object, centred in its box
    pitch: int = 8


DIFFICULTY = Difficulty()


@dataclass(frozen=True)
class Object:
    """One object; ``x`` and ``y`` are the left and top edges of its box in pixels."""

    kind: str
    colour: str
    x: int
    y: int


@dataclass(frozen=True)
class Scene:
    objects: tuple[Object, ...]
    difficulty: Difficulty = DIFFICULTY


def relations(box_a: tuple[float, float, float, float], box_b: tuple[float, float, float, float]) -> set[str]:
    """The relations that hold of object A to object B, by GenEval's rule, from boxes (left, top, right, bottom).

    The offset between the centres is shortened by a tenth of the two boxes' summed sizes on each axis, then divided
    by the unshortened distance; a direction holds when its component exceeds one half.
    """
    a, b = np.asarray(box_a, float).reshape(2, 2), np.asarray(box_b, float).reshape(2, 2)
    offset = a.mean(0) - b.mean(0)
    sizes = (a[1] - a[0]) + (b[1] - b[0])
    distance = np.linalg.norm(offset)
    if distance == 0:
        return set()
    dx, dy = np.sign(offset) * np.maximum(np.abs(offset) - 0.1 * sizes, 0) / distance
    holds = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, true in holds.items() if true}


def box_at(x: int, y: int, difficulty: Difficulty) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of an object whose left and top edges are given."""
    return x, y, x + difficulty.box, y + difficulty.box


def free_spots(taken: Iterable[tuple[int, int]], difficulty: Difficulty = DIFFICULTY) -> list[tuple[int, int]]:
    """The allowed positions (left, top) where a box overlaps none of those at ``taken``."""
    slots = range(0, difficulty.canvas - difficulty.box + 1, difficulty.pitch)
    taken = list(taken)
    return [
        (x, y) for x in slots for y in slots
        if all(abs(x - u) >= difficulty.box or abs(y - v) >= difficulty.box for u, v in taken)
    ]  # fmt: skip


def place(
    count: int,
    rng: np.random.Generator,
    relation: tuple[int, str, int] | None = None,
    difficulty: Difficulty = DIFFICULTY,
) -> list[tuple[int, int]]:
    """Random positions (left, top) of ``count`` boxes that do not overlap.

    ``relation`` = (i, name, j) asks that box i stands in that relation to box j (and, so that the picture is
    unambiguous to a person, not in another one besides).
    """
    while True:
        spots: list[tuple[int, int]] = []
        for _ in range(count):
            free = free_spots(spots, difficulty)
            if not free:
                break
            spots.append(free[rng.integers(len(free))])
        if len(spots) < count:
            continue  # the first boxes left no room: start over
        if relation is not None:
            i, name, j = relation
            if relations(box_at(*spots[i], difficulty), box_at(*spots[j], difficulty)) != {name}:
                continue
        return spots
