"""The made-up detector and pictures of ``tests/data/mask2former_tiny.json``, by the rules that file has in words."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache

import numpy as np
import torch
from golden import data

GOLDEN = json.loads(data("mask2former_tiny.json").read_text())
PICTURES = GOLDEN["picture_rule"]
CONFIG = GOLDEN["transformers_config"]


def values(name: str, n: int) -> np.ndarray:
    """``n`` float64 numbers in [-1, 1) that depend on a name only."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return 2 * np.random.RandomState(seed).random_sample(n) - 1


def weight(name: str, shape: list[int]) -> np.ndarray:
    """The float32 weight of a key of mmdet 2."""
    rule = GOLDEN["weight_rule"]["first_match"]
    v = values(name, math.prod(shape)).reshape(shape)
    if name.endswith(tuple(rule[0]["key_ends"])):
        return v.astype(np.float32)
    if name.endswith("sampling_offsets.bias"):
        return (4 * v).astype(np.float32)
    if len(shape) == 1 and name.endswith(".weight"):
        return (1 + 0.5 * v).astype(np.float32)
    if len(shape) == 1:
        offsets = {f"panoptic_head.{end}": value for end, value in rule[3]["offset"].items()}
        offsets |= {f"panoptic_head.pixel_decoder.{end}": value for end, value in rule[3]["offset"].items()}
        return (0.25 * v + offsets.get(name, 0)).astype(np.float32)
    gain = next((value for end, value in rule[4]["gain"].items() if name.endswith(end)), rule[4]["gain_default"])
    return (v * gain * math.sqrt(3 / math.prod(shape[1:]))).astype(np.float32)


@cache
def weights() -> dict[str, torch.Tensor]:
    """The whole tiny checkpoint, in mmdet 2's names."""
    table = torch.zeros(49, 49, dtype=torch.long)  # rebuilt by whoever loads it
    return {
        name: table if name.endswith("relative_position_index") else torch.from_numpy(weight(name, shape))
        for name, (shape, _) in GOLDEN["weights"]["per_key"].items()
    }


@cache
def picture(name: str) -> np.ndarray:
    """One of the pictures ``(height, width, 3)`` uint8."""
    w, h = PICTURES["sizes_w_h"][name]
    x, y = np.arange(w)[None], np.arange(h)[:, None]
    image = np.stack([100 + 40 * x // w + 0 * y, 120 + 30 * y // h + 0 * x, 110 + 20 * (x + y) // (w + h)], -1)
    for kind, *numbers in PICTURES["shapes"][name]:
        if kind == "disc":
            cx, cy, r, *rgb = numbers
            inside = (x - w * cx // 100) ** 2 + (y - h * cy // 100) ** 2 <= (min(w, h) * r // 100) ** 2
        else:
            x0, y0, x1, y1, *rgb = numbers
            inside = (w * x0 // 100 <= x) & (x < w * x1 // 100) & (h * y0 // 100 <= y) & (y < h * y1 // 100)
        image[inside] = rgb
    return (image + (((7919 * x + 104729 * y + 31 * x * y) % 1021) % 13 - 6)[..., None]).clip(0, 255).astype(np.uint8)
