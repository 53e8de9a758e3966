"""Stage 1: the image tokenizer. Packed canvases in, the same out, through 12 bits a token.

At first four things fill every canvas, of any kind, a quarter in their own colour and the others in any: it needs no
prompts, and sees each of the 880 drawings as often as the others. Things lie on the tokens' pitch, so that every
drawing meets it in one phase. Then canvases hold one to four: norms over the whole canvas depend on how full it is, and
a model that has only seen full ones paints a lone thing with glaring contrasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..compute import parallel
from ..generator.magvit import MagvitV2
from ..world.scenes import MOST, Scene, anything, draw
from ..world.sheet import NATURAL, SIZE, own_colour
from ..world.templates import above_ground, named, nearest
from .images import to_pixels
from .loop import Schedule, fit


@dataclass(frozen=True)
class Recipe:
    seed: int = 1
    batch: int = 20
    # pulls the latents towards +1 and -1; much more, and the bits freeze before they mean anything
    commitment: float = 0.02
    # at the start, and fading to nothing: keeps every bit in use while the decoder is still blind
    balance: float = 0.05
    balance_steps: int = 1000
    model: dict = field(
        default_factory=lambda: {
            "channels": 64, "channel_multipliers": (1, 2), "encoder_blocks": (1, 1), "decoder_blocks": (2, 2),
            "bits": 12, "norm_groups": 8, "patch_size": 8,
        }
    )  # fmt: skip
    schedule: Schedule = Schedule(steps=5000, lr=1.5e-3, warmup=50, lr_end=2e-5, average=0.998, half=False)
    refining: Schedule = Schedule(steps=1000, lr=7e-4, warmup=50, lr_end=2e-5, average=0.99, half=False)


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


def scenes(count: int, seed: Sequence[int], fewest: int = 1) -> list[Scene]:
    """Random scenes of ``fewest`` to four things."""
    rng = np.random.default_rng(seed)
    return [anything(rng, fewest=fewest) for _ in range(count)]


@torch.no_grad()
def evaluate(model: MagvitV2, count: int = 100, seed: int = 99) -> dict[str, float]:
    """Mean absolute error in -1..1, codes in use, and how often the drawing nearest to a thing's reconstruction is of
    the right kind, colour, and both."""
    device = next(model.parameters()).device
    drawn, codes, error, right = scenes(count, [seed]), [], 0.0, []
    for first in range(0, count, 20):
        some = drawn[first : first + 20]
        pixels = to_pixels(np.stack([draw(scene) for scene in some]), device)
        found = model.encode(pixels)
        decoded = model.decode(found)
        error += float((decoded.clamp(-1, 1) - pixels).abs().mean()) * len(some) / count
        codes.append(found.flatten())
        for scene, image in zip(some, MagvitV2.to_uint8(decoded)):
            right += _recognised(scene, image)
    kind, colour, both = np.mean(right, axis=0).tolist()
    return {"mae": error, "codes": len(torch.cat(codes).unique()), "kind": kind, "colour": colour, "both": both}


def _recognised(scene: Scene, image: np.ndarray) -> list[tuple[bool, bool, bool]]:
    """Of each thing, whether its kind, its colour and both are what is nearest."""
    squares = np.stack([image[thing.y : thing.y + SIZE, thing.x : thing.x + SIZE] for thing in scene.things])
    found = []
    for thing, number in zip(scene.things, nearest(above_ground(squares))[0]):
        kind, tint = named(int(number))
        same = tint == thing.tint or {tint, thing.tint} == {NATURAL, own_colour(thing.kind)}
        found.append((kind == thing.kind, same, kind == thing.kind and same))
    return found


def train(recipe: Recipe, work: Path, device: str = "cpu", **options) -> MagvitV2:
    """Train from nothing, or go on from the checkpoint in ``work``; each of several processes draws its share."""
    torch.manual_seed(recipe.seed)
    model = MagvitV2(**recipe.model).to(device, memory_format=torch.channels_last)
    process, own = parallel.team().process_index, parallel.share(recipe.batch)

    def learn(model: MagvitV2, drawn: list[Scene], balance: float) -> dict[str, torch.Tensor]:
        pixels = to_pixels(np.stack([draw(scene) for scene in drawn]), device)
        return losses(model, pixels, recipe.commitment, balance)

    def step(model: MagvitV2, index: int) -> dict[str, torch.Tensor]:
        balance = recipe.balance * max(0.0, 1 - index / recipe.balance_steps)
        return learn(model, scenes(own.stop - own.start, [recipe.seed, index, process], fewest=MOST), balance)

    def refining_step(model: MagvitV2, index: int) -> dict[str, torch.Tensor]:
        return learn(model, scenes(own.stop - own.start, [recipe.seed + 10, index, process]), 0.0)

    options |= {"probe": lambda model, _: evaluate(model), "probe_every": 250}
    fit(model, step, recipe.schedule, work / "first", **options)
    return fit(model, refining_step, recipe.refining, work, **options)
