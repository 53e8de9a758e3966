from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import data
from safetensors.numpy import load_file
from showo_cases import golden, golden_json, small, tiny_real

from cotdemo.errors import UserError
from cotdemo.generator.sequence import Vocabulary

REAL = Vocabulary(text=50295, codebook=8192, eos=50256, max_text=128)
SMALL = Vocabulary(text=100, codebook=64, eos=99, max_text=8)


def canvas_of(ids: torch.Tensor, vocabulary: Vocabulary, tokens: int) -> torch.Tensor:
    image = ids[:, -tokens - 1 : -1]
    return torch.where(image == vocabulary.mask, -1, image - vocabulary.first_code)


def test_the_vocabulary_is_laid_out_as_in_the_released_models():
    names = {"pad": "<|pad|>", "soi": "<|soi|>", "eoi": "<|eoi|>", "t2i": "<|t2i|>", "lvg": "<|lvg|>"}
    special = golden_json("logits")["special_ids"]
    assert {name: REAL.mark(name) for name in names} == {name: special[token] for name, token in names.items()}
    assert (REAL.first_code, REAL.mask, REAL.size) == (50305, 58497, 58498)
    assert (SMALL.pad, SMALL.first_code, SMALL.mask, SMALL.size) == (100, 110, 174, 175)
    assert tiny_real().vocabulary == REAL
    assert small().vocabulary == SMALL


@pytest.mark.parametrize("case", ["A", "B"])
def test_real_sequences_and_masks_are_those_of_the_reference(case):
    ids = golden("logits")[f"{case}.input_ids"]
    prefixes = [REAL.prefix(prompt) for prompt in golden_json("logits")["prompt_token_ids"]] + [REAL.prefix()] * 3

    ours = REAL.sequences(prefixes, canvas_of(ids, REAL, 256), padded_to=129)

    packed = load_file(data("showo_logits.safetensors"))[f"{case}.mask_allow_packed"]
    allowed = torch.from_numpy(np.unpackbits(packed, axis=-1)[..., : ids.shape[1]]).bool()
    assert torch.equal(ours, ids)
    assert torch.equal(REAL.attention(ours), allowed)


def test_small_sequences_and_masks_are_those_of_the_reference():
    ids = golden("small_logits")["input_ids"]
    prefixes = [SMALL.prefix(prompt) for prompt in golden_json("sampling")["small_prompts"]] + [SMALL.prefix()] * 2

    ours = SMALL.sequences(prefixes, canvas_of(ids, SMALL, 16), padded_to=9)

    assert torch.equal(ours, ids)
    assert torch.equal(SMALL.attention(ours), golden("small_logits")["mask_allow"].bool())


def test_a_text_too_long_loses_its_end_and_keeps_its_eos():
    assert SMALL.prefix(range(6)) == [105, 99, 0, 1, 2, 3, 4, 5, 99]
    assert SMALL.prefix(range(7)) == SMALL.prefix(range(6))


def test_a_repainting_reads_the_previous_image_and_the_critique_after_the_prompt():
    prefix = SMALL.prefix([7, 8], previous=[0, 63, 5], critique=[9])
    assert prefix == [105, 99, 7, 8, 99] + [101, 110, 173, 115, 102] + [99, 9, 99]


def test_the_unconditional_prefix_drops_the_words_and_on_request_keeps_the_image():
    assert SMALL.prefix() == [105, 99, 99]
    assert SMALL.prefix(previous=[1]) == [105, 99, 99, 101, 111, 102, 99, 99]


def test_each_image_sees_itself_both_ways_and_what_stands_before_it_but_nothing_behind():
    prefix = SMALL.prefix([7], previous=[1, 2], critique=[9])
    ids = SMALL.sequences([prefix], torch.tensor([[-1, 3]]), padded_to=len(prefix) + 2)[0]
    allowed = SMALL.attention(ids[None])[0]
    before, after = range(6, 10), range(13, 17)  # the two images with soi and eoi, behind two pads
    assert [ids[position].item() for position in (6, 9, 13, 16)] == [101, 102, 101, 102]

    expected = torch.ones(17, 17, dtype=torch.bool).tril()
    for image in (before, after):
        expected[image.start : image.stop, image.start : image.stop] = True
    expected[2:, :2] = False
    assert torch.equal(allowed, expected)


def test_words_and_codes_outside_the_vocabulary_are_refused():
    with pytest.raises(UserError, match="vocabulary"):
        SMALL.prefix([100])
    with pytest.raises(UserError, match="0 to 63"):
        SMALL.prefix([1], previous=[64])


def test_a_config_that_contradicts_itself_is_refused():
    config = small().config
    with pytest.raises(ValueError, match="do not fit"):
        type(small()).from_config(config, codebook_size=128)
    with pytest.raises(ValueError, match="eos_token_id"):
        type(small()).from_config(config, eos_token_id=100)
