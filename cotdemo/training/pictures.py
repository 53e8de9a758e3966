"""Random prompts, scenes and pictures of a split, as training batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..world.drawing import draw
from ..world.prompts import TAGS
from ..world.splits import random_prompt, random_scene, split

# Pictures with more objects, and more said about them, are harder to learn and seen more often.
TAG_WEIGHTS = {
    "single_object": 0.08,
    "two_object": 0.18,
    "counting": 0.22,
    "colors": 0.12,
    "position": 0.2,
    "color_attr": 0.2,
}


def random_prompts(split_name: str, count: int, rng: np.random.Generator) -> list[dict]:
    """``count`` random prompts of a split, as metadata, of all kinds."""
    where = split(split_name)
    tags = rng.choice(TAGS, size=count, p=[TAG_WEIGHTS[tag] for tag in TAGS])
    return [random_prompt(where, tag, rng) for tag in tags]


def random_pairs(split_name: str, count: int, seed: Sequence[int]) -> tuple[list[dict], np.ndarray]:
    """``count`` random prompts of a split, as metadata, and a right picture for each ``(count, H, W, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    prompts = random_prompts(split_name, count, rng)
    return prompts, np.stack([draw(random_scene(prompt, rng)) for prompt in prompts])


def to_pixels(pictures: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 pictures ``(B, H, W, 3)`` as pixels ``(B, 3, H, W)`` in [-1, 1]."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
