"""Preference pairs: pictures of one prompt by one generator, one right and one wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..generator.pipeline import ShowoPipeline
from ..world.checker_a import read
from ..world.geneval import judge_reading
from ..world.prompts import TAGS
from ..world.splits import random_prompt, split
from .arrays import Arrays
from .pictures import TAG_WEIGHTS

_TOGETHER = 96  # paintings in one batch


@dataclass(frozen=True)
class Pool(Arrays):
    """Several paintings of each of some prompts; arrays ``(prompts, paths, ...)``."""

    prompts: np.ndarray  # (prompts,) str; some kinds have few different ones, which then come again
    codes: np.ndarray  # (prompts, paths, tokens) uint16
    right: np.ndarray  # (prompts, paths) bool: strictly, by checker A


@torch.no_grad()
def paint_pool(pipeline: ShowoPipeline, split_name: str, prompts: int, paths: int, seed: int) -> Pool:
    """``paths`` paintings of each of ``prompts`` random prompts of a split."""
    rng = np.random.default_rng([seed, 19])
    tags = rng.choice(TAGS, size=prompts, p=[TAG_WEIGHTS[tag] for tag in TAGS])
    entries = [random_prompt(split(split_name), tag, rng) for tag in tags]
    rows = [entry for entry in entries for _ in range(paths)]
    codes, right = [], []
    for first in range(0, len(rows), _TOGETHER):
        part = rows[first : first + _TOGETHER]
        texts, numbers = [entry["prompt"] for entry in part], range(first, first + len(part))
        with torch.autocast(pipeline.device.type, torch.bfloat16):  # these are lessons, not figures
            painting = pipeline.start(texts, numbers, seed=int(seed))
            while not painting.done:
                step = painting.step()
        codes.append(step.codes.numpy().astype(np.uint16))
        pictures = painting.decode(step.codes)
        right += [judge_reading(read(picture), entry).strict for picture, entry in zip(pictures, part)]
    shape = (len(entries), paths)
    return Pool(np.asarray([entry["prompt"] for entry in entries]), np.concatenate(codes).reshape(*shape, -1), np.asarray(right).reshape(shape))


@dataclass(frozen=True)
class Pairs:
    """Preference pairs; a list and tensors of one length."""

    prompts: list[str]
    chosen: torch.Tensor  # (pairs, tokens) int64
    rejected: torch.Tensor  # (pairs, tokens) int64

    def __len__(self) -> int:
        return len(self.prompts)


def pairs_of(pool: Pool, most: int, seed: int) -> Pairs:
    """Up to ``most`` pairs of each prompt, no picture in two of them; prompts whose pictures agree give none."""
    rng = np.random.default_rng([seed, 23])
    prompts, chosen, rejected = [], [], []
    for prompt, codes, right in zip(pool.prompts, pool.codes, pool.right):
        better, worse = (rng.permutation(np.flatnonzero(right == wanted)) for wanted in (True, False))
        for one, other in list(zip(better, worse))[:most]:
            prompts.append(str(prompt))
            chosen.append(codes[one])
            rejected.append(codes[other])
    if not prompts:
        raise ValueError("no prompt has both a right and a wrong picture: there is nothing to prefer")
    return Pairs(prompts, *(torch.from_numpy(np.stack(codes).astype(np.int64)) for codes in (chosen, rejected)))
