"""Guidance by a reward model, with a gradient (arXiv 2501.13926 section 4.2).

The paper adds a reward model's -log P(yes) about a rollout to the preference loss. In the released code the rollout is
sampled without gradients, so the term changes nothing. Here it is a policy gradient (REINFORCE, Williams 1992; the
baseline of a group of one prompt is that of arXiv 2402.03300): what the model being trained paints just now becomes
likelier or less likely as the judge finds it better or worse than the other paintings of the same prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..generator.magvit import MagvitV2
from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from ..judge.judge import Judge
from ..settings import BACKENDS
from ..world.words import prompt_tokenizer

WORST = 0.01  # P(yes) below this counts as this: how hopeless a picture is says nothing


@dataclass(frozen=True)
class Rollouts:
    """Pictures of some prompts, several of each, as the model paints them now; of one length."""

    prompts: list[str]
    codes: torch.Tensor  # (rollouts, tokens) int64
    advantage: torch.Tensor  # (rollouts,): log P(yes) less the mean of the prompt's, in standard deviations of all
    p_yes: torch.Tensor  # (rollouts,)


class Guide:
    """A reward model, and what it takes to show it a generator's pictures; neither is trained."""

    def __init__(self, magvit: MagvitV2, judge: Judge):
        self.magvit, self.judge = magvit, judge

    def rollouts(self, model: Showo, prompts: Sequence[str], each: int, steps: int, seed: int) -> Rollouts:
        """``each`` paintings of ``steps`` steps of every prompt, judged."""
        defaults, attention = BACKENDS["mini"], model.showo.config._attn_implementation
        model.showo.set_attn_implementation("sdpa")
        pipeline = ShowoPipeline(
            prompt_tokenizer(), model, self.magvit, steps=steps, guidance=defaults.guidance,
            temperature=defaults.temperature, annealing=defaults.annealing,
        )  # fmt: skip
        texts = [prompt for prompt in prompts for _ in range(each)]
        painting = pipeline.start(texts, range(len(texts)), seed=seed)
        while not painting.done:
            step = painting.step()
        model.showo.set_attn_implementation(attention)
        p_yes = self.judge.look(list(painting.decode(step.codes))).ask("outcome", texts).p_yes
        reward = np.log(p_yes.clip(WORST)).reshape(len(prompts), each)
        advantage = reward - reward.mean(1, keepdims=True)
        advantage /= advantage.std() + 1e-6
        return Rollouts(texts, step.codes.clone(), *map(torch.from_numpy, (advantage.flatten(), p_yes)))
