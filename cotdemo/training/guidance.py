"""Guidance by a reward model, with a gradient (arXiv 2501.13926 section 4.2).

The paper adds a reward model's -log P(yes) about a rollout to the preference loss. In the released code the rollout is
sampled without gradients, so the term changes nothing. Here it is a policy gradient (REINFORCE, Williams 1992; the
baseline of a group of one prompt is that of arXiv 2402.03300): what the model being trained paints just now becomes
likelier or less likely as the judge finds it better or worse than the other paintings of the same prompt.

The likelihood of a painting is that of its decisions: of the tokens kept at each step, given those kept before. A
random step of each painting stands for them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..generator.pipeline import ShowoPipeline
from ..judge.judge import Judge

WORST = 0.01  # P(yes) below this counts as this: how hopeless a picture is says nothing


@dataclass(frozen=True)
class Rollouts:
    """Pictures of some prompts, several of each, as the model paints them now; of one length."""

    prompts: list[str]
    codes: torch.Tensor  # (rollouts, tokens) int64
    masked: torch.Tensor  # (rollouts, tokens) bool: before a random step of each
    kept: torch.Tensor  # (rollouts, tokens) bool: at that step
    advantage: torch.Tensor  # (rollouts,): log P(yes) less the mean of the prompt's, in standard deviations of all
    p_yes: torch.Tensor  # (rollouts,)


def rollouts(
    pipeline: ShowoPipeline, judge: Judge, prompts: Sequence[str], each: int, steps: int, seed: int
) -> Rollouts:
    """``each`` paintings of every prompt, of ``steps`` steps, and what the judge thinks of them."""
    texts = [prompt for prompt in prompts for _ in range(each)]
    painting = pipeline.start(texts, range(len(texts)), steps=steps, seed=seed)
    masks = []  # before each step, and at the end
    while not painting.done:
        step = painting.step()
        masks.append(step.masked)
    masks = torch.stack([torch.ones_like(step.masked), *masks[:-1], torch.zeros_like(step.masked)])
    at = torch.randint(steps, (len(texts),), generator=torch.Generator().manual_seed(seed))
    before, after = (masks[at + later, torch.arange(len(texts))] for later in (0, 1))
    with torch.autocast(pipeline.device.type, enabled=False):  # a judge judges in its own precision
        p_yes = judge.look(list(painting.decode(step.codes))).ask("outcome", texts).p_yes
    reward = np.log(p_yes.clip(WORST)).reshape(len(prompts), each)
    advantage = reward - reward.mean(1, keepdims=True)
    advantage /= advantage.std() + 1e-6
    judged = map(torch.from_numpy, (advantage.flatten(), p_yes))
    return Rollouts(texts, step.codes.clone(), before, before & ~after, *judged)
