"""Show-o models of the golden data, and a small pipeline, for several test modules."""

from __future__ import annotations

import json
from functools import cache

import torch
from golden import data, fill_by_rule
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from cotdemo.generator.magvit import MagvitV2
from cotdemo.generator.pipeline import ShowoPipeline
from cotdemo.generator.showo import Showo

SMALL_TEXT = {"eos_token_id": 99, "max_text_length": 8}


@cache
def tiny_real() -> Showo:
    """The real vocabulary (58,498 ids) on a tiny transformer, weights by rule."""
    return fill_by_rule(Showo.from_config(Showo.load_config(data("showo_tiny_real")))).eval()


@cache
def small() -> Showo:
    """A vocabulary of 175 ids, 16 image tokens, weights as the reference stored them."""
    model = Showo.from_config(Showo.load_config(data("showo_tiny_small")), **SMALL_TEXT)
    model.load_state_dict(load_file(data("showo_tiny_small") / "pytorch_model.safetensors"))
    return model.eval()


@cache
def golden(name: str) -> dict:
    """showo_<name>.safetensors of the golden data, integers as int64."""
    tensors = load_file(data(f"showo_{name}.safetensors"))
    return {key: tensor if tensor.is_floating_point() else tensor.long() for key, tensor in tensors.items()}


@cache
def golden_json(name: str) -> dict:
    return json.loads(data(f"showo_{name}.json").read_text())


def tokenizer() -> PreTrainedTokenizerFast:
    """Words "w0" to "w98" are ids 0 to 98; "<eos>" is 99."""
    words = {f"w{number}": number for number in range(99)} | {"<eos>": 99}
    model = Tokenizer(WordLevel(words, unk_token="<eos>"))
    model.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<eos>")


def magvit() -> MagvitV2:
    """64 codes; each code is a square of 4 pixels."""
    torch.manual_seed(0)
    return MagvitV2(
        channels=8,
        channel_multipliers=(1, 1, 2),
        encoder_blocks=(1, 1, 1),
        decoder_blocks=(1, 1, 1),
        bits=6,
        norm_groups=4,
    ).eval()


@cache
def pipeline() -> ShowoPipeline:
    pipe = ShowoPipeline(tokenizer(), small(), magvit())
    pipe.set_progress_bar_config(disable=True)
    return pipe
