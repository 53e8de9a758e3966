"""Alignment of the generator by direct preference optimisation: once, iterated, or guided by a reward model.

Both pictures of a pair are seen through the same masks, several of them, whose sums are averaged; the reference is
computed in the same precision. Chosen and rejected log-likelihoods are logged apart, as both may fall, and so is that
of the unconditional branch, which the preferences move without training it.

The paper guides the last round by adding a reward model's -log P(yes) about a rollout to the loss. In the released
code the rollout is sampled without gradients, so the term changes nothing. Here the reward model prefers: at each step
the model paints some prompts as it would just now, and pairs of what the guide calls right and wrong among these
pictures are learnt from like those of the pool (online preferences, arXiv 2402.04792).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from ..judge.judge import Judge
from .generator import mask_codes
from .loop import Schedule, fit, plain_attention
from .pairs import Pairs, called_right, paint_pool, pairs_of
from .parallel import share
from .preference import dpo_loss, log_likelihood


@dataclass(frozen=True)
class Recipe:
    seed: int = 5
    painted: int = 5  # seed of the pictures, which the trainings of several seeds share
    prompts: int = 1200  # of ``align``
    paths: int = 8  # paintings of each
    most: int = 8  # pairs of one prompt
    beta: float = 0.1
    sft: float = 0.05  # weight of the chosen pictures' log-likelihood, without which both sides fall
    masks: int = 3  # of one pair in one step
    batch: int = 16  # pairs
    guidance: float = 0.0  # weight of the pairs that a reward model finds
    rollouts: tuple[int, int] = (4, 6)  # at each step: prompts, and paintings of each
    original: bool = False  # the released code's sums and masks in place of the right ones
    schedule: Schedule = Schedule(
        steps=300, lr=5e-5, warmup=10, lr_end=1e-5, weight_decay=0.0, average=0.95, muon=False
    )  # fmt: skip


FIRST, SECOND, THIRD = Recipe(), Recipe(painted=6), Recipe(painted=7)  # rounds, each on pictures of the one before
GUIDED = Recipe(painted=7, guidance=1.0)


def train(
    recipe: Recipe, pipeline: ShowoPipeline, pairs: Pairs, work: Path, guide: Judge | None = None, **options
) -> Showo:
    """Align the pipeline's generator, in place; as it is now it is also the reference."""
    torch.manual_seed(recipe.seed)
    base, words = pipeline.showo, pipeline.tokenizer
    vocabulary, device = base.vocabulary, base.device
    reference = copy.deepcopy(base).eval().requires_grad_(False)
    for model in (base, reference):
        plain_attention(model.showo)
    different = sorted(set(pairs.prompts))
    prefixes = {prompt: vocabulary.prefix(words(prompt).input_ids) for prompt in different}

    def sequences(prompts: Sequence[str], codes: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        return vocabulary.sequences([prefixes[prompt] for prompt in prompts], codes.masked_fill(masked, -1))

    def preferences(model: Showo, pairs: Pairs, rng: torch.Generator) -> dict[str, torch.Tensor]:
        rows = torch.randint(len(pairs), (recipe.batch,), generator=rng).repeat_interleave(recipe.masks)
        masked = mask_codes(pairs.chosen[rows], rng)
        other = mask_codes(pairs.rejected[rows], rng) if recipe.original else masked
        own = share(recipe.batch * recipe.masks)
        rows = rows[own]
        codes = torch.cat([pairs.chosen[rows], pairs.rejected[rows]]).to(device)
        both = torch.cat([masked[own], other[own]]).to(device)
        ids = sequences([pairs.prompts[row] for row in rows] * 2, codes, both)

        def sums(of: Showo) -> tuple[torch.Tensor, torch.Tensor]:
            likely = log_likelihood(of, ids, codes, both, recipe.original)
            return likely.view(2, -1, recipe.masks).mean(-1).unbind()

        chosen, rejected = sums(model)
        with torch.no_grad():
            before = sums(reference)
        said = dpo_loss(chosen, rejected, *before, recipe.beta)
        return {
            "loss": said.loss.mean() - recipe.sft * chosen.mean(),
            "preferred": (said.chosen_reward > said.rejected_reward).float().mean(),
            "chosen": (chosen - before[0]).mean(),
            "rejected": (rejected - before[1]).mean(),
        }

    def guided(model: Showo, rng: torch.Generator) -> dict[str, torch.Tensor]:
        """Preferences of the guide among pictures that ``model`` paints now."""
        count, each = recipe.rollouts
        prompts = [different[one] for one in torch.randperm(len(different), generator=rng)[:count].tolist()]
        seed = int(torch.randint(2**31, (), generator=rng))
        pool = paint_pool(pipeline, prompts, each, seed, called_right(guide))
        found = pairs_of(pool, recipe.most, seed)
        right = {"right": torch.tensor(pool.right.mean(), device=device)}
        return (preferences(model, found, rng) if len(found) else {"loss": torch.zeros((), device=device)}) | right

    def step(model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + index)
        values = preferences(model, pairs, rng)
        if guide is None:
            return values
        told = guided(model, rng)
        return values | {"loss": values["loss"] + recipe.guidance * told["loss"], "called_right": told["right"]}

    @torch.no_grad()
    def drift(model: Showo, done: int) -> dict[str, float]:
        """How much likelier chosen pictures have become without a prompt."""
        rng = torch.Generator().manual_seed(recipe.seed)
        codes = pairs.chosen[torch.randint(len(pairs), (64,), generator=rng)]
        masked = mask_codes(codes, rng).to(device)
        codes = codes.to(device)
        ids = vocabulary.sequences([vocabulary.prefix()] * len(codes), codes.masked_fill(masked, -1))
        now, before = (log_likelihood(of, ids, codes, masked).mean().item() for of in (model, reference))
        return {"unconditional": now - before}

    return fit(base, step, recipe.schedule, work, probe=drift, probe_every=50, **options)
