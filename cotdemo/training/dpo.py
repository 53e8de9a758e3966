"""Alignment of the generator by direct preference optimisation: once, iterated, or guided by a reward model.

Both images of a pair are seen through the same masks, several of them, whose sums are averaged; the reference is
computed in the same precision. Chosen and rejected log-likelihoods are logged apart, as both may fall, and so is that
of the unconditional branch, which the preferences move without training it. Early rounds also learn the chosen images
themselves. In a later one that makes them ever likelier, and easy prompts get worse: it only keeps the chosen ones from
becoming less likely (arXiv 2402.13228).

In a guided round (arXiv 2501.13926 section 4.2) a reward model has its say. The paper adds its -log P(yes) about a
rollout to the loss; in the released code the rollout is sampled without gradients, so the term changes nothing. Here
regions of wrong images are painted anew, the reward model says which of the results are right, and the model learns
to prefer these to what they were (``pairs.mended``).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from ..compute.parallel import share
from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from .dpo_loss import dpo_loss, log_likelihood
from .generator import mask_codes
from .loop import Schedule, fit, plain_attention
from .pairs import Pairs


@dataclass(frozen=True)
class Recipe:
    seed: int = 5
    rank: int = 16  # of the adapter that is trained
    painted: int = 5  # seed of the images, which the trainings of several seeds share
    prompts: int = 1200
    splits: tuple[str, ...] = ("pretrain", "align")  # equally many prompts of each; the fewer, the more they are fitted
    paths: int = 8  # paintings of each
    most: int = 8  # pairs of one prompt
    beta: float = 0.1
    # without one of these two both sides fall
    sft: float = 0.05  # weight of the chosen images' log-likelihood
    anchor: float = 0.0  # weight of what chosen images have lost in log-likelihood
    masks: int = 2  # of one pair in one step
    batch: int = 16  # pairs
    guidance: float = 0.0  # weight of the pairs that a reward model has found
    tries: int = 8  # regions of a wrong image painted anew
    most_mended: int = 2  # pairs of one prompt from these
    original: bool = False  # the released code's sums and masks in place of the right ones
    schedule: Schedule = Schedule(
        steps=250, lr=5e-4, warmup=10, lr_end=1e-4, weight_decay=0.0, average=0.95, muon=False
    )  # fmt: skip


# rounds, each on images of the one before
FIRST, SECOND = Recipe(), Recipe(painted=6, prompts=600)
THIRD = replace(SECOND, painted=7, sft=0.0, anchor=0.1)
GUIDED = replace(THIRD, guidance=1.0)


class _Alignment:
    """A generator being aligned, the reference it began as, and the losses of batches of pairs."""

    def __init__(self, recipe: Recipe, pipeline: ShowoPipeline):
        self.recipe, self.base = recipe, pipeline.showo
        self.reference = copy.deepcopy(self.base).eval().requires_grad_(False)
        for model in (self.base, self.reference):
            plain_attention(model.showo)
        words, vocabulary = pipeline.tokenizer, self.base.vocabulary
        self.prefix = cache(lambda prompt: vocabulary.prefix(words(prompt).input_ids))

    def preferences(self, model: Showo, pairs: Pairs, rng: torch.Generator) -> dict[str, torch.Tensor]:
        """The losses of a random batch of pairs, and how they are preferred."""
        recipe, vocabulary, device = self.recipe, self.base.vocabulary, self.base.device
        rows = torch.randint(len(pairs), (recipe.batch,), generator=rng).repeat_interleave(recipe.masks).numpy()
        sides = np.stack([pairs.chosen[rows], pairs.rejected[rows]]).astype(np.int64)
        (codes, others), apart = torch.from_numpy(sides), torch.from_numpy(pairs.apart[rows])
        masked = mask_codes(codes, rng, apart)
        other = mask_codes(others, rng, apart) if recipe.original else masked
        own = share(recipe.batch * recipe.masks)
        rows, codes = rows[own], torch.cat([codes[own], others[own]]).to(device)
        both = torch.cat([masked[own], other[own]]).to(device)
        prefixes = [self.prefix(str(pairs.prompts[row])) for row in rows] * 2
        ids = vocabulary.sequences(prefixes, codes.masked_fill(both, -1))

        def sums(of: Showo) -> tuple[torch.Tensor, torch.Tensor]:
            likely = log_likelihood(of, ids, codes, both, recipe.original)
            return likely.view(2, -1, recipe.masks).mean(-1).unbind()

        chosen, rejected = sums(model)
        with torch.no_grad():
            before = sums(self.reference)
        said = dpo_loss(chosen, rejected, *before, recipe.beta)
        return {
            "loss": said.loss.mean() - recipe.sft * chosen.mean() + recipe.anchor * (before[0] - chosen).relu().mean(),
            "preferred": (said.chosen_reward > said.rejected_reward).float().mean(),
            "chosen": (chosen - before[0]).mean(),
            "rejected": (rejected - before[1]).mean(),
        }

    @torch.no_grad()
    def drift(self, model: Showo, pairs: Pairs) -> dict[str, float]:
        """How much likelier chosen images have become without a prompt."""
        vocabulary, device = self.base.vocabulary, self.base.device
        rng = torch.Generator().manual_seed(self.recipe.seed)
        rows = torch.randint(len(pairs), (64,), generator=rng).numpy()
        codes = torch.from_numpy(pairs.chosen[rows].astype(np.int64))
        masked = mask_codes(codes, rng, torch.from_numpy(pairs.apart[rows])).to(device)
        codes = codes.to(device)
        ids = vocabulary.sequences([vocabulary.prefix()] * len(codes), codes.masked_fill(masked, -1))
        now, before = (log_likelihood(of, ids, codes, masked).mean().item() for of in (model, self.reference))
        return {"unconditional": now - before}


def train(
    recipe: Recipe, pipeline: ShowoPipeline, pairs: Pairs, work: Path, mended: Pairs | None = None, **options
) -> Showo:
    """Align the pipeline's generator, or the adapter in it, in place; as it is now it is also the reference.

    ``mended`` are the pairs of a guided round; ``pairs`` are learned from as in any other.
    """
    torch.manual_seed(recipe.seed)
    alignment = _Alignment(recipe, pipeline)

    def step(model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + index)
        values = alignment.preferences(model, pairs, rng)
        if mended is None:
            return values
        guided = alignment.preferences(model, mended, rng)
        loss = values["loss"] + recipe.guidance * guided["loss"]
        return values | {f"guided {name}": value for name, value in guided.items()} | {"loss": loss}

    options |= {"probe": lambda model, _: alignment.drift(model, pairs), "probe_every": 50}
    return fit(alignment.base, step, recipe.schedule, work, **options)
