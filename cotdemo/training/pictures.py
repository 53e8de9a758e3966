"""Random prompts and pictures of a split, as training batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..things.scenes import draw
from ..things.splits import random_prompts, random_scene


def random_pairs(split_name: str, count: int, seed: Sequence[int]) -> tuple[list[dict], np.ndarray]:
    """``count`` random prompts of a split, as metadata, and a right picture for each ``(count, H, W, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    prompts = random_prompts(split_name, count, rng)
    return prompts, np.stack([draw(random_scene(prompt, rng)) for prompt in prompts])


def to_pixels(pictures: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 pictures ``(B, H, W, 3)`` as pixels ``(B, 3, H, W)`` in [-1, 1]."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
