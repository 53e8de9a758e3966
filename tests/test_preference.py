"""Direct preference optimisation: the released code's sums, losses and gradients, and what ours counts instead."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_mini
import torch
from golden import data, fill_by_rule
from showo_cases import tiny_real

from cotdemo.errors import UserError
from cotdemo.generator.showo import Showo
from cotdemo.training import dpo
from cotdemo.training.dpo_loss import dpo_loss, log_likelihood
from cotdemo.training.generator import mask_codes
from cotdemo.training.loop import Schedule
from cotdemo.training.pairs import Pairs, Pool, mended, pairs_of, sample_pool, strictly_right
from cotdemo.world.splits import random_prompts
from cotdemo.world.task import DrawnThings

GOLDEN = json.loads(data("dpo_golden.json").read_text())
PAIRS = ("pair1", "pair2")
SIDES = ("chosen", "rejected")


def reference() -> Showo:
    return fill_by_rule(Showo.from_config(Showo.load_config(data("showo_tiny_real"))), salt="ref:").eval()


def batch(names: tuple[str, ...], side: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input ids, codes and masks of one side of some golden pairs."""
    sides = [GOLDEN[name][side] for name in names]
    codes = torch.tensor([one["codes"] for one in sides])
    masked = torch.zeros(codes.shape, dtype=torch.bool)
    for row, one in enumerate(sides):
        masked[row, one["masked_positions"]] = True
    return torch.tensor([one["input_ids"] for one in sides]), codes, masked


def sums(model: Showo, names: tuple[str, ...], original: bool = True) -> list[torch.Tensor]:
    return [log_likelihood(model, *batch(names, side), original=original) for side in SIDES]


@pytest.mark.parametrize("name", PAIRS)
def test_sums_and_losses_are_those_of_the_reference(name):
    expected = GOLDEN[name]["result"]
    with torch.no_grad():
        ours, theirs = sums(tiny_real(), (name,)), sums(reference(), (name,))
    for who, pair in (("policy", ours), ("reference", theirs)):
        for side, value in zip(SIDES, pair):
            assert value.item() == pytest.approx(expected[f"{who}_{side}_logp"], abs=5e-3)
    result = dpo_loss(*ours, *theirs, beta=GOLDEN[name]["beta"])
    assert result.loss.item() == pytest.approx(expected["dpo_loss"], abs=1e-3)
    assert result.chosen_reward.item() == pytest.approx(expected["reward_chosen"], abs=1e-3)
    assert result.rejected_reward.item() == pytest.approx(expected["reward_rejected"], abs=1e-3)
    same = dpo_loss(*ours, *ours, beta=GOLDEN[name]["beta"])
    assert same.loss.item() == pytest.approx(expected["loss_if_reference_equals_policy"])


def test_pairs_of_a_batch_do_not_mix():
    with torch.no_grad():
        result = dpo_loss(*sums(tiny_real(), PAIRS), *sums(reference(), PAIRS), beta=0.1)
    assert result.loss.tolist() == pytest.approx(GOLDEN["batch_of_both"]["losses"], abs=1e-3)


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_are_those_of_the_reference(name):
    model = fill_by_rule(Showo.from_config(Showo.load_config(data("showo_tiny_real")))).eval()
    with torch.no_grad():
        theirs = sums(reference(), (name,))
    dpo_loss(*sums(model, (name,)), *theirs, beta=0.1).loss.sum().backward()
    norms = {key: parameter.grad.norm().item() for key, parameter in model.named_parameters()}
    assert norms == pytest.approx(GOLDEN[name]["grad_norms"], rel=1e-4)


@pytest.mark.parametrize("name", PAIRS)
def test_ours_counts_masked_tokens_only_and_codes_only(name):
    """The released sum without both ends is still over all words; over the codes alone every token is likelier."""
    with torch.no_grad():
        ours = sums(tiny_real(), (name,), original=False)
        ids, codes, masked = batch((name,), "chosen")
        logits = tiny_real()(ids, tiny_real().vocabulary.attention(ids))[0, -257:-1]
    for side, value in zip(SIDES, ours):
        assert value.item() > GOLDEN[name]["result"][f"policy_{side}_logp_without_soi_eoi_labels"]
    each = logits[:, 50305:58497].log_softmax(-1).gather(1, codes[0, :, None])[:, 0]
    assert ours[0].item() == pytest.approx(each[masked[0]].sum().item(), abs=5e-3)


def test_a_margin_asks_for_more():
    chosen, rejected, zero = torch.tensor([3.0]), torch.tensor([1.0]), torch.zeros(1)
    with_margin = dpo_loss(chosen, rejected, zero, zero, beta=1.0, margin=torch.tensor([2.0]))
    assert with_margin.loss.item() == pytest.approx(0.693147, abs=1e-5)
    assert dpo_loss(chosen, rejected, zero, zero, beta=1.0).loss < with_margin.loss


# Pairs, and a whole alignment


ALL = np.ones((6, 64), bool)


def pool(right: list[list[bool]]) -> Pool:
    right = np.asarray(right)
    codes = np.arange(right.size * 64).reshape(*right.shape, 64) % 1024
    return Pool(np.asarray([f"prompt {row}" for row in range(len(right))]), codes.astype(np.uint16), right)


def test_pairs_are_right_and_wrong_images_of_one_prompt():
    painted = pool([[True, False, True, False], [True] * 4, [False] * 4, [False, False, True, False]])
    pairs = pairs_of(painted, most=3, seed=1)
    assert pairs.prompts.tolist() == ["prompt 0", "prompt 0", "prompt 3"]
    sides = {True: set(), False: set()}
    for row, right in enumerate(painted.right):
        for codes, which in zip(painted.codes[row], right):
            sides[bool(which)].add((row, *codes.tolist()))
    rows = [int(prompt.split()[1]) for prompt in pairs.prompts]
    assert all((row, *codes.tolist()) in sides[True] for row, codes in zip(rows, pairs.chosen))
    assert all((row, *codes.tolist()) in sides[False] for row, codes in zip(rows, pairs.rejected))
    assert len({tuple(codes.tolist()) for codes in pairs.chosen}) == 3  # no image twice
    assert len(pairs_of(painted, most=1, seed=1)) == 2


def test_prompts_whose_images_agree_give_no_pairs():
    with pytest.raises(UserError, match="nothing to prefer"):
        pairs_of(pool([[True, True], [False, False]]), most=1, seed=1)


def test_a_pool_is_the_same_each_time(tmp_path):
    pipeline = tiny_mini.backend(tmp_path).generator("base")

    def paint() -> Pool:
        prompts = [entry["prompt"] for entry in random_prompts("align", 3, np.random.default_rng(4))]
        return sample_pool(pipeline, prompts, paths=2, seed=4, label=strictly_right(DrawnThings()))

    one, again = paint(), paint()
    assert one.codes.shape == (3, 2, 64) and one.right.shape == (3, 2)
    assert one.prompts.tolist() == again.prompts.tolist()
    assert np.array_equal(one.codes, again.codes)
    one.save(tmp_path / "pool.npz")
    assert np.array_equal(Pool.load(tmp_path / "pool.npz").right, one.right)


def test_mended_images_are_wrong_ones_but_for_a_region(tmp_path):
    pipeline = tiny_mini.backend(tmp_path).generator("base")
    prompts = ["a photo of a dog", "a photo of a red cat", "a photo of two cows"]
    painted = sample_pool(pipeline, prompts, 2, 4, lambda texts, _: [text != prompts[1] for text in texts])
    painted = replace(painted, right=np.asarray([[True, False], [True, True], [False, False]]))
    asked = []

    def label(texts, images) -> list[bool]:
        asked.extend(texts)
        return [index % 4 != 3 for index in range(len(texts))]

    pairs = mended(pipeline, painted, tries=4, most=2, seed=4, label=label)
    assert asked == [prompts[0]] * 4 + [prompts[2]] * 4
    assert pairs.prompts.tolist() == [prompts[0]] * 2 + [prompts[2]] * 2
    assert np.array_equal(pairs.rejected[0], painted.codes[0, 1])
    for chosen, rejected, apart in zip(pairs.chosen, pairs.rejected, pairs.apart):
        assert 20 < apart.sum() < 44
        assert (chosen == rejected)[~apart].all() and (chosen != rejected)[apart].any()
    with pytest.raises(UserError, match="could be mended"):
        mended(pipeline, painted, 4, 2, 4, lambda texts, _: [False] * len(texts))


def test_what_two_images_share_is_never_masked():
    rng = torch.Generator().manual_seed(2)
    among = torch.arange(64).expand(200, 64) < torch.arange(1, 201)[:, None].clamp(max=64)
    masked = mask_codes(torch.zeros(200, 64), rng, among)
    assert not (masked & ~among).any() and (masked.sum(1) >= 1).all()
    assert (masked.sum(1) == among.sum(1)).any() and (masked.sum(1)[64:].float().mean() / 64) == pytest.approx(
        0.64, abs=0.08
    )


def test_alignment_makes_the_chosen_images_likelier(tmp_path):
    torch.manual_seed(0)
    pipeline = tiny_mini.backend(tmp_path).generator("base")
    before = {name: value.clone() for name, value in pipeline.showo.state_dict().items()}
    pairs = Pairs(
        np.asarray(["a photo of a red dog"] * 6), *np.random.default_rng(0).integers(1024, size=(2, 6, 64)), ALL
    )
    recipe = replace(
        dpo.Recipe(), batch=3, masks=2, sft=0.0, schedule=Schedule(steps=50, lr=3e-3, warmup=2, half=False)
    )
    aligned = dpo.train(recipe, pipeline, pairs, tmp_path / "work", every=5)
    *logged, drift = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    assert drift["unconditional"] != 0
    assert logged[-1]["loss"] < 0.4 < logged[0]["loss"] < 0.693
    assert logged[-1]["preferred"] > 0.9
    assert logged[-1]["chosen"] > logged[-1]["rejected"]
    assert any(not torch.equal(value, before[name]) for name, value in aligned.state_dict().items())


def test_a_guided_round_also_learns_what_the_guide_prefers(tmp_path):
    torch.manual_seed(0)
    pipeline = tiny_mini.backend(tmp_path).generator("base")
    codes, chosen, rejected = np.random.default_rng(0).integers(1024, size=(3, 6, 64))
    apart, prompts = np.tile(np.arange(64) >= 40, (6, 1)), np.asarray(["a photo of a red dog"] * 6)
    agreed = Pairs(prompts, codes, codes, ALL)  # nothing to prefer: the guide alone decides
    found = Pairs(prompts, chosen, np.where(apart, rejected, chosen), apart)
    schedule = Schedule(steps=50, lr=3e-3, warmup=2, half=False)
    recipe = replace(dpo.Recipe(), batch=3, masks=2, sft=0.0, guidance=1.0, schedule=schedule)
    dpo.train(recipe, pipeline, agreed, tmp_path / "work", found, every=5)
    *logged, _ = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    assert logged[0]["preferred"] == logged[-1]["preferred"] == 0
    assert logged[-1]["guided preferred"] > 0.9
    assert logged[-1]["guided loss"] < 0.4 < logged[0]["guided loss"] < 0.75
