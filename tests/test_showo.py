from __future__ import annotations

import json
import shutil

import pytest
import torch
from golden import data
from safetensors.torch import load_file, save_file
from showo_cases import SMALL_TEXT, golden, golden_json, small, tiny_real
from test_prompting import canvas_of
from torch import nn
from torch.nn import functional as F

from cotdemo.errors import UserError
from cotdemo.generator.mask_predict import guided
from cotdemo.generator.showo import KNOWN_PHI, Showo, TanhGelu

CLOSE = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module", params=["A", "B"])
def real(request):
    """A golden case (all tokens masked; 100 known) and our plain logits for it, computed once."""
    case = {name[2:]: tensor for name, tensor in golden("logits").items() if name.startswith(request.param)}
    model = tiny_real()
    with torch.inference_mode():
        return case, model(case["input_ids"], model.vocabulary.attention(case["input_ids"]))


def codes_of(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 130:386, 50305:58497]


def test_plain_logits_are_those_of_the_reference(real):
    case, logits = real
    at = golden_json("logits")["image_positions"]
    torch.testing.assert_close(codes_of(logits)[:, at], case["code_logits"], **CLOSE)
    torch.testing.assert_close(logits[1, 130 + 100], case["full_vocab_probe"], **CLOSE)
    torch.testing.assert_close(logits[:, 130:386, 58497], case["mask_col_logit"], **CLOSE)
    torch.testing.assert_close(logits.logsumexp(-1), case["logsumexp_all"], rtol=0, atol=1e-5)
    torch.testing.assert_close(logits.amax(-1), case["max_all"], **CLOSE)
    assert torch.equal(logits.argmax(-1), case["argmax_all"])


def test_guided_logits_prefer_the_codes_of_the_reference(real):
    case, logits = real
    codes = codes_of(logits)
    assert torch.equal(codes.argmax(-1), case["code_argmax"])
    assert torch.equal(guided(codes[:3], codes[3:], 1.75).argmax(-1), case["cfg_code_argmax_g1.75"])


def test_fast_logits_equal_plain_ones_whatever_padding_is_left(real):
    case, logits = real
    model = tiny_real()
    vocabulary = model.vocabulary
    prefixes = [vocabulary.prefix(prompt) for prompt in golden_json("logits")["prompt_token_ids"]]
    prefixes += [vocabulary.prefix()] * 3
    canvas = canvas_of(case["input_ids"], vocabulary, 256)
    for rows in ([0, 1, 2, 3, 4, 5], [0, 1, 3, 4], [3]):
        with torch.inference_mode():
            prefix = model.prefill(vocabulary.padded([prefixes[row] for row in rows]))
            fast = model.image_logits(canvas[rows], prefix)
        torch.testing.assert_close(fast, codes_of(logits)[rows], **CLOSE)


def test_small_logits_and_hidden_states_are_those_of_the_reference():
    case, model = golden("small_logits"), small()
    ids, mask = case["input_ids"], case["mask_allow"].bool()
    with torch.inference_mode():
        torch.testing.assert_close(model(ids, mask), case["logits"], **CLOSE)
        torch.testing.assert_close(model(ids), case["logits_causal_no_mask"], **CLOSE)
        torch.testing.assert_close(model.hidden(ids, mask), case["hidden_2"], **CLOSE)
        states = model.showo(input_ids=ids, attention_mask=mask[:, None], output_hidden_states=True).hidden_states
    torch.testing.assert_close(states[0], case["hidden_0"], rtol=0, atol=0)
    torch.testing.assert_close(states[1], case["hidden_1"], **CLOSE)


def test_a_repainting_reads_alike_fast_and_plain():
    model, vocabulary = small(), small().vocabulary
    previous = list(range(20, 36))
    prefixes = [
        vocabulary.prefix([7, 8], previous, [1, 2, 3]),
        vocabulary.prefix([9], previous, [4]),
        vocabulary.prefix(previous=previous),
        vocabulary.prefix(),
    ]
    canvas = torch.randint(-1, 64, (4, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ids = vocabulary.sequences(prefixes, canvas)
        plain = model.code_logits(model.hidden(ids, vocabulary.attention(ids))[:, -17:-1])
        fast = model.image_logits(canvas, model.prefill(vocabulary.padded(prefixes)))
    torch.testing.assert_close(fast, plain, **CLOSE)


def test_code_logits_are_the_code_columns_of_the_full_logits():
    case, model = golden("small_logits"), small()
    with torch.inference_mode():
        hidden = model.hidden(case["input_ids"], case["mask_allow"].bool())
        torch.testing.assert_close(model.code_logits(hidden), case["logits"][..., 110:174], **CLOSE)


def test_full_size_has_exactly_the_keys_and_shapes_of_the_released_checkpoint():
    full = golden_json("keys")
    with torch.device("meta"):
        model = Showo.from_config({**full["showo_config"], "_class_name": "Showo"})
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    expected = {
        name: entry["shape"] if isinstance(entry, dict) else entry for name, entry in full["state_dict"].items()
    }
    assert shapes == expected
    assert sum(parameter.numel() for parameter in model.parameters()) == full["n_params"]


def test_a_phi_config_inside_the_config_makes_the_same_model():
    phi = json.loads((data("showo_tiny_small") / "phi_small" / "config.json").read_text())
    config = json.loads((data("showo_tiny_small") / "config.json").read_text())
    model = Showo.from_config(config, phi=phi, **SMALL_TEXT)
    model.load_state_dict(load_file(data("showo_tiny_small") / "pytorch_model.safetensors"))
    case = golden("small_logits")
    with torch.inference_mode():
        logits = model.eval()(case["input_ids"], case["mask_allow"].bool())
    torch.testing.assert_close(logits, case["logits"], **CLOSE)


def test_the_activation_does_not_depend_on_what_else_is_in_the_batch():
    x = 3 * torch.randn(8, 67, 383, generator=torch.Generator().manual_seed(0))
    x[0, 0, :4] = torch.tensor([-1e30, 1e30, 0.0, -20.0])
    with torch.no_grad():
        together = TanhGelu()(x)
        torch.testing.assert_close(together, F.gelu(x, approximate="tanh"))
        for size in range(1, 8):
            assert torch.equal(TanhGelu()(x[:size]), together[:size])


def test_rotary_base_and_share_are_settings():
    phi = json.loads((data("showo_tiny_small") / "phi_small" / "config.json").read_text())
    model = Showo.from_config(small().config, phi=phi | {"rope_theta": 100.0, "partial_rotary_factor": 1.0})
    rotary = model.showo.model.rotary_emb
    torch.testing.assert_close(rotary.inv_freq, 100.0 ** -(torch.arange(0, 16, 2) / 16))


def test_a_folder_in_the_released_layout_loads_in_any_precision(tmp_path):
    released = data("showo_tiny_small")
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    config = json.loads((released / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | SMALL_TEXT))
    case = golden("small_logits")

    model = Showo.from_pretrained(tmp_path)
    with torch.inference_mode():
        logits = model(case["input_ids"], case["mask_allow"].bool())
    torch.testing.assert_close(logits, case["logits"], **CLOSE)

    half = Showo.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert half.dtype == torch.bfloat16
    assert half.showo.model.rotary_emb.inv_freq.dtype == torch.float32


def test_saving_and_loading_keeps_model_and_settings(tmp_path):
    small().save_pretrained(tmp_path)
    again = Showo.from_pretrained(tmp_path)
    assert again.vocabulary == small().vocabulary
    ids = golden("small_logits")["input_ids"]
    with torch.inference_mode():
        assert torch.equal(again(ids), small()(ids))


def test_a_lower_precision_keeps_exact_rotary_frequencies():
    model = Showo.from_config(small().config)
    frequencies = model.showo.model.rotary_emb.inv_freq.clone()
    model.to(torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.showo.model.rotary_emb.inv_freq, frequencies)


def test_bfloat16_fast_logits_stay_near_float32_ones():
    model = Showo.from_config(small().config)
    model.load_state_dict(small().state_dict())
    prefix = model.vocabulary.padded([model.vocabulary.prefix([3, 4, 5]), model.vocabulary.prefix()])
    canvas = torch.full((2, 16), -1)
    with torch.inference_mode():
        exact = small().image_logits(canvas, small().prefill(prefix))
        model.to(torch.bfloat16)
        rounded = model.image_logits(canvas, model.prefill(prefix))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_gradients_are_the_same_with_checkpointing():
    case, gradients = golden("small_logits"), []
    for checkpointing in (False, True):
        model = Showo.from_config(small().config).train()
        model.load_state_dict(small().state_dict())
        if checkpointing:
            model.enable_gradient_checkpointing()
        hidden = model.hidden(case["input_ids"], case["mask_allow"].bool())
        model.code_logits(hidden[:, -17:-1]).logsumexp(-1).sum().backward()
        gradients.append(model.showo.model.layers[0].self_attn.q_proj.weight.grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[1], gradients[0])


def test_an_unknown_language_model_or_variant_is_refused():
    config = small().config
    with pytest.raises(ValueError, match="phi-1_5"):
        Showo.from_config(config, phi=None, llm_model_path="someone/else")
    with pytest.raises(ValueError, match="CLIP"):
        Showo.from_config(config, w_clip_vit=True)


@pytest.mark.parametrize("name", ["/home/someone/models/phi-1_5", "C:/models/phi-1_5", "microsoft/phi-1_5"])
def test_a_language_model_is_known_by_the_last_part_of_its_name(name, monkeypatch):
    """Show-o Turbo's config names a folder on its authors' machine."""
    config = dict(small().config)
    monkeypatch.setitem(KNOWN_PHI, "microsoft/phi-1_5", config.pop("phi"))
    assert Showo.from_config({**config, "phi": None, "llm_model_path": name}).config.llm_model_path == name


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_weights_in_shards_of_any_names_are_read(suffix, tmp_path):
    whole = small().state_dict()
    names = list(whole)
    for shard in range(3):
        tensors = {name: whole[name].contiguous() for name in names[shard::3]}
        file = tmp_path / f"model-{shard + 1:05}-of-00003.{suffix}"
        save_file(tensors, file) if suffix == "safetensors" else torch.save(tensors, file)
    torch.save({"lr": 1e-4}, tmp_path / "optimizer.bin")
    config = {name: value for name, value in small().config.items() if not name.startswith("_")}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = Showo.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
    (tmp_path / f"model-00002-of-00003.{suffix}").unlink()
    with pytest.raises(UserError, match="are missing"):
        Showo.from_pretrained(tmp_path)


def test_an_offloaded_generator_is_brought_back_by_whatever_is_asked_of_it():
    """diffusers moves a part to the device when it is called; sessions call other methods than ``forward``."""
    model, brought = small(), []
    model._hf_hook = type("Hook", (), {"pre_forward": lambda self, module: brought.append(type(module).__name__)})()
    try:
        with torch.inference_mode():
            prefix = model.prefill(torch.tensor([model.vocabulary.prefix([1, 2])]))
            model.image_logits(torch.full((1, model.config.num_vq_tokens), -1), prefix)
    finally:
        del model._hf_hook
    assert brought == ["Showo"] * 2


def test_a_head_that_is_offloaded_is_called_and_gives_the_same_codes():
    model = small()
    hidden = torch.randn(2, 3, model.showo.config.hidden_size, generator=torch.Generator().manual_seed(0))
    plain = model.code_logits(hidden)
    head = model.showo.lm_head

    class Elsewhere(nn.Module):
        """A head whose weights are brought for the time of a call, as by offloading."""

        weight, bias = head.weight.to("meta"), head.bias.to("meta")

        def forward(self, x):
            return head(x)

    model.showo.lm_head = Elsewhere()
    try:
        assert torch.allclose(model.code_logits(hidden), plain, atol=1e-6)
    finally:
        model.showo.lm_head = head
