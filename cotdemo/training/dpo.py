"""Alignment of the generator by direct preference optimisation, once or iterated.

Both pictures of a pair are seen through the same masks, several of them, whose sums are averaged; the reference is
computed in the same precision. Chosen and rejected log-likelihoods are logged apart, as both may fall, and so is that
of the unconditional branch, which the preferences move without training it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from ..generator.showo import Showo
from ..world.words import prompt_tokenizer
from .generator import mask_codes
from .loop import Schedule, fit, plain_attention
from .pairs import Pairs
from .preference import dpo_loss, log_likelihood


@dataclass(frozen=True)
class Recipe:
    seed: int = 5
    prompts: int = 1500  # different prompts of ``align``
    paths: int = 8  # paintings of each
    most: int = 2  # pairs of one prompt
    beta: float = 0.1
    masks: int = 4  # of one pair in one step
    batch: int = 12  # pairs
    schedule: Schedule = Schedule(steps=400, lr=1e-4, warmup=40, average=0.0)


def train(recipe: Recipe, base: Showo, pairs: Pairs, work: Path, **options) -> Showo:
    """Align a copy of ``base``, which is also the reference."""
    torch.manual_seed(recipe.seed)
    words, vocabulary = prompt_tokenizer(), base.vocabulary
    reference = copy.deepcopy(base).eval().requires_grad_(False)
    for model in (base, reference):
        plain_attention(model.showo)

    def step(model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + index)
        rows = torch.randint(len(pairs), (recipe.batch,), generator=rng).repeat_interleave(recipe.masks)
        masked = mask_codes(pairs.chosen[rows], rng)
        codes = torch.cat([pairs.chosen[rows], pairs.rejected[rows]])
        both = torch.cat([masked, masked])
        prefixes = [vocabulary.prefix(words(pairs.prompts[row]).input_ids) for row in rows.tolist()] * 2
        ids = vocabulary.sequences(prefixes, codes.masked_fill(both, -1))

        def sums(of: Showo) -> tuple[torch.Tensor, torch.Tensor]:
            likely = log_likelihood(of, ids, codes, both).view(2, recipe.batch, recipe.masks)
            return likely.mean(-1).unbind()

        chosen, rejected = sums(model)
        with torch.no_grad():
            before = sums(reference)
        said = dpo_loss(chosen, rejected, *before, recipe.beta)
        return {
            "loss": said.loss.mean(),
            "preferred": (said.chosen_reward > said.rejected_reward).float().mean(),
            "chosen": (chosen - before[0]).mean(),
            "rejected": (rejected - before[1]).mean(),
        }

    @torch.no_grad()
    def drift(model: Showo, done: int) -> dict[str, float]:
        """How much likelier chosen pictures have become without a prompt."""
        rng = torch.Generator().manual_seed(recipe.seed)
        codes = pairs.chosen[torch.randint(len(pairs), (64,), generator=rng)]
        masked = mask_codes(codes, rng)
        ids = vocabulary.sequences([vocabulary.prefix()] * len(codes), codes.masked_fill(masked, -1))
        now, before = (log_likelihood(of, ids, codes, masked).mean().item() for of in (model, reference))
        return {"unconditional": now - before}

    return fit(base, step, recipe.schedule, work, probe=drift, probe_every=50, **options)
