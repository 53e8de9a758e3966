"""Stage 1: the image tokenizer. Pictures of ``pretrain`` in, the same pictures out, through 10 bits a token."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..generator.magvit import MagvitV2
from ..world.checker_a import read
from ..world.geneval import judge_reading
from .loop import Schedule, fit
from .pictures import random_pairs, to_pixels


@dataclass(frozen=True)
class Recipe:
    seed: int = 1
    batch: int = 16
    refining_batch: int = 32
    # pulls the latents towards +1 and -1; much more, and the bits freeze before they mean anything
    commitment: float = 0.02
    # at the start, and fading to nothing: keeps every bit in use while the decoder is still blind
    balance: float = 0.05
    balance_steps: int = 1000
    model: dict = field(
        default_factory=lambda: {
            "channels": 48, "channel_multipliers": (1, 2), "encoder_blocks": (1, 1), "decoder_blocks": (2, 2),
            "bits": 10, "norm_groups": 8, "patch_size": 4,
        }
    )  # fmt: skip
    schedule: Schedule = Schedule(steps=6000, lr=1.5e-3, warmup=50, lr_end=3e-5, cycles=2, average=0.99, half=False)
    # rare outlines in pale colours come right late
    refining: Schedule = Schedule(steps=5000, lr=1e-3, warmup=100, lr_end=2e-5, average=0.99)


def losses(model: MagvitV2, pixels: torch.Tensor, commitment: float, balance: float) -> dict[str, torch.Tensor]:
    """Reconstruction error (absolute, squared), commitment and bit balance for pixels ``(B, 3, H, W)`` in [-1, 1]."""
    reconstruction, latents, _ = model(pixels)
    error = reconstruction - pixels
    absolute, squared = error.abs().mean(), error.square().mean()
    pull = (latents - latents.detach().sign()).square().mean()
    share = torch.sigmoid(4 * latents).mean((0, 2, 3))  # how often each bit is set, smoothly
    entropy = -(share * share.log() + (1 - share) * (1 - share).log()).mean()
    loss = absolute + squared + commitment * pull - balance * entropy
    return {"loss": loss, "absolute": absolute, "squared": squared, "pull": pull, "entropy": entropy}


@torch.no_grad()
def evaluate(model: MagvitV2, count: int = 240, seed: int = 99, split: str = "dev") -> dict[str, float]:
    """Mean absolute error, codes in use, and the share of reconstructions that checker A still reads as right."""
    prompts, pictures = random_pairs(split, count, [seed])
    device = next(model.parameters()).device
    right, codes, error = 0, [], 0.0
    for first in range(0, count, 32):
        pixels = to_pixels(pictures[first : first + 32], device)
        found = model.encode(pixels)
        decoded = model.decode(found)
        error += float((decoded.clamp(-1, 1) - pixels).abs().mean()) * len(pixels) / count
        codes.append(found.flatten())
        images = MagvitV2.to_uint8(decoded)
        right += sum(judge_reading(read(i), p).strict for i, p in zip(images, prompts[first : first + 32]))
    return {"mae": error, "codes": len(torch.cat(codes).unique()), "right": right / count}


def train(recipe: Recipe, work: Path, device: str = "cpu", **options) -> MagvitV2:
    """Train from nothing, or go on from the checkpoint in ``work``."""
    torch.manual_seed(recipe.seed)
    model = MagvitV2(**recipe.model).to(device, memory_format=torch.channels_last)

    def step(model: MagvitV2, index: int) -> dict[str, torch.Tensor]:
        _, pictures = random_pairs("pretrain", recipe.batch, [recipe.seed, index])
        balance = recipe.balance * max(0.0, 1 - index / recipe.balance_steps)
        return losses(model, to_pixels(pictures, device), recipe.commitment, balance)

    def refining_step(model: MagvitV2, index: int) -> dict[str, torch.Tensor]:
        _, pictures = random_pairs("pretrain", recipe.refining_batch, [recipe.seed + 10, index])
        return losses(model, to_pixels(pictures, device), recipe.commitment, 0.0)

    options |= {"probe": lambda model, _: evaluate(model), "probe_every": 500}
    fit(model, step, recipe.schedule, work / "first", **options)
    return fit(model, refining_step, recipe.refining, work, **options)
