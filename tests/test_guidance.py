"""Guidance by a reward model: what it calls right becomes likelier."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_mini
import torch

from cotdemo.training import dpo
from cotdemo.training.loop import Schedule
from cotdemo.training.pairs import called_right, paint_pool

PROMPTS = ["a photo of a red star", "a photo of two blue circles", "a photo of a red star and a blue circle"]


@pytest.fixture
def tiny(tmp_path):
    return tiny_mini.backend(tmp_path)


class Bright:
    """A judge to whom bright pictures are right; those of random weights hardly differ."""

    model = SimpleNamespace(device=torch.device("cpu"))

    def __init__(self, than: float):
        self.than = than

    def look(self, pictures):
        yes = np.stack(pictures).mean((1, 2, 3)) > self.than
        return SimpleNamespace(ask=lambda question, prompts: SimpleNamespace(yes=yes))


def brightness(pipeline) -> np.ndarray:
    pool = paint_pool(pipeline, PROMPTS, 8, 5, lambda prompts, pictures: [True] * len(prompts))
    return pipeline.decode(torch.from_numpy(pool.codes.reshape(24, -1).astype(np.int64))).mean((1, 2, 3))


def test_the_guide_labels_each_picture_for_its_own_prompt(tiny):
    pipeline, judge = tiny.painter("base"), tiny.verifier("parm")
    pool = paint_pool(pipeline, PROMPTS, 4, 5, called_right(judge))
    pictures = list(tiny.decode(pool.codes.reshape(12, -1).astype(np.int64)))
    texts = [prompt for prompt in PROMPTS for _ in range(4)]
    assert pool.right.flatten().tolist() == judge.look(pictures).ask("outcome", texts).yes.tolist()


def test_guided_alignment_paints_what_the_guide_likes(tiny, tmp_path):
    torch.manual_seed(0)
    pipeline = tiny.painter("base")
    before = brightness(pipeline)
    codes = torch.randint(tiny.codebook, (6, 64))
    pairs = dpo.Pairs(PROMPTS * 2, codes, codes)  # nothing to prefer: the guide alone decides
    recipe = replace(
        dpo.Recipe(), batch=8, masks=1, sft=0.0, guidance=1.0, rollouts=(3, 8),
        schedule=Schedule(steps=30, lr=1e-2, warmup=2, half=False),
    )  # fmt: skip
    work = tmp_path / "work"
    dpo.train(recipe, pipeline, pairs, work, Bright(float(np.median(before))), every=10)
    assert (brightness(pipeline) > np.median(before)).mean() > 0.6
    logged = [line["called_right"] for line in map(json.loads, (work / "log.jsonl").open()) if "called_right" in line]
    assert logged[-1] > logged[0]


def test_a_guide_that_likes_everything_changes_nothing(tiny, tmp_path):
    torch.manual_seed(0)
    codes = torch.randint(tiny.codebook, (6, 64))
    recipe = replace(
        dpo.Recipe(),
        batch=4,
        masks=1,
        rollouts=(3, 2),
        schedule=Schedule(steps=3, lr=1e-3, half=False),
    )
    pairs = dpo.Pairs(PROMPTS * 2, codes, codes.flip(0))
    alone = dpo.train(recipe, tiny.painter("base"), pairs, tmp_path / "alone").state_dict()
    guided = replace(recipe, guidance=1.0)
    pipeline = tiny_mini.backend(tmp_path / "again").painter("base")
    pipeline.showo.load_state_dict(tiny_mini.backend(tmp_path).painter("base").showo.state_dict())
    with_guide = dpo.train(guided, pipeline, pairs, tmp_path / "guided", Bright(-1.0)).state_dict()
    assert all(torch.equal(alone[name], with_guide[name]) for name in alone)
