"""Preference pairs: pictures of one prompt by one generator, one right and one wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import gather_object

from ..errors import UserError
from ..generator.pipeline import ShowoPipeline
from ..judge.judge import Judge
from ..world.checker_a import read
from ..world.geneval import judge_reading
from ..world.prompts import parse
from .arrays import Arrays
from .parallel import team

Label = Callable[[Sequence[str], np.ndarray], list[bool]]  # prompts and their pictures -> which are right
_TOGETHER = 96  # paintings in one batch


@dataclass(frozen=True)
class Pool(Arrays):
    """Several paintings of each of some prompts; arrays ``(prompts, paths, ...)``."""

    prompts: np.ndarray  # (prompts,) str; some kinds have few different ones, which then come again
    codes: np.ndarray  # (prompts, paths, tokens) uint16
    right: np.ndarray  # (prompts, paths) bool: strictly, by checker A


def strictly_right(prompts: Sequence[str], pictures: np.ndarray) -> list[bool]:
    """The truth of the embedded world, by checker A."""
    return [judge_reading(read(picture), parse(prompt)).strict for prompt, picture in zip(prompts, pictures)]


def called_right(judge: Judge) -> Label:
    """What a judge says, where no checker knows the truth."""
    return lambda prompts, pictures: judge.look(list(pictures)).ask("outcome", prompts).yes.tolist()


@torch.no_grad()
def paint_pool(pipeline: ShowoPipeline, prompts: Sequence[str], paths: int, seed: int, label: Label) -> Pool:
    """``paths`` paintings of each of ``prompts``; several processes share them out."""
    own = list(range(len(prompts)))[team().process_index :: team().num_processes]
    rows = [(prompt, path) for prompt in own for path in range(paths)]
    codes, right = [], []
    for first in range(0, len(rows), _TOGETHER):
        part = rows[first : first + _TOGETHER]
        texts, numbers = [prompts[prompt] for prompt, _ in part], [prompt * paths + path for prompt, path in part]
        with torch.autocast(pipeline.device.type, torch.bfloat16):  # these are lessons, not figures
            painting = pipeline.start(texts, numbers, seed=seed)
            while not painting.done:
                step = painting.step()
        codes.append(step.codes.numpy().astype(np.uint16))
        right += label(texts, painting.decode(step.codes))
    shape = (len(own), paths)
    made = [(own, np.concatenate(codes).reshape(*shape, -1), np.asarray(right).reshape(shape))]
    places, codes, right = map(np.concatenate, zip(*gather_object(made)))
    order = np.argsort(places)
    return Pool(np.asarray(prompts), codes[order], right[order])


@dataclass(frozen=True)
class Pairs:
    """Preference pairs; a list and tensors of one length."""

    prompts: list[str]
    chosen: torch.Tensor  # (pairs, tokens) int64
    rejected: torch.Tensor  # (pairs, tokens) int64

    def __len__(self) -> int:
        return len(self.prompts)


def pairs_of(pool: Pool, most: int, seed: int) -> Pairs:
    """Up to ``most`` pairs of each prompt, no picture in two of them; prompts whose pictures agree give none.

    Raises UserError where none has both a right and a wrong picture.
    """
    rng = np.random.default_rng([seed, 23])
    prompts, chosen, rejected = [], [], []
    for prompt, codes, right in zip(pool.prompts, pool.codes, pool.right):
        better, worse = (rng.permutation(np.flatnonzero(right == wanted)) for wanted in (True, False))
        for one, other in list(zip(better, worse))[:most]:
            prompts.append(str(prompt))
            chosen.append(codes[one])
            rejected.append(codes[other])
    if not prompts:
        raise UserError("No prompt has both a right and a wrong picture: there is nothing to prefer.")
    return Pairs(prompts, *(torch.from_numpy(np.stack(codes).astype(np.int64)) for codes in (chosen, rejected)))
