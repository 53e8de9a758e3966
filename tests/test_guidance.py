"""Guidance by a reward model: its P(yes) has a gradient for the generator, and rises."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import tiny_mini
import torch

from cotdemo.training import dpo
from cotdemo.training.guidance import completed, log_p_yes
from cotdemo.training.loop import Schedule
from cotdemo.training.preference import masked_logits

PROMPTS = ["a photo of a red star", "a photo of two blue circles", "a photo of a red star and a blue circle"]


@pytest.fixture
def tiny(tmp_path):
    return tiny_mini.backend(tmp_path)


def test_the_guide_says_what_the_judge_says(tiny):
    judge = tiny.verifier("parm")
    pixels = tiny.magvit.decode(torch.randint(tiny.codebook, (3, 64))).clamp(-1, 1)
    pictures = tiny.magvit.to_uint8(pixels)
    exact = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    said = judge.look(list(pictures)).ask("outcome", PROMPTS).p_yes
    assert log_p_yes(judge, exact, PROMPTS).exp().tolist() == pytest.approx(said.tolist(), abs=1e-5)
    for row, prompt in enumerate(PROMPTS):  # prompts of other lengths beside it change nothing
        assert log_p_yes(judge, exact[[row]], [prompt]).exp().item() == pytest.approx(said[row], abs=1e-5)


def test_a_guide_of_another_picture_size_sees_the_picture_scaled(tiny):
    judge = tiny.verifier("parm")
    small = tiny.magvit.decode(torch.randint(tiny.codebook, (2, 64)))[:, :, ::2, ::2]
    assert log_p_yes(judge, small, PROMPTS[:2]).shape == (2,)


def test_masked_tokens_are_drawn_and_the_others_kept(tiny):
    magvit, rng = tiny.magvit, torch.Generator().manual_seed(1)
    codes, wanted = torch.randint(tiny.codebook, (2, 2, 64))
    masked = torch.rand(2, 64) < 0.5
    sure = torch.full((int(masked.sum()), tiny.codebook), -100.0)
    sure[torch.arange(len(sure)), wanted[masked]] = 100.0
    pixels = completed(magvit, codes, masked, sure, rng)
    assert torch.allclose(pixels, magvit.decode(torch.where(masked, wanted, codes)), atol=1e-4)


def test_the_gradient_goes_through_the_draw(tiny):
    magvit = tiny.magvit
    codes, masked = torch.randint(tiny.codebook, (1, 64)), torch.zeros(1, 64, dtype=torch.bool)
    masked[0, :8] = True
    logits = torch.zeros(8, tiny.codebook, requires_grad=True)
    pixels = completed(magvit, codes, masked, logits, torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((pixels * torch.randn_like(pixels)).mean(), logits)
    assert gradient.abs().sum(1).min() > 0
    assert gradient.sum(1).abs().max() < 1e-6  # of a softmax


def test_guided_alignment_paints_what_the_guide_likes(tiny, tmp_path):
    torch.manual_seed(0)
    pipeline, judge = tiny.painter("base"), tiny.verifier("parm")
    codes = torch.randint(tiny.codebook, (6, 64))
    pairs = dpo.Pairs(PROMPTS * 2, codes, codes)  # nothing to prefer: the guide alone decides

    @torch.no_grad()
    def liked() -> float:
        """The guide's P(yes) to pictures painted in one step."""
        vocabulary, texts = pipeline.showo.vocabulary, PROMPTS * 32
        blank = torch.zeros(len(texts), 64, dtype=torch.long)
        masked = torch.ones_like(blank, dtype=torch.bool)
        prefixes = [vocabulary.prefix(pipeline.tokenizer(text).input_ids) for text in texts]
        ids = vocabulary.sequences(prefixes, blank.masked_fill(masked, -1))
        logits = masked_logits(pipeline.showo, ids, masked)
        pixels = completed(pipeline.magvit, blank, masked, logits, torch.Generator().manual_seed(9))
        return log_p_yes(judge, pixels, texts).exp().mean().item()

    before = liked()
    schedule = Schedule(steps=60, lr=1e-3, warmup=2, half=False, muon=False)
    recipe = replace(dpo.Recipe(), batch=12, masks=1, sft=0.0, guidance=100.0, schedule=schedule)
    dpo.train(recipe, pipeline, pairs, tmp_path / "work", judge, every=10)
    logged = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").open()]
    assert all(0 < line["p_yes"] < 1 for line in logged if "loss" in line)
    assert liked() > before * 1.05
