"""Drawing scenes: silhouettes in one flat colour, supersampled with Pillow."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from .scenes import COLOURS, GROUND, Scene

_OVERSAMPLING = 8


def _regular(points: int, inner: float = 1.0, turn: float = 0.0) -> list[tuple[float, float]]:
    """Corners of a regular polygon (or a star, when ``inner`` < 1) in the unit square."""
    corners = []
    for i in range(points):
        radius = 0.5 if i % 2 == 0 else 0.5 * inner
        angle = 2 * math.pi * i / points - math.pi / 2 + turn
        corners.append((0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)))
    return corners


_POLYGONS = {
    "square": [(0.08, 0.08), (0.92, 0.08), (0.92, 0.92), (0.08, 0.92)],
    "triangle": [(0.5, 0.02), (1.0, 0.94), (0.0, 0.94)],
    "diamond": [(0.5, 0.0), (0.86, 0.5), (0.5, 1.0), (0.14, 0.5)],
    "star": [(x, y + 0.04) for x, y in _regular(10, inner=0.42)],
    "cross": [(a, b) for a, b in [
        (0.33, 0.0), (0.67, 0.0), (0.67, 0.33), (1.0, 0.33), (1.0, 0.67), (0.67, 0.67),
        (0.67, 1.0), (0.33, 1.0), (0.33, 0.67), (0.0, 0.67), (0.0, 0.33), (0.33, 0.33),
    ]],
    "arrow": [(0.0, 0.34), (0.5, 0.34), (0.5, 0.06), (1.0, 0.5), (0.5, 0.94), (0.5, 0.66), (0.0, 0.66)],
    "tree": [
        (0.5, 0.0), (0.8, 0.36), (0.66, 0.36), (0.96, 0.76), (0.6, 0.76), (0.6, 1.0),
        (0.4, 1.0), (0.4, 0.76), (0.04, 0.76), (0.34, 0.36), (0.2, 0.36),
    ],
}  # fmt: skip


@cache
def silhouette(kind: str, size: int) -> np.ndarray:
    """Coverage of one object, ``(size, size)`` float32 in [0, 1].

    Raises KeyError for a kind the world does not have.
    """
    side = size * _OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)

    def ellipse(left: float, top: float, right: float, bottom: float, fill: int = 255) -> None:
        pen.ellipse([left * side, top * side, right * side - 1, bottom * side - 1], fill=fill)

    def polygon(points: list[tuple[float, float]], fill: int = 255) -> None:
        pen.polygon([(x * side, y * side) for x, y in points], fill=fill)

    if kind == "circle":
        ellipse(0, 0, 1, 1)
    elif kind == "ring":
        ellipse(0, 0, 1, 1)
        ellipse(0.27, 0.27, 0.73, 0.73, fill=0)
    elif kind == "moon":
        ellipse(0.04, 0, 1.04, 1)
        ellipse(0.4, -0.06, 1.32, 0.86, fill=0)
    elif kind == "heart":
        ellipse(0.0, 0.06, 0.54, 0.6)
        ellipse(0.46, 0.06, 1.0, 0.6)
        polygon([(0.045, 0.46), (0.5, 0.36), (0.955, 0.46), (0.5, 0.98)])
    elif kind == "house":
        polygon([(0.5, 0.0), (1.0, 0.46), (0.88, 0.46), (0.88, 1.0), (0.12, 1.0), (0.12, 0.46), (0.0, 0.46)])
        polygon([(0.38, 0.6), (0.62, 0.6), (0.62, 1.0), (0.38, 1.0)], fill=0)
    else:
        polygon(_POLYGONS[kind])
    return np.asarray(mask.resize((size, size), Image.Resampling.BOX), np.float32) / 255


def draw(scene: Scene) -> np.ndarray:
    """The picture of a scene, ``(canvas, canvas, 3)`` uint8."""
    d = scene.difficulty
    canvas = np.tile(np.asarray(GROUND, np.float32), (d.canvas, d.canvas, 1))
    margin = (d.box - d.size) // 2
    for item in scene.objects:
        alpha = silhouette(item.kind, d.size)[..., None]
        top, left = item.y + margin, item.x + margin
        patch = canvas[top : top + d.size, left : left + d.size]
        patch += alpha * (np.asarray(COLOURS[item.colour], np.float32) - patch)
    return np.rint(canvas).astype(np.uint8)
