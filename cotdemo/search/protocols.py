"""What a search needs from a generator, a judge and a backend; no torch here, anything that fits will do.

Arrays may be numpy's or torch's: a search only indexes rows, calls ``tolist()`` and hands codes back to ``decode``.
P is the number of live paths, N the number of tokens of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..run.events import Question

PARTS = ("generator", "decoder", "judge")  # of a backend, as what a search costs is told apart
Asked = Question | Literal["present"]  # of the whole prompt, or of one of its requirements


@dataclass(frozen=True)
class Context:
    """What the self-correcting model repaints from: the previous image and what is wrong with it."""

    prompt_codes: tuple[int, ...]  # the previous image's N codes
    critique: str


class Step(Protocol):
    """One mask-predict step of all live paths; row r of each array belongs to ``paths[r]``."""

    index: int  # of the step, from 0
    paths: tuple[int, ...]
    codes: Any  # (P, N): all sampled codes, the guess
    masked: Any  # (P, N) bool: masked again after this step
    confidence: Any  # (P, N): probability of the sampled code


class SamplingSession(Protocol):
    """Paths being sampled in one batch."""

    live: tuple[int, ...]  # paths not dropped, ascending; a finished path stays live
    done: bool  # no live path has a step left

    def step(self) -> Step:
        """One step of every live path."""

    def drop(self, paths: Sequence[int]) -> None:
        """Take paths out of the batch at once, keeping what is needed to restore them."""

    def restore(self, path: int) -> None:
        """Bring a dropped path back exactly where it stopped; live paths, if any, have taken as many steps."""

    def decode(self, codes: Any) -> Any:
        """Codes (rows, N) -> images (rows, height, width, 3), uint8 numpy."""


class ImageGenerator(Protocol):
    """A generator as a search uses it; ``cotdemo.generator.protocol.MaskedGenerator`` makes one of four methods."""

    def start(
        self,
        prompt: str,
        paths: Sequence[int],
        steps: int,
        guidance: float,
        temperature: float,
        seed: int,
        *,
        context: Context | None = None,
        after: Step | None = None,
    ) -> SamplingSession:
        """Begin to sample; path i depends on (seed, i) only, not on which other paths there are.

        With ``after``, go on from that step: row r is where the r-th path goes on.
        """

    def reopened(self, codes: Sequence[int], order: np.ndarray, share: float, steps: int) -> Step:
        """The step of a session of ``steps`` that leaves an image's ``codes`` (N,) with about ``share`` of them
        masked: for each path those that come first in ``order`` (paths, N)."""

    def masked_at(self, codes: Sequence[int], marked: np.ndarray, steps: int, most: int | None = None) -> Step:
        """The step of a session of ``steps`` that leaves exactly the ``marked`` (paths, N) of an image's ``codes``
        (N,) masked, as many for each path, and at most ``most`` steps to come."""

    def belief(self, prompt: str, codes: Sequence[int], guidance: float) -> tuple[np.ndarray, int]:
        """The probability (N,) that it gives each of an image's ``codes``, and the forward passes that took."""


class Answers(Protocol):
    """Answers to one question, one entry per row asked."""

    p_yes: Any  # (rows,) softmax probability of "yes"
    p_no: Any  # (rows,)
    yes: Any  # (rows,) bool: "yes" is the likeliest token of all, or the one that was drawn
    no: Any  # (rows,) bool


class Encoded(Protocol):
    """Images the judge has encoded once, to be asked about."""

    def ask(
        self, question: Asked, prompt: str, rows: Sequence[int] | None = None, *, seeds: Sequence[int] | None = None
    ) -> Answers:
        """One question about the images in ``rows`` (all by default), answered in that order.

        "present" is asked of a requirement's words in place of the prompt.

        ``seeds``, one for each row, are given where answers are to be drawn (``verdicts="sampled"``), and only there.
        """

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        """What is wrong with one image, in pieces of text to be joined as they are."""


class Verifier(Protocol):
    def encode(self, images: Sequence[np.ndarray]) -> Encoded:
        """Encode images of shape (height, width, 3), uint8."""


class Verdict(Protocol):
    """What a checker says about an image. One that errs names itself besides, in ``by``."""

    correct: bool
    strict: bool
    reason: str


class Requirement(Protocol):
    """One thing that a prompt asks for (``cotdemo.world.requirements``)."""

    @property
    def words(self) -> str: ...

    def named_by(self, critique: str) -> bool:
        """Whether words on what is wrong with an image speak of it."""


class Backend(Protocol):
    """A named set of weights. ``generator`` and ``verifier`` may load on first use."""

    name: str
    grid: tuple[int, int]  # token rows, token columns
    codebook: int
    picture_size: tuple[int, int]  # height, width in pixels
    weights: Mapping[str, str]  # component -> short hash
    models: Collection[str]  # the generators it can load
    check: Callable[[str, np.ndarray], Verdict | None] | None  # of a prompt and its final image, where anybody can

    def generator(self, model: str) -> ImageGenerator: ...

    def verifier(self, name: str) -> Verifier:
        """The judge of that name (``cotdemo.settings.VERIFIERS``)."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes (P, N) -> images (P, height, width, 3), uint8, without a session."""

    def canonical(self, prompt: str) -> str:
        """The prompt that is meant by what was typed: what generator, judge and checker are all given.

        Its own canonical form is itself. Raises UserError for one that cannot be painted (a word it does not know).
        """

    def requirements(self, prompt: str) -> Sequence[Requirement]:
        """What a canonical prompt asks for, point by point; nothing where that is not known."""
