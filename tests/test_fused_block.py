"""The image block in few kernels, as a GPU computes it: here on the processor, beside the way module by module."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from showo_cases import golden, golden_json, pipeline, small, tiny_real
from test_prompting import canvas_of
from torch import nn

from cotdemo.generator import fused_block
from cotdemo.generator.showo import Showo
from cotdemo.generator.showo_generator import ShowoGenerator


@pytest.fixture
def fused(monkeypatch):
    monkeypatch.setattr(fused_block, "fits", lambda phi, device: True)


def alive() -> Showo:
    """A small model whose norms of queries and keys do something."""
    model, chance = Showo.from_config(small().config), torch.Generator().manual_seed(0)
    model.load_state_dict(small().state_dict())
    for layer in model.showo.model.layers:
        for norm in (layer.self_attn.q_layernorm, layer.self_attn.k_layernorm):
            norm.weight.data = torch.randn(norm.weight.shape, generator=chance)
            norm.bias.data = torch.randn(norm.bias.shape, generator=chance)
    return model.eval()


def logits_of(model: Showo, where: torch.Tensor | None = None) -> torch.Tensor:
    words = model.vocabulary
    canvas = torch.randint(-1, 64, (3, 16), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        prefix = model.prefill(words.padded([words.prefix([3, 4, 5]), words.prefix()]))
        return model.image_logits(canvas, prefix.select(torch.tensor([0, 1, 0])), where)


@pytest.mark.parametrize("where", [None, torch.tensor([[0, 5], [3, 15], [7, 8]])], ids=["all", "some"])
def test_it_computes_what_the_modules_do(monkeypatch, where):
    model = alive()
    module_by_module = logits_of(model, where)
    monkeypatch.setattr(fused_block, "fits", lambda phi, device: True)
    torch.testing.assert_close(logits_of(model, where), module_by_module, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("case", ["A", "B"])
def test_it_computes_what_the_reference_does(fused, case):
    found = {name[2:]: tensor for name, tensor in golden("logits").items() if name.startswith(case)}
    model, at = tiny_real(), golden_json("logits")["image_positions"]
    words = model.vocabulary
    prefixes = [words.prefix(prompt) for prompt in golden_json("logits")["prompt_token_ids"]] + [words.prefix()] * 3
    with torch.inference_mode():
        prefix = model.prefill(words.padded(prefixes))
        logits = model.image_logits(canvas_of(found["input_ids"], words, 256), prefix)
    torch.testing.assert_close(logits[:, at], found["code_logits"], rtol=0, atol=2e-5)


def test_a_lower_precision_is_as_near_as_the_modules_are(monkeypatch):
    model = alive()
    exact = logits_of(model)
    model.to(torch.bfloat16)
    by_modules = (logits_of(model).float() - exact).abs().mean()
    monkeypatch.setattr(fused_block, "fits", lambda phi, device: True)
    assert (logits_of(model).float() - exact).abs().mean() < 1.2 * by_modules


def test_weights_are_kept_once_and_put_together_anew_when_they_change(fused, tmp_path):
    model = alive()
    before, attention = logits_of(model), model.showo.model.layers[0].self_attn
    kept = {part.weight.untyped_storage().data_ptr() for part in (attention.q_proj, attention.k_proj, attention.v_proj)}
    assert len(kept) == 1
    model.save_pretrained(tmp_path)
    saved = load_file(next(tmp_path.glob("*.safetensors")))
    assert torch.equal(saved["showo.model.layers.0.self_attn.k_proj.weight"], attention.k_proj.weight)
    assert torch.equal(logits_of(Showo.from_pretrained(tmp_path).eval()), before)
    attention.k_proj.weight.data.mul_(2)  # in place, as an optimiser does
    changed = logits_of(model)
    assert not torch.equal(changed, before)
    attention.k_proj.weight.data = attention.k_proj.weight.data / 2  # in another place, as loading does
    assert torch.equal(logits_of(model), before)
    model.to(torch.float64)
    assert logits_of(model).dtype == torch.float64


def test_it_is_for_plain_weights_on_an_accelerator():
    model, meta = alive(), torch.device("meta")
    phi = model.showo.model
    assert not fused_block.fits(phi, torch.device("cpu"))
    assert not fused_block.fits(phi, meta)  # weights elsewhere: they are brought for the time of a call
    phi.to(meta)
    assert fused_block.fits(phi, meta)

    class Quantised(nn.Linear):
        pass

    phi.layers[0].self_attn.k_proj.__class__ = Quantised
    assert not fused_block.fits(phi, meta)


def test_the_way_traces_whole(fused, monkeypatch):
    """But for the look at where weights lie: a rotation into slices of what is there would break it."""
    model = alive()
    words = model.vocabulary
    canvas = torch.randint(-1, 64, (2, 16), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        prefix = model.prefill(words.padded([words.prefix([3, 4, 5]), words.prefix()]))
        plain = model.image_logits(canvas, prefix)
        monkeypatch.setattr(fused_block, "_are_views", lambda parts, whole: True)
        traced = torch.compile(lambda codes: model.image_logits(codes, prefix), backend="eager", fullgraph=True)
        torch.testing.assert_close(traced(canvas), plain)


def test_all_tokens_or_the_masked_ones_give_the_same_image(monkeypatch):
    def painted():
        steps = list(pipeline().start("a photo of a dog", [0, 1], 6, 1.0, 1.0, seed=3))
        return torch.stack([step.codes for step in steps]), torch.stack([step.masked for step in steps])

    few = painted()
    monkeypatch.setattr(ShowoGenerator, "every_token", True)
    every = painted()
    assert all(torch.equal(one, other) for one, other in zip(few, every))
