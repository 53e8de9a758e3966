"""What a masked generator has to say for itself, and what it gets for that: sampling sessions over it.

Another generator is a subclass with four methods (``examples/amused_generator.py``); ``SamplingSession`` does the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import UserError
from .chance import PathSampler, Sampler
from .mask_predict import MASKED
from .schedule import Unmasking
from .session import Marked, SamplingSession, Step

BELIEF_PARTS = 2  # in how many forward passes all tokens of an image are asked for


class Context(Protocol):
    """What a correction starts from: the previous image and the words on what is wrong with it."""

    prompt_codes: Sequence[int]
    critique: str


class MaskedGenerator(ABC):
    """A model that predicts masked image tokens from a prompt and the tokens kept so far.

    ``tokens`` is how many an image has, ``device`` where its canvas lives. A *canvas* ``(rows, tokens)`` int64 holds
    codes, negative where a token is masked. Where ``every_token`` is true, ``logits`` is asked about all tokens but at
    the first step: a GPU pays more for shapes that change than for tokens that are known already.
    """

    tokens: int
    device: torch.device
    every_token: bool = False

    @abstractmethod
    def prefill(self, prompts: Sequence[str], guidance: float, contexts: Sequence[Context | None]) -> Any:
        """What all steps need of the prompts, computed once, one row a prompt; only ``logits`` looks into it.

        ``guidance`` is w of classifier-free guidance ``(1 + w) conditional - w unconditional``, 0 for none.
        """

    @abstractmethod
    def logits(
        self, prefix: Any, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None
    ) -> torch.Tensor:
        """Guided logits ``(len(rows), n, codes)`` of the masked tokens ``where (len(rows), n)`` of a canvas.

        Without ``where``, which only a generator of ``every_token`` meets, those of all tokens.

        Row r of ``canvas`` and ``where`` belongs to row ``rows[r]`` of the prefix.
        """

    @abstractmethod
    def unmasking(self, steps: int, temperature: float, paths: Sequence[int]) -> Unmasking:
        """The order in which tokens are kept: Show-o's rule, aMUSEd's, or one of its own."""

    @abstractmethod
    def decode(self, codes: torch.Tensor) -> np.ndarray:
        """Images ``(rows, height, width, 3)`` uint8 of codes ``(rows, tokens)``."""

    def start(
        self,
        prompt: str | Sequence[str],
        paths: Sequence[int],
        steps: int,
        guidance: float,
        temperature: float,
        seed: int = 0,
        *,
        context: Context | Sequence[Context] | None = None,
        after: Step | None = None,
        sampler: Sampler | None = None,
        paths_per_pass: int | None = None,
    ) -> SamplingSession:
        """Begin to sample ``paths`` of one prompt, or of one prompt each; ``context`` is one, or one for each path.

        Path i is the same whatever the other paths are: each has its own random generator, from a hash of ``seed``
        and its number; ``sampler`` replaces them. ``after`` and ``paths_per_pass`` as for ``SamplingSession``.

        Raises ``UserError`` for paths, prompts or contexts that do not go together.
        """
        prompts, contexts = one_each("prompts", prompt, paths), one_each("contexts", context, paths)
        with torch.no_grad():
            prefix = self.prefill(prompts, guidance, contexts)
        unmasking = self.unmasking(steps, temperature, paths)
        sampler = sampler or PathSampler.from_seed(seed, paths)
        return SamplingSession(self, prefix, unmasking, paths, sampler, after=after, paths_per_pass=paths_per_pass)

    def reopened(self, codes: Sequence[int] | np.ndarray, order: np.ndarray, share: float, steps: int) -> Step:
        """The step of a session of ``steps`` from which ``start(..., after=)`` samples part of an image anew.

        ``codes`` are the image's ``(tokens,)``, or those of one for each path. Of each path those tokens are masked
        that come first in ``order (paths, tokens)``, as many as after some step but the last, and as near to ``share``
        of them as can be. Raises ``UserError`` for less than two steps, which have none.
        """
        counts = torch.tensor(self._partly(steps, len(order)).masked)
        tokens = torch.as_tensor(codes)
        index = int((counts[:-1] - share * tokens.shape[-1]).abs().argmin())
        masked = torch.as_tensor(order).argsort(1).argsort(1) < counts[index]
        known = torch.ones(masked.shape)
        return Step(index, tuple(range(len(masked))), tokens.expand(masked.shape), masked, known)

    def masked_at(
        self, codes: Sequence[int] | np.ndarray, marked: np.ndarray, steps: int, most: int | None = None
    ) -> Marked:
        """The step of a session of ``steps`` from which ``start(..., after=)`` samples the ``marked`` tokens anew.

        ``codes`` are the image's ``(tokens,)``, ``marked`` is bool ``(paths, tokens)`` with as many in each row, one or
        more. No step is taken without a token for it, and no more than ``most``. Raises ``UserError`` for less than two
        steps.
        """
        masked = torch.as_tensor(marked)
        total = self._partly(steps, len(marked)).steps
        left = min(int(masked.sum(1)[0]), total - 1, most or total)
        tokens, known = torch.as_tensor(codes), torch.ones(masked.shape)
        return Marked(total - 1 - left, tuple(range(len(masked))), tokens.expand(masked.shape), masked, known)

    @torch.no_grad()
    def belief(self, prompt: str, codes: Sequence[int], guidance: float) -> tuple[np.ndarray, int]:
        """How far the generator believes in a finished image: the probability ``(tokens,)`` of each code, were it and
        half of the others not known; and how many forward passes of one sequence that took.

        Which ones are asked for together is drawn, once for all images.
        """
        given = torch.as_tensor(codes, device=self.device)[None]
        prefix = self.prefill([prompt], guidance, [None])
        order = torch.randperm(self.tokens, generator=torch.Generator().manual_seed(0)).to(self.device)
        belief = torch.empty(self.tokens, device=self.device)
        parts = order.chunk(BELIEF_PARTS)
        for part in parts:
            where = part.sort().values[None]
            canvas = given.scatter(1, where, MASKED)
            probs = self.logits(prefix, canvas, [0], where).softmax(-1)
            belief[where[0]] = probs.gather(-1, given.gather(1, where)[..., None])[0, :, 0].to(belief)
        return belief.cpu().numpy(), len(parts) * (2 if guidance > 0 else 1)

    def _partly(self, steps: int, paths: int) -> Unmasking:
        if steps < 2:
            raise UserError("To sample a part of an image anew takes 2 steps or more.")
        return self.unmasking(steps, 0.0, range(paths))


def one_each(what: str, given: Any, paths: Sequence[int]) -> list[Any]:
    """``given`` for each path: the same for all, or one of a sequence each. Raises ``UserError`` where that fails."""
    if not paths or len(set(paths)) < len(paths):
        raise UserError("Name at least one path, and each path once.")
    each = [given] * len(paths) if isinstance(given, str) or not isinstance(given, Sequence) else list(given)
    if len(each) != len(paths):
        raise UserError(f"{len(each)} {what} were given for {len(paths)} paths.")
    return each
