"""Adapters: an aligned generator is its base and a few low-rank matrices."""

from __future__ import annotations

import pytest
import tiny_mini
import torch

from cotdemo.errors import UserError
from cotdemo.generator.adapter import adapted, is_adapter, new_adapter, read_adapter
from cotdemo.training.generator import new_generator
from cotdemo.world.words import prompt_tokenizer

IDS = torch.arange(24).view(2, 12)


def base():
    torch.manual_seed(0)
    return new_generator(tiny_mini.PHI, prompt_tokenizer(), 1024, tokens=64).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An adapter that changes every matrix of every layer."""
    showo = base()
    adapter = new_adapter(showo, rank=2)
    with torch.no_grad():
        for parameter in (p for p in showo.parameters() if p.requires_grad):
            parameter.normal_(std=0.2)
    where = tmp_path_factory.mktemp("adapter")
    adapter.save_pretrained(where)
    return where, showo(IDS).detach()


def test_a_new_adapter_changes_nothing_and_is_all_that_is_trained():
    showo, plain = base(), base()(IDS)
    new_adapter(showo, rank=2)
    assert torch.equal(showo(IDS), plain)
    trained = {name for name, p in showo.named_parameters() if p.requires_grad}
    assert trained and all("lora" in name for name in trained)
    layers = [f"layers.{layer}." for layer in range(2)]
    assert all(any(layer in name for name in trained) for layer in layers)


def test_an_adapter_is_read_as_it_was_written(folder):
    where, logits = folder
    assert is_adapter(where) and not is_adapter(where.parent)
    showo = adapted(base(), where)
    assert torch.allclose(showo(IDS), logits, atol=1e-4)
    assert not torch.allclose(showo(IDS), base()(IDS), atol=1e-2)
    assert showo.state_dict().keys() == base().state_dict().keys()


def test_training_can_go_on_with_it(folder):
    where, logits = folder
    showo = base()
    read_adapter(showo, where, trainable=True)
    assert torch.equal(showo(IDS), logits)
    assert all("lora" in name for name, p in showo.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("damage", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_damaged_adapter_is_told_in_words(folder, damage, tmp_path):
    for file in folder[0].iterdir():
        whole = file.read_bytes()
        (tmp_path / file.name).write_bytes(whole[: len(whole) // 2] if file.name == damage else whole)
    with pytest.raises(UserError, match="damaged"):
        adapted(base(), tmp_path)
