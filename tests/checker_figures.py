"""How well both checkers read: ``python tests/checker_figures.py`` prints the README's table, on 1,000 pictures a cell.

A scene is recovered when its kinds, colours and places (within 3 pixels) are read, and nothing else; a scene with one
fault (``world_faults``) is rejected when the checker's verdict is not strictly right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import by_hand  # noqa: F401  # before the package
import numpy as np
import torch
import world_faults as wf

from cotdemo.backends import MINI
from cotdemo.generator.magvit import MagvitV2
from cotdemo.training.pictures import to_pixels
from cotdemo.world import checker_a, checker_b
from cotdemo.world.geneval import judge_reading

COUNT = 1000
CHECKERS = {"A": checker_a.read, "B": checker_b.read}
Read = Callable[[np.ndarray], tuple]


@cache
def tokenizer() -> MagvitV2:
    return MagvitV2.from_pretrained(MINI / "magvit", torch_dtype=torch.float32)


@torch.no_grad()
def through_the_tokenizer(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures ``(n, height, width, 3)`` as the shipped tokenizer gives them back."""
    magvit = tokenizer()
    return np.concatenate(
        [
            MagvitV2.to_uint8(magvit.decode(magvit.encode(to_pixels(np.stack(pictures[first : first + 100])))))
            for first in range(0, len(pictures), 100)
        ]
    )


def clean(read: Read, count: int = COUNT) -> float:
    """Share of clean renders recovered."""
    rng = np.random.default_rng(1)
    return _recovered(read, (wf.clean(rng) for _ in range(count)))


def distorted(read: Read, count: int = COUNT) -> float:
    """Share of blurred, warped, shifted and tinted scenes recovered."""
    rng = np.random.default_rng(2)
    return _recovered(read, (wf.distorted(rng) for _ in range(count)))


def reconstructed(read: Read, count: int = COUNT) -> float:
    """Share of the tokenizer's reconstructions recovered."""
    rng = np.random.default_rng(4)
    samples = [wf.clean(rng) for _ in range(count)]
    pictures = through_the_tokenizer([sample.picture for sample in samples])
    return _recovered(read, (replace(sample, picture=picture) for sample, picture in zip(samples, pictures)))


def rejected(read: Read, through_a_tokenizer: bool, count: int = COUNT) -> dict[str, float]:
    """Share of one-fault scenes rejected, for each fault; sharp, or distorted as by a tokenizer."""
    rng = np.random.default_rng([3, through_a_tokenizer])
    found: dict[str, list[bool]] = {}
    for index in range(count):
        sample = wf.faulty(rng, wf.FAULTS[index % len(wf.FAULTS)])
        picture = wf.distort(sample.picture, rng) if through_a_tokenizer else sample.picture
        found.setdefault(sample.fault, []).append(not judge_reading(read(picture), sample.metadata).strict)
    return {fault: float(np.mean(each)) for fault, each in found.items()}


def _recovered(read: Read, samples: Iterator[wf.Sample]) -> float:
    return float(np.mean([wf.recovered(read(sample.picture), sample.scene) for sample in samples]))


if __name__ == "__main__":
    print(
        f"{'checker':<9}{'clean':>9}{'distorted':>11}{'reconstructed':>15}{'faults':>9}{'distorted faults':>18}  worst"
    )
    for name, read in CHECKERS.items():
        faults, soft = (rejected(read, through) for through in (False, True))
        worst = min(faults, key=faults.get)
        print(
            f"{name:<9}{clean(read):>9.4f}{distorted(read):>11.4f}{reconstructed(read):>15.4f}"
            f"{np.mean(list(faults.values())):>9.4f}{np.mean(list(soft.values())):>18.4f}  {worst} {faults[worst]:.3f}"
        )
