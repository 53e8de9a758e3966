"""What a small generator is trained and measured on. A task of one's own is a class with these methods (``examples/``).

Prompts come as GenEval's metadata objects, of which ``prompt`` and ``tag``, the kind of prompt, are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from ..search.protocols import Verdict


class Task(Protocol):
    def prompts(self, split: str) -> Sequence[Mapping[str, Any]]:
        """The fixed prompts that a split is measured on. Raises KeyError for a split that is not there."""

    def examples(
        self, split: str, count: int, rng: np.random.Generator
    ) -> tuple[Sequence[Mapping[str, Any]], np.ndarray]:
        """Random prompts of a split, and a right image for each, ``(count, height, width, 3)`` uint8."""

    def hinted(self, count: int, rng: np.random.Generator) -> tuple[Sequence[str], np.ndarray]:
        """Random images of anything the task knows, of the same shape; for each a prompt that says but part of it."""

    def caption(self, prompt: str, wrong: Mapping[str, float], rng: np.random.Generator) -> str:
        """A prompt as a careless caption has it, which gets so large a share ``wrong`` of each of what can be: the
        generator learns from some."""

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The vocabulary of its prompts."""

    def check(self, prompt: str, image: np.ndarray) -> Verdict:
        """Whether an image ``(height, width, 3)`` uint8 is what the prompt asks for, by whatever knows."""
