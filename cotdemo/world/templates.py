"""Every thing in every tint on plain ground, and which of them a square of an image is nearest to."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..geneval.prompts import CLASSES
from .scenes import GROUND
from .sheet import SIZE, TINTS, sheet

_COARSE = 4  # pixels of a coarse one, along each axis
_LOOKED_AT = 8  # templates that are compared pixel by pixel, of those nearest when coarse


def above_ground(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels ``(..., 3)`` as float32 levels above the ground."""
    return pixels.astype(np.float32) - np.asarray(GROUND, np.float32)


@cache
def templates() -> np.ndarray:
    """``(kinds * tints, SIZE, SIZE, 3)`` float32: the drawings on the ground, in levels above it."""
    pixels = sheet().reshape(-1, SIZE, SIZE, 4).astype(np.float32)
    return pixels[..., 3:] / 255 * above_ground(pixels[..., :3])


@cache
def energies() -> np.ndarray:
    """The squared norm of each template ``(kinds * tints,)``."""
    return np.square(templates()).sum((1, 2, 3))


def _coarse(squares: np.ndarray) -> np.ndarray:
    side = SIZE // _COARSE
    return squares.reshape(-1, side, _COARSE, side, _COARSE, 3).mean((2, 4)).reshape(len(squares), -1)


@cache
def _coarse_templates() -> tuple[np.ndarray, np.ndarray]:
    coarse = _coarse(templates())
    return np.ascontiguousarray(coarse.T), np.square(coarse).sum(1)


def nearest(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the template nearest to each square, and its squared distance as a share of its energy.

    ``squares (n, SIZE, SIZE, 3)`` are levels above the ground; both answers are ``(n,)``.
    """
    transposed, norms = _coarse_templates()
    far = norms - 2 * (_coarse(squares) @ transposed)  # up to the square's own norm
    candidates = np.argpartition(far, _LOOKED_AT, axis=1)[:, :_LOOKED_AT]
    damage = np.square(squares[:, None] - templates()[candidates]).sum((2, 3, 4)) / energies()[candidates]
    best = damage.argmin(1)
    rows = np.arange(len(squares))
    return candidates[rows, best], damage[rows, best]


def named(number: int) -> tuple[str, str]:
    """Kind and tint of a template."""
    return CLASSES[number // len(TINTS)], TINTS[number % len(TINTS)]
