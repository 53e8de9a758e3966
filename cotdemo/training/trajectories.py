"""What the judge learns from along a generator's own trajectories: guesses of some steps, and answers about them.

The generator paints from a prompt alone (``painted``) or, self-correcting, from a wrong image and its critique
(``repainted``). For a process reward model, a guess is labelled by what can become of it (``rolled_out``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..compute.hardware import lessons_autocast
from ..generator.pipeline import ShowoPipeline, Step
from ..geneval.rules import Found
from ..search.protocols import Context
from ..settings import REPAINTING_GUIDANCE
from ..world.checker_a import read
from ..world.faults import inventory, judge_reading
from ..world.prompts import parse
from ..world.splits import random_prompts
from .judge_data import UNKNOWN, Lessons, label

STEP_COUNTS = (8, 12, 18, 30)  # a judge should not depend on how many steps a painting takes
_SPLIT = "align"
_TOGETHER = 80  # paintings in one batch; each batch has a random generator of its own


@dataclass(frozen=True)
class Sampling:
    """Which paintings of one generator."""

    count: int = 10_000
    guesses: int = 6  # of each painting, besides its final image
    steps: tuple[int, ...] = STEP_COUNTS
    seed: int = 3
    first: int = 0  # those before are made elsewhere; a multiple of what is painted together


@dataclass(frozen=True)
class Trail:
    """Some paintings made in one batch, with every step."""

    first: int  # number of the first painting
    entries: list[dict]  # metadata of the prompts
    steps: list[Step]
    chosen: list[int]  # the steps that are looked at, ascending; the last is among them


Task = tuple[list[dict], dict[str, Any]]  # metadata of prompts, and what else the pipeline is told


def sampled(pipeline: ShowoPipeline, paintings: Sampling) -> Lessons:
    """Guesses along paintings of random prompts, the final image of each among them.

    Clear: checker A reads the same things and colours in the guess as in the same path's final image. Potential: the
    final image is right. Outcome and critique: of the guess itself, as if it were the final image.
    """
    return _judged(pipeline, paintings, _random_prompts)


def repainted(pipeline: ShowoPipeline, wrong: Lessons, paintings: Sampling) -> Lessons:
    """As ``painted``, of a self-correcting generator: each painting begins with one of the ``wrong`` images and its
    critique."""

    def tasks(rng: np.random.Generator, size: int) -> Task:
        before = wrong.only(rng.integers(len(wrong), size=size))
        contexts = [Context(tuple(codes.tolist()), str(said)) for codes, said in zip(before.codes, before.critiques)]
        return [parse(str(prompt)) for prompt in before.prompts], {"context": contexts, "guidance": REPAINTING_GUIDANCE}

    return _judged(pipeline, paintings, tasks)


def rolled_out(pipeline: ShowoPipeline, paintings: Sampling, rollouts: int) -> Lessons:
    """Lessons of a process reward model: to the outcome question about a guess the answer is whether any of
    ``rollouts`` paintings that go on from there ends right (arXiv 2501.13926 section 4.1).

    Final images answer for themselves, and for another prompt too.
    """
    parts = []
    for trail in _trails(pipeline, paintings, _random_prompts):
        varied = np.random.default_rng([paintings.seed, 29, trail.first])
        for index in trail.chosen:
            lessons = _at(trail, index, _read(pipeline, trail.steps[index]), varied)
            if index + 1 < len(trail.steps):
                rng = np.random.default_rng([paintings.seed, 31, trail.first, index])
                right = can_end_right(pipeline, trail.entries, trail.steps[index], len(trail.steps), rollouts, rng)
                lessons = replace(
                    lessons,
                    outcome=right.astype(np.int8),
                    other_outcome=np.full(len(lessons), UNKNOWN, np.int8),
                    critiques=np.full(len(lessons), ""),
                )
            parts.append(lessons)
    return Lessons.join(*parts)


def can_end_right(
    pipeline: ShowoPipeline, entries: list[dict], step: Step, steps: int, rollouts: int, rng: np.random.Generator
) -> np.ndarray:
    """Whether any of ``rollouts`` paintings that go on after ``step`` with fresh noise ends right, bool ``(rows,)``.

    ``steps`` is how many the whole painting takes, ``entries`` are the metadata of its prompts. Once one has ended
    right, no more are painted.
    """
    right = np.zeros(len(entries), bool)
    for _ in range(rollouts):
        rows = np.flatnonzero(~right)
        if not len(rows):
            break
        asked = [entries[row] for row in rows]
        state = step._replace(codes=step.codes[rows], masked=step.masked[rows])
        last = _sample(pipeline, asked, steps=steps, seed=int(rng.integers(2**32)), after=state)[-1]
        right[rows] = [judge_reading(found, entry).strict for found, entry in zip(_read(pipeline, last), asked)]
    return right


def _judged(pipeline: ShowoPipeline, paintings: Sampling, tasks: Callable[[np.random.Generator, int], Task]) -> Lessons:
    parts = []
    for trail in _trails(pipeline, paintings, tasks):
        varied = np.random.default_rng([paintings.seed, 29, trail.first])
        last = _read(pipeline, trail.steps[-1])
        right = [judge_reading(found, entry).strict for found, entry in zip(last, trail.entries)]
        for index in trail.chosen:
            readings = _read(pipeline, trail.steps[index])
            clear = [inventory(now) == inventory(end) for now, end in zip(readings, last)]
            parts.append(
                replace(
                    _at(trail, index, readings, varied),
                    clarity=np.asarray(clear, np.int8),
                    potential=np.asarray(right, np.int8),
                )
            )
    return Lessons.join(*parts)


def _at(trail: Trail, index: int, readings: list[tuple[Found, ...]], rng: np.random.Generator) -> Lessons:
    """Lessons on the guesses of one step, as if they were finished images."""
    size = len(trail.entries)
    return replace(
        label(trail.entries, trail.steps[index].codes.numpy(), readings, rng),
        step=np.full(size, index, np.int16),
        path=np.arange(trail.first, trail.first + size, dtype=np.int32),
    )


def _read(pipeline: ShowoPipeline, step: Step) -> list[tuple[Found, ...]]:
    return [read(image) for image in pipeline.decode(step.codes)]


def _random_prompts(rng: np.random.Generator, size: int) -> Task:
    return random_prompts(_SPLIT, size, rng), {}


def _trails(
    pipeline: ShowoPipeline, paintings: Sampling, tasks: Callable[[np.random.Generator, int], Task]
) -> Iterator[Trail]:
    for first in range(paintings.first, paintings.count, _TOGETHER):
        rng = np.random.default_rng([paintings.seed, 13, first])
        entries, options = tasks(rng, min(_TOGETHER, paintings.count - first))
        taken = int(rng.choice(paintings.steps))
        steps = _sample(pipeline, entries, steps=taken, seed=int(rng.integers(2**32)), **options)
        chosen = rng.choice(taken, size=min(paintings.guesses + 1, taken), replace=False)
        yield Trail(first, entries, steps, sorted({*chosen.tolist(), taken - 1}))


def _sample(pipeline: ShowoPipeline, entries: list[dict], **options) -> list[Step]:
    with lessons_autocast(pipeline.device):
        session = pipeline.start([entry["prompt"] for entry in entries], range(len(entries)), **options)
        steps = []
        while not session.done:
            steps.append(session.step())
    return steps
