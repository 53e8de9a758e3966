"""Guidance by a reward model: what it finds better becomes likelier."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_mini
import torch

from cotdemo.training import dpo
from cotdemo.training.guidance import WORST, rollouts
from cotdemo.training.loop import Schedule

PROMPTS = ["a photo of a red star", "a photo of two blue circles", "a photo of a red star and a blue circle"]


@pytest.fixture
def tiny(tmp_path):
    return tiny_mini.backend(tmp_path)


class Bright:
    """A judge to whom bright pictures are right; those of random weights hardly differ."""

    def look(self, pictures):
        p_yes = 1 / (1 + np.exp(100 - 100 * np.stack(pictures).mean((1, 2, 3)) / 127.5, dtype=np.float32))
        return SimpleNamespace(ask=lambda question, prompts: SimpleNamespace(p_yes=p_yes))


def test_rollouts_are_compared_within_their_prompt(tiny):
    judge = tiny.verifier("parm")
    fresh = rollouts(tiny.painter("base"), judge, PROMPTS, each=4, steps=3, seed=5)
    assert fresh.prompts == [prompt for prompt in PROMPTS for _ in range(4)]
    pictures = list(tiny.decode(fresh.codes.numpy()))
    assert np.allclose(fresh.p_yes, judge.look(pictures).ask("outcome", fresh.prompts).p_yes, atol=1e-6)
    advantage = fresh.advantage.view(3, 4)
    assert advantage.sum(1).abs().max() < 1e-4
    better = fresh.p_yes.clamp(WORST).view(3, 4)
    for row in range(3):
        assert torch.equal(advantage[row].argsort(), better[row].argsort())


def test_rollouts_are_painted_by_the_model_as_it_is_now(tiny):
    pipeline = tiny.painter("base")
    before = rollouts(pipeline, Bright(), PROMPTS, each=2, steps=3, seed=5).codes
    assert torch.equal(before, rollouts(pipeline, Bright(), PROMPTS, each=2, steps=3, seed=5).codes)
    with torch.no_grad():
        pipeline.showo.showo.lm_head.bias.normal_(std=3.0)
    assert not torch.equal(before, rollouts(pipeline, Bright(), PROMPTS, each=2, steps=3, seed=5).codes)


def test_rollouts_are_the_same_with_the_attention_that_training_wants(tiny):
    pipeline = tiny.painter("base")
    fused = rollouts(pipeline, Bright(), PROMPTS, each=2, steps=3, seed=5).codes
    pipeline.showo.showo.set_attn_implementation("eager")
    assert torch.equal(fused, rollouts(pipeline, Bright(), PROMPTS, each=2, steps=3, seed=5).codes)


def test_guided_alignment_paints_what_the_guide_likes(tiny, tmp_path):
    torch.manual_seed(0)
    codes = torch.randint(tiny.codebook, (6, 64))
    pairs = dpo.Pairs(PROMPTS * 2, codes, codes)  # nothing to prefer: the guide alone decides
    recipe = replace(
        dpo.Recipe(), batch=1, masks=1, sft=0.0, guidance=1.0, rollout_prompts=3, rollouts=8, rollout_steps=2,
        schedule=Schedule(steps=60, lr=3e-3, warmup=2, half=False),
    )  # fmt: skip
    work = tmp_path / "work"
    dpo.train(recipe, tiny.painter("base"), pairs, work, Bright(), every=10)
    liked = [line["p_yes"] for line in map(json.loads, (work / "log.jsonl").open()) if "p_yes" in line]
    assert liked[-1] > liked[0] + 0.02
