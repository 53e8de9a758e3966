"""Direct preference optimisation: the released code's sums, losses and gradients, and what ours counts instead."""

from __future__ import annotations

import json

import pytest
import torch
from golden import data, fill_by_rule
from showo_cases import tiny_real

from cotdemo.generator.showo import Showo
from cotdemo.training.preference import dpo_loss, log_likelihood

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
