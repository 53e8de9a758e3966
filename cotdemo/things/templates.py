"""Every thing in every tint on plain ground, and which of them a square of a picture is nearest to."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..geneval.prompts import CLASSES
from .scenes import GROUND
from .sheet import TINTS, sheet


@cache
def templates() -> np.ndarray:
    """``(kinds, tints, SIZE, SIZE, 3)`` float32: the drawings on the ground, in levels above it."""
    pixels = sheet().astype(np.float32)
    return pixels[..., 3:] / 255 * (pixels[..., :3] - np.asarray(GROUND, np.float32))


@cache
def _flat() -> tuple[np.ndarray, np.ndarray]:
    flat = templates().reshape(len(CLASSES) * len(TINTS), -1)
    return flat, np.einsum("ij,ij->i", flat, flat)


def distances(squares: np.ndarray) -> np.ndarray:
    """Squared distances ``(n, kinds, tints)`` of squares ``(n, SIZE, SIZE, 3)`` to all templates."""
    flat, norms = _flat()
    rows = (squares.astype(np.float32) - np.asarray(GROUND, np.float32)).reshape(len(squares), -1)
    found = np.einsum("ij,ij->i", rows, rows)[:, None] - 2 * rows @ flat.T + norms
    return found.reshape(len(squares), len(CLASSES), len(TINTS))


def nearest(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kind and tint, by number ``(n,)`` each, of the template nearest to each square."""
    best = distances(squares).reshape(len(squares), -1).argmin(1)
    return best // len(TINTS), best % len(TINTS)
