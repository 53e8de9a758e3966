"""The image tokenizer against outputs of the public reference code, and as a small model of its own."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
import torch
from golden import data, fill_by_rule, ids_by_rule, raw_uniform
from safetensors.torch import load_file, save_file

from cotdemo.errors import UserError
from cotdemo.generator.checkpoint import RELEASED_NAMES
from cotdemo.generator.magvit import LookupFreeQuantizer, MagvitV2

SMALL = dict(
    channels=8, channel_multipliers=(1, 2, 2), encoder_blocks=(1, 1, 1), decoder_blocks=(1, 2, 1),
    bits=10, norm_groups=4, patch_size=2,
)  # fmt: skip
TOLERANCE = dict(rtol=0, atol=5e-5)


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return load_file(data("magvit_golden.safetensors"))


@pytest.fixture(scope="module")
def full_size() -> MagvitV2:
    return fill_by_rule(MagvitV2().eval())


@pytest.fixture
def small() -> MagvitV2:
    return fill_by_rule(MagvitV2(**SMALL).eval())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a local folder must be loaded without the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def image(height: int = 64, width: int = 64, count: int = 1) -> torch.Tensor:
    values = raw_uniform(f"image {height} {width}", count * 3 * height * width).reshape(count, 3, height, width)
    return torch.from_numpy(2 * values - 1).float()


# The released model


def test_the_default_size_has_exactly_the_released_weights(full_size):
    released = json.loads(data("magvit_keys.json").read_text())["state_dict"]
    ours = {
        name: {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        for name, value in full_size.state_dict().items()
    }
    assert ours == released


@pytest.mark.parametrize("case", ["random16", "ramp16", "random8"])
@torch.inference_mode()
def test_decoding_agrees_with_the_reference(case, full_size, golden):
    pixels = full_size.decode(golden[f"{case}.tokens"].long())
    side = {"random16": 256, "ramp16": 256, "random8": 128}[case]
    assert pixels.shape == (1, 3, side, side)

    y, x = golden[f"{case}.probe_yx"].long().T
    torch.testing.assert_close(pixels[0, :, y, x].T, golden[f"{case}.probe_values"], **TOLERANCE)
    torch.testing.assert_close(pixels[0, :, 0], golden[f"{case}.row0_fp32"], **TOLERANCE)
    pooled = torch.nn.functional.avg_pool2d(pixels, 4)[0]
    torch.testing.assert_close(pooled, golden[f"{case}.pooled4_fp16"].float(), rtol=1e-3, atol=1e-3)
    shown = MagvitV2.to_uint8(pixels)[0, y, x].astype(int)
    assert np.abs(shown - golden[f"{case}.uint8_probe"].numpy().astype(int)).max() <= 1


@torch.inference_mode()
def test_encoding_agrees_with_the_reference(full_size, golden):
    y, x = np.mgrid[0:256, 0:256]
    waves = np.stack([np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 31)])
    noise = 2 * raw_uniform("magvit_image", 3 * 256 * 256).reshape(3, 256, 256) - 1
    latents = full_size.encode_latents(torch.from_numpy(0.6 * waves + 0.4 * noise).float()[None])
    torch.testing.assert_close(latents[0], golden["encode.latent_prequant"], **TOLERANCE)
    assert torch.equal(full_size.quantize.codes(latents), golden["encode.codes"].long())


# The quantizer


def test_the_first_channel_is_the_most_significant_bit():
    latents = torch.tensor([0.3, -2.0, 1e-6]).reshape(1, 3, 1, 1)
    assert LookupFreeQuantizer(bits=3).codes(latents).tolist() == [[0b101]]


def test_a_latent_of_exactly_zero_is_a_zero_bit():
    quantizer = LookupFreeQuantizer(bits=2)
    latents = torch.zeros(1, 2, 1, 1)
    assert quantizer.codes(latents).tolist() == [[0]]
    assert quantizer(latents).flatten().tolist() == [-1, -1]


def test_codes_and_corners_undo_each_other_row_by_row():
    quantizer = LookupFreeQuantizer(bits=10)
    codes = torch.from_numpy(ids_by_rule("codes", 2 * 6, 1024)).view(2, 6)
    corners = quantizer.corners(codes, grid=(2, 3))
    assert corners.shape == (2, 10, 2, 3)
    assert torch.equal(quantizer.codes(corners), codes)
    assert torch.equal(corners[1, :, 1, 0], quantizer.embedding[codes[1, 3]])


def test_the_gradient_passes_the_quantizer_unchanged():
    latents = torch.tensor([0.2, -0.7]).reshape(1, 2, 1, 1).requires_grad_()
    weights = torch.tensor([3.0, -5.0]).reshape(1, 2, 1, 1)
    (LookupFreeQuantizer(bits=2)(latents) * weights).sum().backward()
    assert torch.equal(latents.grad, weights)


# The small model


@torch.inference_mode()
def test_a_small_model_turns_an_image_into_a_grid_of_codes_and_back(small):
    pixels = image(count=2)
    codes = small.encode(pixels)
    assert codes.shape == (2, 64) and codes.dtype == torch.int64 and 0 <= codes.min() and codes.max() < 1024
    assert small.decode(codes).shape == pixels.shape
    assert (small.downsampling, small.codebook_size) == (8, 1024)


@torch.inference_mode()
def test_an_image_need_not_be_square(small):
    codes = small.encode(image(height=32, width=64))
    assert codes.shape == (1, 32)
    assert small.decode(codes, grid=(4, 8)).shape == (1, 3, 32, 64)


@torch.inference_mode()
def test_images_of_a_batch_do_not_influence_each_other(small):
    codes = torch.from_numpy(ids_by_rule("batch", 3 * 64, 1024)).view(3, 64)
    torch.testing.assert_close(small.decode(codes)[1:2], small.decode(codes[1:2]), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_training_reconstructs_what_encoding_and_decoding_do(small):
    pixels = image(count=2)
    reconstruction, latents, codes = small(pixels)
    assert latents.shape == (2, 10, 8, 8)
    assert torch.equal(codes, small.encode(pixels))
    torch.testing.assert_close(reconstruction, small.decode(codes), rtol=0, atol=1e-4)


def test_training_reaches_every_weight(small):
    pixels = image()
    (small(pixels)[0] - pixels).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in small.parameters())


def test_patches_add_no_weights_and_keep_the_size_of_the_image():
    plain, patched = MagvitV2(**SMALL | {"patch_size": 1}), MagvitV2(**SMALL)
    assert plain.state_dict().keys() == patched.state_dict().keys()
    assert patched.downsampling == 2 * plain.downsampling


def test_pixels_are_truncated_not_rounded_and_clamped():
    pixels = torch.tensor([-1.3, -1.0, 2 * 127.9 / 255 - 1, 1.0, 1.7]).reshape(1, 1, 1, 5).expand(1, 3, 1, 5)
    shown = MagvitV2.to_uint8(pixels)
    assert shown.shape == (1, 1, 5, 3) and shown.dtype == np.uint8
    assert shown[0, 0, :, 0].tolist() == [0, 0, 127, 255, 255]


def test_an_image_that_does_not_fit_the_grid_is_refused_in_words(small):
    with pytest.raises(UserError, match="multiples of 8"):
        small.encode(image(height=60))


def test_codes_that_do_not_fill_the_grid_are_refused_in_words(small):
    with pytest.raises(UserError, match="63 codes do not fill a grid of 7 x 7"):
        small.decode(torch.zeros(1, 63, dtype=torch.int64))


def test_levels_need_as_many_block_counts_as_multipliers():
    with pytest.raises(UserError, match="one entry for each level"):
        MagvitV2(**SMALL | {"encoder_blocks": (1, 1)})


# Folders


def save_released(model: MagvitV2, folder, **more) -> None:
    """`model` as the public weights lie on the Hub: config.json beside pytorch_model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": "MAGVITv2", "_diffusers_version": "0.30.1", **SMALL, **more}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / RELEASED_NAMES[0])


def assert_same(a: MagvitV2, b: MagvitV2) -> None:
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    assert a.state_dict().keys() == b.state_dict().keys()


def test_a_saved_model_is_loaded_as_it_was(small, tmp_path, no_network):
    small.save_pretrained(tmp_path)
    loaded = MagvitV2.from_pretrained(tmp_path)
    assert_same(loaded, small)
    assert not loaded.training
    assert torch.equal(loaded.encode(image()), small.encode(image()))


@pytest.mark.parametrize("subfolder", [None, "tokenizer"])
def test_the_released_layout_is_loaded_and_what_is_unknown_in_its_config_ignored(
    subfolder, small, tmp_path, no_network
):
    save_released(small, tmp_path / (subfolder or ""), quantizer_type="lookup-free", resolution=256)
    loaded = MagvitV2.from_pretrained(tmp_path, subfolder=subfolder)
    assert_same(loaded, small)
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize("save", [MagvitV2.save_pretrained, save_released])
def test_either_layout_is_loaded_in_half_precision(save, small, tmp_path):
    save(small, tmp_path)
    loaded = MagvitV2.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert loaded.dtype == torch.bfloat16
    assert loaded.quantize.power_vals.dtype == torch.int64


def test_a_folder_that_lacks_weights_is_refused_not_filled_with_random_ones(small, tmp_path):
    save_released(small, tmp_path)
    weights = small.state_dict()
    del weights["decoder.conv_in.weight"]
    save_file(weights, tmp_path / RELEASED_NAMES[0])
    with pytest.raises(UserError, match="1 are missing, decoder.conv_in.weight"):
        MagvitV2.from_pretrained(tmp_path)
    (tmp_path / RELEASED_NAMES[0]).rename(tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(UserError, match="decoder.conv_in.weight"):
        MagvitV2.from_pretrained(tmp_path)


def test_weights_of_another_size_are_refused(small, tmp_path):
    save_released(small, tmp_path, channels=16)
    with pytest.raises(UserError, match="cannot be loaded"):
        MagvitV2.from_pretrained(tmp_path)


def test_a_damaged_file_is_refused_in_words(small, tmp_path):
    save_released(small, tmp_path)
    file = tmp_path / RELEASED_NAMES[0]
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged"):
        MagvitV2.from_pretrained(tmp_path)


def test_a_pickle_of_tensors_is_read_where_there_is_nothing_else(small, tmp_path):
    save_released(small, tmp_path)
    (tmp_path / RELEASED_NAMES[0]).unlink()
    torch.save(small.state_dict(), tmp_path / RELEASED_NAMES[1])
    loaded = MagvitV2.from_pretrained(tmp_path)
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in small.state_dict().items())


def test_a_pickle_of_diffusers_name_is_not_opened(small, tmp_path):
    save_released(small, tmp_path)
    (tmp_path / RELEASED_NAMES[0]).unlink()
    torch.save(small.state_dict(), tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        MagvitV2.from_pretrained(tmp_path)


def test_a_folder_that_is_not_there_is_refused_in_words(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        MagvitV2.from_pretrained(tmp_path / "nothing", local_files_only=True)


def test_a_repository_that_is_not_cached_is_refused_in_words_without_the_network(tmp_path, no_network):
    with pytest.raises(UserError, match="someone/something"):
        MagvitV2.from_pretrained("someone/something", cache_dir=tmp_path, local_files_only=True)
