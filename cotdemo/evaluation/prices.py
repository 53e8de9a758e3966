"""What the pieces of a run cost in floating-point operations, so that the cost of any run follows by adding up.

Prices depend on a prompt by its length alone, and are linear in how many paths or pictures are worked on together. They
are counted (``cotdemo.evaluation.flops``) on two and on three paths: the fast path computes some things once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..search.protocols import Judge, Painter, Painting
from ..settings import Settings
from .flops import Count, counted

Start = Callable[[Sequence[int]], Painting]  # paths -> a painting of them


@dataclass(frozen=True)
class PaintingPrices:
    """Operations of one prompt's paintings."""

    start: int  # reading the prompt
    steps: np.ndarray  # (steps, 2) int64: of a step once, and for every path in it
    decode: int  # of one picture

    def of_whole_paths(self, paths: int) -> int:
        return int(self.start + self.steps[:, 0].sum() + paths * self.steps[:, 1].sum())


@dataclass(frozen=True)
class JudgePrices:
    """Operations of one judge on one picture."""

    look: int
    ask: np.ndarray  # (questions, 2) int64: as the first question about a picture, and as a further one


def starting(painter: Painter, settings: Settings) -> Start:
    """How the paths of a run are begun."""
    s = settings
    return lambda paths: painter.start(s.prompt, paths, s.steps, s.guidance, s.temperature, s.seed)


def of_painting(start: Start) -> PaintingPrices:
    first, two, decode = _painted(start, 2)
    _, three, _ = _painted(start, 3)
    each = three - two
    return PaintingPrices(first, np.stack([two - 2 * each, each], axis=1), decode)


def of_judge(judge: Judge, questions: Sequence[str], pictures: Sequence[np.ndarray], prompt: str) -> JudgePrices:
    """Prices of asking ``questions``, in this order where several are asked about a picture."""
    count, pictures = len(pictures), list(pictures)
    look = counted(lambda: judge.look(pictures))[1] // count
    together = judge.look(pictures)
    ask = [
        [counted(partial(seen.ask, question, prompt))[1] // count for seen in (judge.look(pictures), together)]
        for question in questions
    ]
    return JudgePrices(look, np.asarray(ask, np.int64))


def _painted(start: Start, paths: int) -> tuple[int, np.ndarray, int]:
    """Operations of the start, of each step, and of decoding one picture."""
    count = Count()
    with count("start"):
        painting = start(range(paths))
    while not painting.done:
        with count(f"step {len(count.totals)}"):
            codes = painting.step().codes
    first, *steps = count.totals.values()
    return first, np.asarray(steps, np.int64), counted(partial(painting.decode, codes))[1] // paths
