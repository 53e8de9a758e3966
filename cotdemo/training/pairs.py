"""Preference pairs: pictures of one prompt by one generator, one right and one wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import gather_object

from ..errors import UserError
from ..generator.pipeline import ShowoPipeline, Step
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
    right: np.ndarray  # (prompts, paths) bool: by what labelled them
    parted: np.ndarray  # (prompts, tokens) bool: tokens that were not painted when the paths of a prompt parted


def strictly_right(prompts: Sequence[str], pictures: np.ndarray) -> list[bool]:
    """The truth of the embedded world, by checker A."""
    return [judge_reading(read(picture), parse(prompt)).strict for prompt, picture in zip(prompts, pictures)]


def called_right(judge: Judge) -> Label:
    """What a judge says, where no checker knows the truth."""
    return lambda prompts, pictures: judge.look(list(pictures)).ask("outcome", prompts).yes.tolist()


@torch.no_grad()
def paint_pool(
    pipeline: ShowoPipeline, prompts: Sequence[str], paths: int, seed: int, label: Label, part_late: bool = False
) -> Pool:
    """``paths`` paintings of each of ``prompts``; several processes share them out.

    With ``part_late`` the paths of a prompt go on from one unfinished picture, left after a random step.
    """
    own = list(range(len(prompts)))[team().process_index :: team().num_processes]
    codes, right, parted = [], [], []
    each = max(1, _TOGETHER // paths)
    for first in range(0, len(own), each):
        places = own[first : first + each]
        texts = [prompts[place] for place in places for _ in range(paths)]
        numbers = [place * paths + path for place in places for path in range(paths)]
        with torch.autocast(pipeline.device.type, torch.bfloat16):  # these are lessons, not figures
            begun = None
            if part_late:
                begun = _begin(pipeline, [prompts[place] for place in places], places, seed, paths)
            painting = pipeline.start(texts, numbers, seed=seed, after=begun)
            while not painting.done:
                step = painting.step()
        codes.append(step.codes.numpy().astype(np.uint16))
        right += label(texts, painting.decode(step.codes))
        parted.append(begun.masked[::paths].numpy() if begun else np.ones((len(places), step.codes.shape[1]), bool))
    shape = (len(own), paths)
    made = [(own, np.concatenate(codes).reshape(*shape, -1), np.asarray(right).reshape(shape), np.concatenate(parted))]
    places, codes, right, parted = map(np.concatenate, zip(*gather_object(made)))
    order = np.argsort(places)
    return Pool(np.asarray(prompts), codes[order], right[order], parted[order])


def _begin(pipeline: ShowoPipeline, prompts: Sequence[str], numbers: Sequence[int], seed: int, paths: int) -> Step:
    """An unfinished picture of each prompt, all after one random step, repeated for each of its paths."""
    rng = np.random.default_rng([seed, 37, numbers[0]])
    begun = pipeline.start(prompts, numbers, seed=int(rng.integers(2**32)))
    for _ in range(int(rng.integers(1, begun.steps))):
        step = begun.step()
    return step._replace(codes=step.codes.repeat_interleave(paths, 0), masked=step.masked.repeat_interleave(paths, 0))


@dataclass(frozen=True)
class Pairs:
    """Preference pairs; a list and tensors of one length."""

    prompts: list[str]
    chosen: torch.Tensor  # (pairs, tokens) int64
    rejected: torch.Tensor  # (pairs, tokens) int64
    parted: torch.Tensor  # (pairs, tokens) bool: what was painted apart

    def __len__(self) -> int:
        return len(self.prompts)


def pairs_of(pool: Pool, most: int, seed: int) -> Pairs:
    """Up to ``most`` pairs of each prompt, no picture in two of them; prompts whose pictures agree give none.

    Raises UserError where none has both a right and a wrong picture.
    """
    rng = np.random.default_rng([seed, 23])
    prompts, chosen, rejected, parted = [], [], [], []
    for prompt, codes, right, apart in zip(pool.prompts, pool.codes, pool.right, pool.parted):
        better, worse = (rng.permutation(np.flatnonzero(right == wanted)) for wanted in (True, False))
        for one, other in list(zip(better, worse))[:most]:
            prompts.append(str(prompt))
            chosen.append(codes[one])
            rejected.append(codes[other])
            parted.append(apart)
    if not prompts:
        raise UserError("No prompt has both a right and a wrong picture: there is nothing to prefer.")
    chosen, rejected = (torch.from_numpy(np.stack(codes).astype(np.int64)) for codes in (chosen, rejected))
    return Pairs(prompts, chosen, rejected, torch.from_numpy(np.stack(parted)))
