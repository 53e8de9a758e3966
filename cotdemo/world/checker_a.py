"""Checker A: labels training data. Foreground components, each matched against the world's silhouettes.

Written independently of checker B (``checker_b.py``), which scores: an error of both would have to be made twice.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .drawing import silhouette
from .geneval import Found
from .scenes import COLOURS, DIFFICULTY, GROUND, KINDS

_GROUND = np.asarray(GROUND, np.float32)
_PALETTE = np.asarray(list(COLOURS.values()), np.float32)
_NAMES = tuple(COLOURS)

FOREGROUND = 40.0  # distance to the ground, in RGB levels, from which a pixel belongs to something
SPECK = 14  # a component with less than this many pixels' worth of substance is noise
OFF_COLOUR = 60.0  # distance to the object's own colour, blended with the ground, from which a pixel is another colour
OVERLAP = 0.80  # least overlap (soft intersection over union) with a silhouette to be called that kind
MARGIN = 0.02  # and the least lead over the second-best kind
PURITY = 0.85  # least share of an object's substance that has its colour


def _components(mask: np.ndarray) -> list[np.ndarray]:
    """The 8-connected components of a boolean mask, as masks."""
    height, width = mask.shape
    waiting = set(np.flatnonzero(np.pad(mask, 1)).tolist())  # the border keeps neighbours from wrapping around
    stride = width + 2
    neighbours = (-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1)
    components = []
    while waiting:
        seed = waiting.pop()
        members, frontier = [seed], [seed]
        while frontier:
            here = frontier.pop()
            for step in neighbours:
                if here + step in waiting:
                    waiting.remove(here + step)
                    members.append(here + step)
                    frontier.append(here + step)
        inside = np.zeros((height + 2) * stride, bool)
        inside[members] = True
        components.append(inside.reshape(height + 2, stride)[1:-1, 1:-1])
    return components


@cache
def _templates(size: int, pad: int) -> np.ndarray:
    """All silhouettes, lightly blurred as a tokenizer leaves them, ``(kinds, size + 2 pad, size + 2 pad)``."""
    sheets = np.stack([np.pad(silhouette(kind, size), pad) for kind in KINDS])
    kernel = np.asarray([0.2, 0.6, 0.2], np.float32)
    for axis in (1, 2):
        sheets = sum(weight * np.roll(sheets, shift, axis) for weight, shift in zip(kernel, (-1, 0, 1)))
    return sheets.astype(np.float32)


def _match(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best overlap of one object's coverage with each kind over small shifts ``(kinds,)``, and the top left corner
    ``(kinds, 2)`` of the silhouette there."""
    pad = 3
    templates = _templates(DIFFICULTY.size, pad)
    side = templates.shape[1]
    area, mass = alpha.sum(), templates.sum((1, 2))

    def centre(sheets: np.ndarray) -> np.ndarray:  # centres of mass (n, 2)
        rows, columns = np.arange(sheets.shape[1]), np.arange(sheets.shape[2])
        return np.stack([sheets.sum(2) @ rows, sheets.sum(1) @ columns], 1) / sheets.sum((1, 2))[:, None]

    start = np.rint(centre(alpha[None]) - centre(templates)).astype(int)
    shifts = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1), indexing="ij"), -1).reshape(-1, 2)
    corner = np.clip(start[:, None] + shifts + side, 0, alpha.shape[0] + side)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(alpha, side), (side, side))
    both = np.minimum(windows[corner[..., 0], corner[..., 1]], templates[:, None]).sum((2, 3))
    overlap = both / (area + mass[:, None] - both)
    best = overlap.argmax(1)
    kinds = np.arange(len(KINDS))
    return overlap[kinds, best], corner[kinds, best] - side + pad


def _read_component(picture: np.ndarray, inside: np.ndarray) -> Found | None:
    """The object in one foreground component, or None for a speck."""
    strength = np.linalg.norm(picture - _GROUND, axis=-1) * inside
    core = strength > 0.6 * np.quantile(strength[inside], 0.8)
    votes = np.linalg.norm(picture[core][:, None] - _PALETTE, axis=-1)
    colour = int(np.median(votes, axis=0).argmin())
    direction = _PALETTE[colour] - _GROUND
    alpha = np.clip(((picture - _GROUND) @ direction) / (direction @ direction), 0, 1) * inside
    substance = np.clip(strength / np.linalg.norm(direction), 0, 1)
    if substance.sum() < SPECK:
        return None
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    extent = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    if alpha.sum() < SPECK:  # something is there, but in no colour of the world
        return Found(None, None, extent, 0.0)
    overlaps, corners = _match(alpha)
    second, first = np.argsort(overlaps)[-2:]
    # Every pixel of a whole object is a blend of its colour with the ground; what is off that line is another colour.
    off_colour = np.linalg.norm(picture - _GROUND - alpha[..., None] * direction, axis=-1)
    pure = 1 - float((substance * (off_colour > OFF_COLOUR) * inside).sum() / substance.sum())
    if overlaps[first] < OVERLAP or overlaps[first] - overlaps[second] < MARGIN or pure < PURITY:
        return Found(None, None, extent, float(overlaps[first]))
    top, left = (float(edge) for edge in corners[first])
    size = DIFFICULTY.size
    return Found(KINDS[first], _NAMES[colour], (left, top, left + size, top + size), float(overlaps[first]))


def read(picture: np.ndarray) -> tuple[Found, ...]:
    """All objects in a picture ``(height, width, 3)`` uint8; what cannot be made out has ``kind`` None.

    Boxes are those of the silhouette that fits best, in pixels.
    """
    picture = picture.astype(np.float32)
    mask = np.linalg.norm(picture - _GROUND, axis=-1) > FOREGROUND
    found = (_read_component(picture, inside) for inside in _components(mask))
    return tuple(item for item in found if item is not None)
