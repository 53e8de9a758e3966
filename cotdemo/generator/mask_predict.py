"""One step of mask-predict decoding (MaskGIT, arXiv 2202.04200; Show-o, arXiv 2408.12528), in pure functions.

A *canvas* holds the codes kept so far ``(paths, tokens)``, ``MASKED`` where a token is not known yet. A step fills it
(the *x0 guess*: a whole image) and masks some of the new tokens again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

MASKED = -1  # the code of a token that is not known yet

# (confidence, uniform noise, temperature) -> rank, each (paths, tokens); tokens of the lowest rank are masked again
Rank = Callable[[torch.Tensor, torch.Tensor, "float | torch.Tensor"], torch.Tensor]


class Prediction(NamedTuple):
    """What one step leaves behind, each ``(paths, tokens)``."""

    codes: torch.Tensor  # the x0 guess: a code for every token, known ones unchanged
    masked: torch.Tensor  # bool, masked again: the new tokens of the lowest rank
    confidence: torch.Tensor  # probability of the sampled code, 1.0 where it was known
    canvas: torch.Tensor  # the x0 guess, MASKED where masked


def guided(conditional: torch.Tensor, unconditional: torch.Tensor | None, guidance: float) -> torch.Tensor:
    """Classifier-free guidance ``(1 + w) conditional - w unconditional`` on float32 logits."""
    if unconditional is None:
        return conditional.float()
    return unconditional.float().lerp(conditional.float(), 1.0 + guidance)


def masked_positions(canvas: torch.Tensor) -> torch.Tensor:
    """The masked tokens ``(paths, n)`` int64, ascending; every path must have as many of them."""
    return (canvas < 0).nonzero()[:, 1].view(len(canvas), -1)


def with_known(canvas: torch.Tensor, where: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """Distributions ``(paths, tokens, codes)``: ``probs (paths, n, codes)`` at the masked tokens ``where (paths, n)``,
    and certainty at the known ones."""
    whole = probs.new_zeros(*canvas.shape, probs.shape[-1]).scatter_(-1, canvas.clamp(min=0)[..., None], 1.0)
    whole[torch.arange(len(canvas), device=canvas.device)[:, None], where] = probs
    return whole


def likeliest(probs: torch.Tensor, top_k: int) -> torch.Tensor:
    """``probs (..., codes)`` without all but the ``top_k`` likeliest codes, no longer summing to one; 0 keeps all."""
    if not 0 < top_k < probs.shape[-1]:
        return probs
    best = probs.topk(top_k, dim=-1)
    return torch.zeros_like(probs).scatter_(-1, best.indices, best.values)


def gumbel(uniform: torch.Tensor, tiny: float = 1e-20) -> torch.Tensor:
    """Standard Gumbel noise from uniform noise."""
    return -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()


def noisy_confidence(confidence: torch.Tensor, noise: torch.Tensor, temperature: float | torch.Tensor) -> torch.Tensor:
    """The rank of MaskGIT, MUSE, Show-o and aMUSEd: ``log p + temperature * Gumbel noise``."""
    return confidence.clamp(min=1e-20).log() + temperature * gumbel(noise)


def mask_predict(
    canvas: torch.Tensor,
    probs: torch.Tensor,
    sampled: torch.Tensor,
    noise: torch.Tensor,
    masked: int,
    temperature: float | torch.Tensor,
    rank: Rank = noisy_confidence,
) -> Prediction:
    """One step: fill the canvas with ``sampled``, then mask the ``masked`` new tokens of the lowest rank again.

    ``canvas``, ``sampled`` and uniform ``noise`` are ``(paths, tokens)``, ``probs (paths, tokens, codes)`` the guided
    distribution, which says nothing where a token is known, ``temperature`` a number or ``(paths, 1)``.
    """
    unknown = canvas < 0
    codes = torch.where(unknown, sampled, canvas)
    confidence = torch.where(unknown, probs.gather(-1, codes[..., None])[..., 0], 1.0)
    ranked = torch.where(unknown, rank(confidence, noise, temperature), torch.inf)
    lowest = ranked.topk(masked, largest=False).indices
    again = torch.zeros_like(unknown).scatter_(1, lowest, True)
    return Prediction(codes, again, confidence, codes.masked_fill(again, MASKED))
