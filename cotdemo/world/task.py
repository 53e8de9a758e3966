"""The drawn world as a task (``cotdemo.training.task``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..geneval.rules import Found
from . import checker_a, splits
from .faults import Verdict, judge_reading
from .prompts import parse
from .scenes import MOST, draw, packed
from .words import prompt_tokenizer

_HINTED = (0.30, 0.45, 0.15, 0.10)  # shares of hinted images with one thing, two, three and four


@dataclass(frozen=True)
class DrawnThings:
    """GenEval's eighty things, drawn. ``read`` is the checker: A, which labels what is learnt, or B, which scores."""

    read: Callable[[np.ndarray], Sequence[Found]] = checker_a.read

    def prompts(self, split: str) -> tuple[dict, ...]:
        return splits.prompts(split)

    def examples(self, split: str, count: int, rng: np.random.Generator) -> tuple[list[dict], np.ndarray]:
        entries = splits.random_prompts(split, count, rng)
        return entries, np.stack([draw(splits.random_scene(entry, rng)) for entry in entries])

    def hinted(self, count: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
        """One to four things of any kinds in any colours; the prompt says what it may of each (``splits.hint``)."""
        sizes = 1 + rng.choice(MOST, size=count, p=_HINTED)
        scenes = [packed(rng, natural=0.15, count=int(size)) for size in sizes]
        return [splits.hint(scene, rng) for scene in scenes], np.stack([draw(scene) for scene in scenes])

    def caption(self, prompt: str, wrong: Mapping[str, float], rng: np.random.Generator) -> str:
        """Another "relation" or "number" than the true one: captions of the web take left for right, and miscount."""
        return splits.miscaptioned(prompt, wrong, rng)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return prompt_tokenizer()

    def check(self, prompt: str, image: np.ndarray) -> Verdict:
        return judge_reading(self.read(image), parse(prompt))
