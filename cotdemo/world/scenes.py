"""Scenes: one to four things on a plain ground, placed on the tokenizer's pitch, and their images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geneval.prompts import CLASSES
from ..geneval.rules import Box, relations
from .sheet import SIZE, TINTS, sheet

CANVAS = 128  # pixels
PITCH = 16  # between allowed positions: the tokenizer's own, so that it sees every thing in the same phase
GROUND = (130, 152, 167)
MOST = 4  # things in one scene
_SPOTS = tuple((x, y) for y in range(0, CANVAS - SIZE + 1, PITCH) for x in range(0, CANVAS - SIZE + 1, PITCH))


@dataclass(frozen=True)
class Thing:
    """One thing; ``x`` and ``y`` are the left and top edges of its box of ``SIZE`` pixels."""

    kind: str
    tint: str  # one of ``TINTS``
    x: int
    y: int

    @property
    def box(self) -> Box:
        return box_at(self.x, self.y)


@dataclass(frozen=True)
class Scene:
    things: tuple[Thing, ...]


def box_at(x: int, y: int) -> Box:
    return (x, y, x + SIZE, y + SIZE)


def free_spots(taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The allowed positions (left, top) where a box overlaps none of those at ``taken``."""
    taken = list(taken)
    return [(x, y) for x, y in _SPOTS if all(abs(x - u) >= SIZE or abs(y - v) >= SIZE for u, v in taken)]


def place(count: int, rng: np.random.Generator, relation: tuple[int, str, int] | None = None) -> list[tuple[int, int]]:
    """Random positions (left, top) of ``count`` boxes that do not overlap.

    ``relation`` = (i, name, j) asks that box i stands in that relation to box j and, so that nobody doubts it, in no
    other besides.
    """
    while True:
        spots = _apart(count, rng)
        if len(spots) < count:
            continue  # the first boxes left no room: start over
        if relation is not None:
            i, name, j = relation
            if relations(box_at(*spots[i]), box_at(*spots[j])) != (name,):
                continue
        return spots


def _apart(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    spots: list[tuple[int, int]] = []
    for _ in range(count):
        free = free_spots(spots)
        if not free:
            break
        spots.append(free[rng.integers(len(free))])
    return spots


def draw(scene: Scene) -> np.ndarray:
    """The image of a scene, ``(CANVAS, CANVAS, 3)`` uint8."""
    canvas = np.empty((CANVAS, CANVAS, 3), np.float32)
    canvas[:] = GROUND
    for thing in scene.things:
        pixels = sheet()[CLASSES.index(thing.kind), TINTS.index(thing.tint)].astype(np.float32)
        patch = canvas[thing.y : thing.y + SIZE, thing.x : thing.x + SIZE]
        patch += pixels[..., 3:] / 255 * (pixels[..., :3] - patch)
    return np.rint(canvas).astype(np.uint8)


def anything(rng: np.random.Generator, natural: float = 0.25, fewest: int = 1) -> Scene:
    """``fewest`` to four things of any kinds, as ``packed`` has them."""
    return Scene(packed(rng, natural).things[: rng.integers(fewest, MOST + 1)])


def packed(rng: np.random.Generator, natural: float = 0.25, kinds: Sequence[str] = CLASSES, count: int = MOST) -> Scene:
    """``count`` things of any kinds, a share of them ``natural`` and the others in any colour: full canvases are what a
    tokenizer learns."""
    things = []
    for x, y in place(count, rng):
        tint = TINTS[0] if rng.random() < natural else TINTS[rng.integers(1, len(TINTS))]
        things.append(Thing(kinds[rng.integers(len(kinds))], tint, x, y))
    return Scene(tuple(things))
