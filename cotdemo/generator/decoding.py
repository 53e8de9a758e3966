"""Mask-predict decoding (MaskGIT, arXiv 2202.04200; Show-o, arXiv 2408.12528): guidance, samplers, one step.

A *canvas* holds the codes of ``(paths, tokens)``, ``UNPAINTED`` where a token is still masked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch

UNPAINTED = -1


class Sampler(Protocol):
    """Where the chance in a painting comes from. At every step codes are asked for first, then noise, once each."""

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        """One code per token ``(paths, tokens)`` int64, drawn from ``probs (paths, tokens, codes)``."""

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        """Uniform noise in [0, 1) ``(paths, tokens)`` float32 for the choice of what is masked again."""


class BatchSampler:
    """One generator for the whole batch, in the order of the original: a multinomial draw, then uniform noise."""

    def __init__(self, generator: torch.Generator | None = None):
        self.generator = generator

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        flat = self._at_generator(probs).flatten(0, 1)
        return torch.multinomial(flat, 1, generator=self.generator).view(probs.shape[:2]).to(probs.device)

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        empty = self._at_generator(probs.new_empty(probs.shape[:2]))
        return empty.uniform_(generator=self.generator).to(probs.device)

    def _at_generator(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if self.generator is None else tensor.to(self.generator.device)


class PathSampler:
    """One generator per path: a path draws the same whoever is beside it, and goes on where it stopped.

    Codes are drawn by inverting the cumulative distribution, which takes one uniform number per token (a multinomial
    draw takes one per token *and code*, 65,536 a step for 64 tokens of 1,024 codes).
    """

    def __init__(self, generators: Mapping[int, torch.Generator]):
        self.generators = generators

    @classmethod
    def from_seed(cls, seed: int, paths: Iterable[int]) -> PathSampler:
        """A generator for each path from a hash of seed and path number, on the CPU for whatever device paints."""
        return cls({path: torch.Generator().manual_seed(_hash(seed, path)) for path in paths})

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        return draw(probs, self._uniform(probs, paths))

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        return self._uniform(probs, paths)

    def _uniform(self, probs: torch.Tensor, paths: Sequence[int]) -> torch.Tensor:
        generators = (self.generators[path] for path in paths)
        numbers = [torch.rand(probs.shape[1], generator=generator, device=generator.device) for generator in generators]
        return torch.stack(numbers).to(probs.device)


class RecordedSampler:
    """Replays draws made elsewhere: codes and noise ``(steps, paths, tokens)``, paths numbered from 0."""

    def __init__(self, codes: torch.Tensor, noise: torch.Tensor):
        self._codes, self._noise = codes.long(), noise.float()

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        return self._codes[step, list(paths)].to(probs.device)

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        return self._noise[step, list(paths)].to(probs.device)


def _hash(seed: int, path: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{path}".encode()).digest()[:8], "little") >> 1


def draw(probs: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The code at which the cumulative distribution of ``probs (..., codes)`` passes ``uniform (...)`` in [0, 1)."""
    cumulative = probs.cumsum(-1)
    total = cumulative[..., -1:]
    # rounding may lift the product to the total itself, which no code passes
    target = torch.minimum(uniform[..., None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True)[..., 0]


def guided(conditional: torch.Tensor, unconditional: torch.Tensor | None, guidance: float) -> torch.Tensor:
    """Classifier-free guidance ``(1 + w) conditional - w unconditional`` on float32 logits."""
    if unconditional is None:
        return conditional.float()
    return unconditional.float().lerp(conditional.float(), 1.0 + guidance)


def unpainted(canvas: torch.Tensor) -> torch.Tensor:
    """The tokens still to be painted ``(paths, n)`` int64, ascending; every path must have as many of them."""
    return (canvas < 0).nonzero()[:, 1].view(len(canvas), -1)


def certain(canvas: torch.Tensor, where: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """Distributions ``(paths, tokens, codes)``: ``probs (paths, n, codes)`` at the unpainted tokens ``where``, and
    certainty at the painted ones."""
    whole = probs.new_zeros(*canvas.shape, probs.shape[-1]).scatter_(-1, canvas.clamp(min=0)[..., None], 1.0)
    whole[torch.arange(len(canvas), device=canvas.device)[:, None], where] = probs
    return whole


def gumbel(uniform: torch.Tensor, tiny: float = 1e-20) -> torch.Tensor:
    """Standard Gumbel noise from uniform noise."""
    return -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()


class Predicted(NamedTuple):
    """What one step leaves behind, each ``(paths, tokens)``."""

    codes: torch.Tensor  # the guess: a code for every token, known ones unchanged
    masked: torch.Tensor  # bool, masked again: the least confident of the new ones
    confidence: torch.Tensor  # probability of the sampled code, 1.0 where it was known
    canvas: torch.Tensor  # the guess, UNPAINTED where masked


def mask_predict(
    canvas: torch.Tensor,
    probs: torch.Tensor,
    sampled: torch.Tensor,
    noise: torch.Tensor,
    masked: int,
    temperature: float | torch.Tensor,
) -> Predicted:
    """One step: fill the canvas with ``sampled``, then mask the ``masked`` least confident of the new tokens again.

    ``canvas``, ``sampled`` and uniform ``noise`` are ``(paths, tokens)``, ``probs (paths, tokens, codes)`` the guided
    distribution, ``temperature`` a number or ``(paths, 1)``. Tokens rank by ``log p + temperature * Gumbel noise``.
    """
    unknown = canvas < 0
    codes = torch.where(unknown, sampled, canvas)
    confidence = torch.where(unknown, probs.gather(-1, codes[..., None])[..., 0], 1.0)
    rank = confidence.clamp(min=1e-20).log() + temperature * gumbel(noise)
    rank = rank.masked_fill(~unknown, torch.inf)
    lowest = rank.topk(masked, largest=False).indices
    again = torch.zeros_like(unknown).scatter_(1, lowest, True)
    return Predicted(codes, again, confidence, codes.masked_fill(again, UNPAINTED))
