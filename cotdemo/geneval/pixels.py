"""An image as the official detector reads it: enlarged or made smaller as OpenCV does, padded with grey, normalised.

Other resizers differ by a grey level in every fifth pixel, those that smooth by up to 18. Sums are whole numbers, so
that every machine reads the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

SHORT, LONG = 800, 1333  # pixels: the short side comes to 800, unless the long one would exceed 1333
MULTIPLE = 32  # sides are padded to
GREY = 128  # of the padding, before normalising
MEAN = np.array((123.675, 116.28, 103.53), np.float32)
STD = np.array((58.395, 57.12, 57.375), np.float32)
_ONE = 2048  # the weights of two neighbours add up to


@dataclass(frozen=True)
class Read:
    """What the network is given, and the sizes on the way, all (height, width)."""

    pixels: torch.Tensor  # (1, 3, height, width) float32, padded
    inner: tuple[int, int]  # of it, without the padding
    size: tuple[int, int]  # of the image


def read(image: np.ndarray) -> Read:
    """An image ``(height, width, 3)`` uint8 RGB as the detector's input."""
    return normalised(resized(image), image.shape[:2])


def normalised(image: np.ndarray, size: tuple[int, int]) -> Read:
    """An image of the right size, padded and normalised; ``size`` is the one that it had at first."""
    height, width = image.shape[:2]
    right, below = -width % MULTIPLE, -height % MULTIPLE
    padded = np.pad(image, ((0, below), (0, right), (0, 0)), constant_values=GREY)
    values = (padded.astype(np.float32) - MEAN) / STD
    return Read(torch.from_numpy(values.transpose(2, 0, 1).copy())[None], (height, width), size)


def resized(image: np.ndarray) -> np.ndarray:
    """The image in the size that the detector was made for; equal to OpenCV's INTER_LINEAR to the bit."""
    height, width = image.shape[:2]
    scale = min(LONG / max(height, width), SHORT / min(height, width))
    new_height, new_width = (max(1, math.floor(side * scale + 0.5)) for side in (height, width))
    (left, right), (of_left, of_right) = _neighbours(width, new_width, inside=True)
    (above, below), (of_above, of_below) = (part[..., None, None] for part in _neighbours(height, new_height))
    values = image.astype(np.int32)
    across = values[:, left] * of_left[:, None] + values[:, right] * of_right[:, None] >> 4
    above, below = across[above[:, 0, 0]], across[below[:, 0, 0]]
    return (((of_above * above >> 16) + (of_below * below >> 16) + 2) >> 2).astype(np.uint8)


def _neighbours(old: int, new: int, inside: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Of each new place along a side the two old ones ``(2, new)``, and their weights ``(2, new)`` in 2048ths.

    Beyond the border OpenCV repeats the last pixel: ``inside`` in the place (horizontally), else in the reading alone,
    so that both neighbours are the same and weights stay. The two round differently.
    """
    place = ((np.arange(new) + 0.5) * (1 / (new / old)) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    part = place - first.astype(np.float32)
    if inside:
        part[(first < 0) | (first >= old - 1)] = 0
        first = first.clip(0, old - 1)
    weights = np.rint(np.stack([1 - part, part]) * np.float32(_ONE)).astype(np.int32)
    return np.stack([first, first + 1]).clip(0, old - 1), weights
