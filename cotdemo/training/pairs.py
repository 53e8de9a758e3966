"""Preference pairs: images of one prompt by one generator, one right and one wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import gather_object

from ..compute.hardware import lessons_autocast
from ..compute.parallel import team
from ..errors import UserError
from ..generator.pipeline import ShowoPipeline, Step
from ..search.regions import SHARE, distances
from ..verifiers.llava import LlavaVerifier
from .arrays import Arrays
from .task import Task

Label = Callable[[Sequence[str], np.ndarray], list[bool]]  # prompts and their images -> which are right
_TOGETHER = 96  # paintings in one batch


@dataclass(frozen=True)
class Pool(Arrays):
    """Several paintings of each of some prompts; arrays ``(prompts, paths, ...)``."""

    prompts: np.ndarray  # (prompts,) str; some kinds have few different ones, which then come again
    codes: np.ndarray  # (prompts, paths, tokens) uint16
    right: np.ndarray  # (prompts, paths) bool: by what labelled them


def strictly_right(task: Task) -> Label:
    """What the task's own check says."""
    return lambda prompts, images: [task.check(text, image).strict for text, image in zip(prompts, images)]


def called_right(judge: LlavaVerifier) -> Label:
    """What a judge says, where no checker knows the truth."""
    return lambda prompts, images: judge.encode(list(images)).ask("outcome", prompts).yes.tolist()


@torch.no_grad()
def sample_pool(pipeline: ShowoPipeline, prompts: Sequence[str], paths: int, seed: int, label: Label) -> Pool:
    """``paths`` paintings of each of ``prompts``; several processes share them out."""
    own = list(range(len(prompts)))[team().process_index :: team().num_processes]
    codes, right = [], []
    for places in _parts(own, paths):
        texts = [prompts[place] for place in places for _ in range(paths)]
        numbers = [place * paths + path for place in places for path in range(paths)]
        painted, said = _sample(pipeline, texts, numbers, seed, label)
        codes.append(painted)
        right += said
    shape = (len(own), paths)
    made = [(own, np.concatenate(codes).reshape(*shape, -1), np.asarray(right).reshape(shape))]
    places, codes, right = map(np.concatenate, zip(*gather_object(made)))
    order = np.argsort(places)
    return Pool(np.asarray(prompts), codes[order], right[order])


@dataclass(frozen=True)
class Pairs(Arrays):
    """Preference pairs."""

    prompts: np.ndarray  # (pairs,) str
    chosen: np.ndarray  # (pairs, tokens) uint16
    rejected: np.ndarray  # (pairs, tokens) uint16
    apart: np.ndarray  # (pairs, tokens) bool: what was not painted together

    def __len__(self) -> int:
        return len(self.prompts)


def pairs_of(pool: Pool, most: int, seed: int) -> Pairs:
    """Up to ``most`` pairs of each prompt, no image in two of them; prompts whose images agree give none.

    Raises UserError where none has both a right and a wrong image.
    """
    rng = np.random.default_rng([seed, 23])
    found = []
    for place, right in enumerate(pool.right):
        better, worse = (rng.permutation(np.flatnonzero(right == wanted)) for wanted in (True, False))
        found += [(place, one, other) for one, other in list(zip(better, worse))[:most]]
    if not found:
        raise UserError("No prompt has both a right and a wrong image: there is nothing to prefer.")
    places, better, worse = map(list, zip(*found))
    chosen, rejected = pool.codes[places, better], pool.codes[places, worse]
    return Pairs(pool.prompts[places], chosen, rejected, np.ones(chosen.shape, bool))


@torch.no_grad()
def mended(pipeline: ShowoPipeline, pool: Pool, tries: int, most: int, seed: int, label: Label) -> Pairs:
    """Pairs of a wrong image and what a part of it, painted anew, has made right.

    One wrong image of each prompt that has any in ``pool``; ``tries`` regions of it are each painted anew
    (``cotdemo.search.regions``), and up to ``most`` of those that ``label`` calls right are chosen. Unlike pairs of
    independent images these differ in nothing but what mended them, and there are some of prompts whose images are
    all wrong. Several processes share the prompts out. Raises UserError where nothing was mended.
    """
    rng = np.random.default_rng([seed, 37])
    wrong = [(place, rng.choice(np.flatnonzero(~right))) for place, right in enumerate(pool.right) if not right.all()]
    order = distances(pipeline.grid, len(wrong) * tries, rng).reshape(len(wrong), tries, -1)
    own = range(len(wrong))[team().process_index :: team().num_processes]
    made = []
    for part in _parts(own, tries):
        places, paths = np.array([wrong[index] for index in part]).T.repeat(tries, axis=1)
        before, texts = pool.codes[places, paths], [str(pool.prompts[place]) for place in places]
        numbers = [index * tries + one for index in part for one in range(tries)]
        after = pipeline.reopened(before.astype(np.int64), order[part].reshape(len(texts), -1), SHARE)
        codes, right = _sample(pipeline, texts, numbers, seed, label, after)
        for first in range(0, len(texts), tries):
            rows = [row for row in range(first, first + tries) if right[row]][:most]
            made += [(places[row], codes[row], before[row], after.masked[row].numpy()) for row in rows]
    made = sorted(gather_object(made), key=lambda one: one[0])
    if not made:
        raise UserError("No wrong image could be mended: there is nothing to prefer.")
    places, chosen, rejected, apart = zip(*made)
    return Pairs(pool.prompts[list(places)], *map(np.stack, (chosen, rejected, apart)))


def _parts(places: Sequence[int], paths: int) -> Iterator[Sequence[int]]:
    each = max(1, _TOGETHER // paths)
    return (places[first : first + each] for first in range(0, len(places), each))


def _sample(
    pipeline: ShowoPipeline,
    texts: Sequence[str],
    numbers: Sequence[int],
    seed: int,
    label: Label,
    after: Step | None = None,
) -> tuple[np.ndarray, list[bool]]:
    """The codes of finished images, and what they are called."""
    with lessons_autocast(pipeline.device):
        session = pipeline.start(texts, numbers, seed=seed, after=after)
        while not session.done:
            step = session.step()
    return step.codes.numpy().astype(np.uint16), label(texts, session.decode(step.codes))
