"""Checker B: reads an image by fitting every kind of thing in a colour of its own, and scores the product.

Written independently of checker A and by another method, so that the two rarely share a mistake. A drawing is linear in
the colour of its body, ``image = body * colour + rest``, so the colour that fits best follows by least squares, and
what remains is damage. It is weighed cell by cell: a thing with a hole in one corner is as broken as one that is half
gone. Windows lie on a pitch of four pixels, wherever a thing may have come to stand; names of colours are given last,
in CIELAB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..geneval.prompts import CLASSES
from ..geneval.rules import Found
from .scenes import CANVAS, GROUND
from .sheet import COLOURS, NATURAL, SIZE, TINTS, drawing, own_colour, sheet

_COARSE = 4  # pixels of a coarse one, and between windows
_SIDE = SIZE // _COARSE
_CELL = 16  # pixels of a cell, in which damage is weighed

# What a person still calls a thing of its kind. Each limit lies between what the tokenizer's blur does to whole things
# and what the loss of a cell does to them (tests/test_things_checkers.py measures both).
_WHOLE = 0.16  # damage of a thing, as a share of its energy
_WORST_CELL = 0.55  # damage of its worst cell, as a share of the energy that cell has in the drawing or the image
_FAINT_CELL = 0.02  # a cell with less than this share of the thing's energy says nothing about it
_FAINT = 0.03  # energy of a coarse window, as a share of the mean thing's, below which nothing is there
_SOMETHING = 0.06  # energy that no thing explains, as a share of the mean thing's
_UNNAMED = 42.0  # CIELAB distance from which a colour is none of the ten


@dataclass(frozen=True)
class _Kinds:
    """Every kind of thing: ``image - ground = body * (colour - ground) + rest``, in levels."""

    body: np.ndarray  # (kinds, pixels)
    rest: np.ndarray  # (kinds, pixels, 3)

    @classmethod
    def of(cls, size: int) -> _Kinds:
        """Of drawings reduced to ``size`` pixels."""
        pixels = sheet()[:, 1:].astype(np.float64)  # the ten tints
        ground = np.asarray(GROUND, float)
        shown = pixels[..., 3:] / 255 * (pixels[..., :3] - ground)
        factor = SIZE // size
        shown = shown.reshape(*shown.shape[:2], size, factor, size, factor, 3).mean((3, 5))
        shown = shown.reshape(len(CLASSES), len(TINTS) - 1, size * size, 3)
        tints = np.asarray(list(COLOURS.values()), float) - ground
        centred = tints - tints.mean(0)
        body = np.einsum("ktpc,tc->kp", shown, centred) / np.square(centred).sum()
        rest = shown.mean(1) - body[..., None] * tints.mean(0)
        return cls(body.astype(np.float32), rest.astype(np.float32))

    def fit(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best colours above the ground ``(n, kinds, 3)`` of windows ``(n, pixels, 3)``, and squared distances that
        remain ``(n, kinds)``."""
        weight = np.square(self.body).sum(1)
        over = np.stack([windows[..., c] @ self.body.T for c in range(3)], -1)
        over -= np.einsum("kp,kpc->kc", self.body, self.rest)
        colours = np.clip(over / weight[:, None], -np.asarray(GROUND), 255 - np.asarray(GROUND))
        flat = windows.reshape(len(windows), -1)
        rest = self.rest.reshape(len(self.rest), -1)
        remains = np.square(flat).sum(1)[:, None] - 2 * flat @ rest.T + np.square(rest).sum(1)
        remains += np.square(colours).sum(-1) * weight - 2 * (colours * over).sum(-1)
        return colours, remains


@cache
def _kinds(size: int) -> _Kinds:
    return _Kinds.of(size)


@dataclass(frozen=True)
class _Candidate:
    kind: int
    x: int
    y: int
    damage: float


def read(image: np.ndarray) -> tuple[Found, ...]:
    """All things in an image ``(CANVAS, CANVAS, 3)`` uint8; ``kind`` is "" where something cannot be made out."""
    above = image.astype(np.float32) - np.asarray(GROUND, np.float32)
    left = above.copy()
    found: list[Found] = []
    for candidate in _candidates(above):
        if any(abs(candidate.x - f.box[0]) < SIZE - 4 and abs(candidate.y - f.box[1]) < SIZE - 4 for f in found):
            continue
        item = _looked_at(above, candidate)
        if item is not None:
            found.append(item)
            x, y = int(item.box[0]), int(item.box[1])
            left[y : y + SIZE, x : x + SIZE] = 0
    if np.square(left).sum() > _SOMETHING * _mean_energy():
        found.append(Found("", None, _extent(left), 0.0))
    return tuple(found)


def _candidates(above: np.ndarray) -> list[_Candidate]:
    """The likeliest kind at every window that holds something, the least damaged first."""
    side = CANVAS // _COARSE
    coarse = above.reshape(side, _COARSE, side, _COARSE, 3).mean((1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(coarse, (_SIDE, _SIDE), (0, 1)).transpose(0, 1, 3, 4, 2)
    rows = windows.reshape(-1, _SIDE * _SIDE, 3)
    energy = np.square(rows).sum((1, 2))
    there = np.flatnonzero(energy > _FAINT * _mean_energy() / _COARSE**2)
    if not len(there):
        return []
    colours, remains = _kinds(_SIDE).fit(np.ascontiguousarray(rows[there]))
    share = remains / np.maximum(energy[there][:, None], 1.0)
    best = share.argmin(1)
    least = share[np.arange(len(there)), best]
    places = np.stack(np.divmod(there, side - _SIDE + 1), 1) * _COARSE
    order = np.flatnonzero(least < 2.5 * _WHOLE)
    order = order[least[order].argsort(kind="stable")]
    return [_Candidate(int(best[i]), int(places[i, 1]), int(places[i, 0]), float(least[i])) for i in order]


def _looked_at(above: np.ndarray, candidate: _Candidate) -> Found | None:
    """A candidate compared pixel by pixel; None where a person would not call it that."""
    x, y = candidate.x, candidate.y
    window = above[y : y + SIZE, x : x + SIZE].reshape(1, -1, 3)
    kinds = _kinds(SIZE)
    colours, remains = kinds.fit(window)
    kind = int(remains[0].argmin())  # as coarse pixels a few look alike
    colour = colours[0, kind]
    drawn = (kinds.body[kind, :, None] * colour + kinds.rest[kind]).reshape(SIZE, SIZE, 3)
    seen = window.reshape(SIZE, SIZE, 3)
    energy = np.square(drawn).sum()
    damage = float(remains[0, kind] / energy)
    difference, larger = _by_cell(seen - drawn), np.maximum(_by_cell(drawn), _by_cell(seen))
    weighed = larger > _FAINT_CELL * energy
    worst = float((difference[weighed] / larger[weighed]).max(initial=0.0))
    if damage > _WHOLE or worst > _WORST_CELL:
        return None
    return Found(CLASSES[kind], _name(CLASSES[kind], colour), (x, y, x + SIZE, y + SIZE), 1 - damage)


def _by_cell(levels: np.ndarray) -> np.ndarray:
    cells = SIZE // _CELL
    return np.square(levels).reshape(cells, _CELL, cells, _CELL, 3).sum((1, 3, 4))


@cache
def _mean_energy() -> float:
    pixels = sheet().astype(np.float32)
    shown = pixels[..., 3:] / 255 * (pixels[..., :3] - np.asarray(GROUND, np.float32))
    return float(np.square(shown).sum((2, 3, 4)).mean())


def _name(kind: str, colour: np.ndarray) -> str | None:
    """The name of a body's colour above the ground: of the ten, unless the thing's natural colour is nearer."""
    own = own_colour(kind)
    palette = dict(COLOURS) if own else {**COLOURS, NATURAL: _natural(kind)}
    seen = _lab(np.clip(colour + np.asarray(GROUND), 0, 255))
    distances = {name: float(np.linalg.norm(seen - _lab(np.asarray(rgb, float)))) for name, rgb in palette.items()}
    nearest = min(distances, key=distances.__getitem__)
    return None if nearest == NATURAL or distances[nearest] > _UNNAMED else nearest


@cache
def _natural(kind: str) -> tuple[float, ...]:
    """The body's colour of a thing as it is drawn when nobody names one."""
    pixels = drawing(kind).astype(np.float32)
    shown = pixels[..., 3:] / 255 * (pixels[..., :3] - np.asarray(GROUND, np.float32))
    colours, _ = _kinds(SIZE).fit(shown.reshape(1, -1, 3))
    return tuple((colours[0, CLASSES.index(kind)] + np.asarray(GROUND)).tolist())


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..255 as CIELAB (D65)."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    scaled = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    f = np.where(scaled > 216 / 24389, np.cbrt(scaled), (24389 / 27 * scaled + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _extent(left: np.ndarray) -> tuple[float, float, float, float]:
    """The box around what no thing explains."""
    strong = np.linalg.norm(left, axis=-1) > 40
    if not strong.any():
        return (0.0, 0.0, float(CANVAS), float(CANVAS))
    rows, columns = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
