"""Where the chance in a sampling session comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import torch


class Sampler(Protocol):
    """At every step codes are asked for first, then noise, once each."""

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
        """A generator for each path from a hash of seed and path number, on the CPU for whatever device samples."""
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


def draw(probs: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The code at which the cumulative distribution of ``probs (..., codes)`` passes ``uniform (...)`` in [0, 1)."""
    cumulative = probs.cumsum(-1)
    total = cumulative[..., -1:]
    # rounding may lift the product to the total itself, which no code passes
    target = torch.minimum(uniform[..., None] * total, torch.nextafter(total, torch.zeros_like(total)))
    codes = torch.searchsorted(cumulative, target, right=True)[..., 0]
    return codes.clamp(max=probs.shape[-1] - 1)  # what is not finite passes nowhere; its confidence says so


def _hash(seed: int, path: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{path}".encode()).digest()[:8], "little") >> 1
