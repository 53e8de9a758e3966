"""A detector whose weights follow from a rule, and images that do: for comparing with what mmdet computed on them.

Every machine makes the same: a weight depends on its name and shape alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

_PLAIN = ("relative_position_bias_table", "query_embed.weight", "query_feat.weight", "level_embed.weight",
          "level_encoding.weight")  # fmt: skip
_OFFSETS = {"mask_embed.4.bias": 0.5, "mask_feature.bias": -1.1}
_GAINS = {"cls_embed.weight": 3.0, "mask_embed.4.weight": 1.5, "mask_feature.weight": 1.5}


def values(name: str, count: int) -> np.ndarray:
    """``count`` float64 numbers in [-1, 1) that follow from a name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return 2 * np.random.RandomState(seed).random_sample(count) - 1


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """A whole checkpoint of mmdet 2's names and these shapes, float32."""
    table = torch.zeros(49, 49, dtype=torch.long)  # whoever loads it makes it anew
    return {
        name: table if name.endswith("relative_position_index") else torch.from_numpy(_weight(name, shape))
        for name, shape in shapes.items()
    }


def _weight(name: str, shape: Sequence[int]) -> np.ndarray:
    drawn = values(name, math.prod(shape)).reshape(shape)
    if name.endswith(_PLAIN):
        made = drawn
    elif name.endswith("sampling_offsets.bias"):
        made = 4 * drawn
    elif len(shape) == 1:
        made = 1 + 0.5 * drawn if name.endswith(".weight") else 0.25 * drawn + _of(_OFFSETS, name, 0.0)
    else:
        made = drawn * _of(_GAINS, name, 1.0) * math.sqrt(3 / math.prod(shape[1:]))
    return made.astype(np.float32)


def _of(table: Mapping[str, float], name: str, other: float) -> float:
    return next((value for end, value in table.items() if name.endswith(end)), other)


def image(size: Sequence[int], shapes: Sequence[Sequence]) -> np.ndarray:
    """An image ``(height, width, 3)`` uint8 of a (width, height): a soft ground, discs, rectangles, and some noise.

    A shape is ("disc", x, y, radius, r, g, b) or ("rect", left, top, right, bottom, r, g, b), in hundredths.
    """
    w, h = size
    x, y = np.meshgrid(np.arange(w), np.arange(h))
    image = np.stack([100 + 40 * x // w, 120 + 30 * y // h, 110 + 20 * (x + y) // (w + h)], -1)
    for kind, *numbers, r, g, b in shapes:
        if kind == "disc":
            cx, cy, radius = numbers
            reach = min(w, h) * radius // 100
            inside = (x - w * cx // 100) ** 2 + (y - h * cy // 100) ** 2 <= reach**2
        else:
            left, top, right, bottom = numbers
            inside = (w * left // 100 <= x) & (x < w * right // 100) & (h * top // 100 <= y) & (y < h * bottom // 100)
        image[inside] = r, g, b
    noise = ((7919 * x + 104729 * y + 31 * x * y) % 1021) % 13 - 6
    return (image + noise[..., None]).clip(0, 255).astype(np.uint8)
