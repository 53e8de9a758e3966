"""Checker A: labels training data. Each square of the pitch against every drawing in every tint, by squared distance.

Written independently of checker B, which scores: an error of both would have to be made twice.
"""

from __future__ import annotations

import numpy as np

from ..geneval.rules import Box, Found
from .scenes import CANVAS, PITCH, box_at
from .sheet import NATURAL, SIZE, own_colour
from .templates import above_ground, energies, named, nearest, templates

FAINT = 0.15  # energy of a square, as a share of the weakest drawing's, below which nothing is there
DAMAGE = 0.20  # squared distance, as a share of the drawing's energy, from which it is no longer that thing
HOLE = 0.7  # the same in one of nine cells, from which that cell is no part of the thing
THIN = 0.03  # a cell with less than this share of the drawing's energy says nothing about it
REMAINDER = 0.10  # energy that no thing explains, as a share of the mean drawing's, from which something is malformed
_STARTS = range(0, CANVAS - SIZE + 1, PITCH)
_SPOTS = [(x, y) for y in _STARTS for x in _STARTS]


def read(image: np.ndarray) -> tuple[Found, ...]:
    """All things in an image ``(CANVAS, CANVAS, 3)`` uint8; ``kind`` is "" where something cannot be made out."""
    above = above_ground(image)
    found = _things(above)
    for item in found:
        left, top, right, bottom = map(int, item.box)
        above[top:bottom, left:right] = 0
    if np.square(above).sum() > REMAINDER * energies().mean():
        found.append(Found("", None, _extent(above), 0.0))
    return tuple(found)


def _things(above: np.ndarray) -> list[Found]:
    """The drawings that fit, best first, none over another."""
    squares = np.stack([above[y : y + SIZE, x : x + SIZE] for x, y in _SPOTS])
    there = np.flatnonzero(np.square(squares).sum((1, 2, 3)) > FAINT * energies().min())
    if not len(there):
        return []
    best, damage = nearest(squares[there])
    found: list[Found] = []
    for spot in damage.argsort(kind="stable"):
        if damage[spot] > DAMAGE:
            break
        x, y = _SPOTS[there[spot]]
        if _holed(squares[there[spot]], best[spot]):
            continue
        if all(abs(x - item.box[0]) >= SIZE or abs(y - item.box[1]) >= SIZE for item in found):
            kind, tint = named(best[spot])
            colour = own_colour(kind) if tint == NATURAL else tint
            found.append(Found(kind, colour, box_at(x, y), 1 - float(damage[spot])))
    return found


def _holed(square: np.ndarray, number: int) -> bool:
    """Whether a part of the drawing is missing or another thing's."""
    drawn = _cells(templates()[number])
    return bool((_cells(square - templates()[number]) > HOLE * drawn)[drawn > THIN * drawn.sum()].any())


def _cells(levels: np.ndarray) -> np.ndarray:
    """The energy in each cell of a square."""
    return np.square(levels).reshape(SIZE // PITCH, PITCH, SIZE // PITCH, PITCH, 3).sum((1, 3, 4))


def _extent(above: np.ndarray) -> Box:
    """The box around what is left."""
    strong = np.abs(above).max(-1) > 24
    rows, columns = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
    if not len(rows):
        return (0.0, 0.0, float(CANVAS), float(CANVAS))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
