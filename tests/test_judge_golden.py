"""The judge against what the public reference code computes for the same made-up weights, and says in its prompts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from golden import data, weight_by_rule
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerFast

from cotdemo.errors import UserError
from cotdemo.verifiers import sampled
from cotdemo.verifiers.checkpoint import load_model, load_tokenizer
from cotdemo.verifiers.conversation import Conversation
from cotdemo.verifiers.images import square, to_pixels
from cotdemo.verifiers.llava import LlavaVerifier
from cotdemo.verifiers.network import KeyValues, embed, encode_images, image_tokens, prefill
from cotdemo.verifiers.released_keys import released_config, rename, renaming

TINY = json.loads(data("llava_tiny.json").read_text())
FULL = json.loads(data("llava_parm_keys.json").read_text())
PROMPTS = json.loads(data("judge_prompts.json").read_text())
EXPECTED = load_file(data("llava_tiny.safetensors"))
VISION = {**TINY["vision_config"], "num_hidden_layers": 2, "vision_use_head": False}  # the original drops the third
VISION.pop("note")
HEAD = 8  # text tokens before the image


def image(name: str) -> np.ndarray:
    y, x = np.mgrid[:256, :256]
    square = np.stack([(3 * x + y) % 256, (x + 2 * y) % 256, ((x // 16 + y // 16) % 2) * 200 + 20], axis=-1)
    return square.astype(np.uint8)[: 160 if name == "wide" else 256]


def weights() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(weight_by_rule(name, w["shape"])) for name, w in TINY["state_dict"].items()}


def write_released_folder(folder, shards: int = 3):
    """A folder as the judges were released: LLaVA-NeXT's config and names, the weights in several files."""
    folder.mkdir()
    tensors = weights()
    names = list(tensors)
    for i in range(shards):
        shard = {name: tensors[name] for name in names[i::shards]}
        save_file(shard, folder / f"model-{i + 1:05}-of-{shards:05}.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**TINY["llm_config"], "model_type": "llava_qwen"}))
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": True, "top_k": 20, "top_p": 0.8}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_released_folder(tmp_path_factory.mktemp("judges") / "parm")


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder, vision=VISION)


@pytest.fixture(scope="module", params=["square", "wide"])
def case(request, model):
    pixels = to_pixels([image(request.param)], 384, like=model.model.image_newline)
    with torch.inference_mode():
        seen = encode_images(model, pixels)
    text = TINY["text_ids"]
    ids = torch.tensor([text[:HEAD] + [0] * image_tokens(model) + text[HEAD:]])
    return request.param, pixels, seen, ids


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5)


def test_all_names_of_the_released_checkpoints_map_one_to_one_with_equal_shapes():
    with torch.device("meta"):
        model = LlavaOnevisionForConditionalGeneration(released_config(FULL["config_used"]))
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    names = renaming(FULL["state_dict"], shapes)
    assert {names[name]: shape for name, shape in FULL["state_dict"].items()} == shapes
    assert sum(p.numel() for p in model.parameters()) == FULL["n_params"]
    assert image_tokens(model) == 730


def test_names_of_older_transformers_layouts_map_too():
    assert rename("language_model.lm_head.weight") == "lm_head.weight"
    assert rename("language_model.model.norm.weight") == "model.language_model.norm.weight"
    assert rename("image_newline") == "model.image_newline"
    nested = "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias"
    assert rename(nested) == rename("model." + nested) == "model.vision_tower.encoder.layers.0.mlp.fc1.bias"


def test_names_that_the_installed_transformers_uses_stay():
    names = ["model.vision_tower.vision_model.post_layernorm.bias", "lm_head.weight"]
    assert renaming(names, names) == {name: name for name in names}


def test_two_tensors_of_one_meaning_are_refused():
    with pytest.raises(UserError, match="two names"):
        renaming(["image_newline", "model.image_newline"], ["model.image_newline"])


def test_images_are_padded_and_resized_as_in_the_original(case):
    name, pixels, _, _ = case
    expected = EXPECTED[f"{name}.pixel_uint8"]
    assert np.array_equal(square(image(name), 384).transpose(2, 0, 1), expected.numpy())
    assert torch.equal(pixels[0], (expected / 255 - 0.5) / 0.5)


def test_tower_and_projector_features_agree(case, model):
    name, pixels, seen, _ = case
    towers = []
    model.model.multi_modal_projector.register_forward_pre_hook(lambda _, args: towers.append(args[0]))
    with torch.inference_mode():
        assert torch.equal(encode_images(model, pixels), seen)
    ends = torch.cat([torch.arange(8), torch.arange(721, 729)])
    close(towers[0][0, ends], EXPECTED[f"{name}.tower_features_first8_last8"])
    close(seen[0, ends], EXPECTED[f"{name}.projected_first8_last8"])
    if name == "square":
        close(seen[0, :729], EXPECTED["square.projected_all"])


def test_the_image_is_spliced_in_as_in_the_original(case, model):
    name, _, seen, ids = case
    with torch.inference_mode():
        embeddings = embed(model, ids, seen, HEAD)
    assert embeddings.shape[1] == TINY[name]["seq_len_after_splice"]
    close(embeddings[0, [7, 8, 736, 737, 738]], EXPECTED[f"{name}.inputs_embeds_rows_7_8_736_737_738"])


def test_logits_agree_at_every_position(case, model):
    name, _, seen, ids = case
    with torch.inference_mode():
        logits = model(inputs_embeds=embed(model, ids, seen, HEAD)).logits[0]
    close(logits.logsumexp(-1), EXPECTED[f"{name}.logsumexp_all"])
    close(logits[-1], EXPECTED[f"{name}.first_token_logits"])


@pytest.mark.parametrize("read_first", [0, HEAD + 730, HEAD + 735])
def test_the_answer_agrees_whether_read_at_once_or_continued(case, model, read_first):
    name, _, seen, ids = case
    cache = KeyValues.empty(model, 1)
    cache.reserve(ids.shape[1])
    rows = slice(0, 1)
    with torch.inference_mode():
        embeddings = embed(model, ids, seen, HEAD)
        if read_first:
            prefill(model, embeddings[:, :read_first], cache, rows, 0)
        logits = prefill(model, embeddings[:, read_first:], cache, rows, read_first)
    close(logits[0], EXPECTED[f"{name}.first_token_logits"])


def test_transformers_own_forward_pass_gives_the_same_answer(case, model, monkeypatch):
    name, pixels, _, ids = case
    monkeypatch.setattr(model.config, "image_token_index", 511)  # an id that the text does not use
    marked = ids.clone()
    marked[0, HEAD : HEAD + 730] = 511
    with torch.inference_mode():
        out = model(
            input_ids=marked,
            pixel_values=pixels[:, None],
            image_sizes=torch.tensor([[384, 384]]),
            batch_num_images=torch.tensor([2]),  # says "not cut into tiles", as for several images
        )
    close(out.logits[0, -1], EXPECTED[f"{name}.first_token_logits"])


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """Qwen's kind of tokenizer, with the 256 bytes and the two answers as its vocabulary."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    table = {token: i for i, token in enumerate([*alphabet, "ye", "yes", "no", "Ye", "Yes"])}
    tokenizer = Tokenizer(models.BPE(table, [("y", "e"), ("ye", "s"), ("n", "o"), ("Y", "e"), ("Ye", "s")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    return fast


@pytest.mark.parametrize("question, golden", [("clarity", "clarity"), ("potential", "potential"), ("outcome", "orm")])
def test_the_original_questions_are_the_releaseds_to_the_letter(question, golden):
    conversation = Conversation("original", byte_level_tokenizer(), 7, 730)
    text = conversation.text(question, PROMPTS["prompt"])
    assert text == PROMPTS["prompts"][golden]
    before, after = (conversation.tokenizer(piece)["input_ids"] for piece in text.split("<image>"))
    assert conversation.ids(question, PROMPTS["prompt"]) == (*before, *[7] * 730, *after)


@pytest.mark.parametrize(
    "setting, config",
    [
        ("default_top_k_50", {}),
        ("qwen2_instruct_like", {"top_k": 20, "top_p": 0.8}),
        ("no_filter", {"top_k": 0, "top_p": 1.0}),
    ],
)
def test_sampled_verdicts_are_drawn_from_what_the_original_draws_from(setting, config):
    expected = TINY["generate_scores"][setting]
    config = GenerationConfig(**{"top_k": None, **config})
    probabilities = sampled.probabilities(EXPECTED["square.first_token_logits"][None], config)[0]
    finite = probabilities.nonzero().flatten().tolist()
    assert len(finite) == expected["n_finite"]
    assert expected["finite_ids"] in ("all", finite)
    best = probabilities.topk(3)
    assert best.indices.tolist() == [token for token, _ in expected["top3"]]
    assert best.values.tolist() == pytest.approx([p for _, p in expected["top3"]], abs=1e-5)


@pytest.mark.parametrize("recorded", PROMPTS["behaviour"], ids=lambda r: f"{r['call']}-{r['sampled_first_tokens']}")
def test_sampled_answers_are_read_as_the_released_selector_reads_them(recorded):
    p_yes, p_no = PROMPTS["example_probs"]["yes"], PROMPTS["example_probs"]["no"]
    texts = {PROMPTS["yes_token_id"]: "yes", PROMPTS["no_token_id"]: "no", 9454: "yes", 2753: "no"}  # also Yes and No
    answers = [texts.get(token, "neither") for token in recorded["sampled_first_tokens"]]
    if recorded["call"] == "orm":
        returned = sampled.orm(answers[0], p_yes)
    elif recorded["call"] == "parm(clear=False)":
        returned = sampled.parm(answers[0], answers[1], p_no)
    else:
        returned = sampled.parm(None, answers[0], p_no)
    assert list(returned) == pytest.approx(recorded["returned"])


def test_a_folder_without_all_its_shards_is_refused(tmp_path):
    folder = write_released_folder(tmp_path / "parm")
    next(folder.glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match="missing_keys"):
        load_model(folder, vision=VISION)


def test_a_damaged_shard_is_refused(tmp_path):
    folder = write_released_folder(tmp_path / "parm")
    shard = next(folder.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged"):
        load_model(folder, vision=VISION)


def test_pickled_weights_are_read_where_there_are_no_others(tmp_path, model):
    folder = write_released_folder(tmp_path / "parm", shards=1)
    next(folder.glob("*.safetensors")).unlink()
    torch.save(weights(), folder / "pytorch_model.bin")
    again = load_model(folder, vision=VISION).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_a_folder_without_weights_is_refused(tmp_path):
    folder = write_released_folder(tmp_path / "parm", shards=1)
    next(folder.glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match="holds no weights"):
        load_model(folder, vision=VISION)


def test_a_released_folder_with_another_tower_is_refused(folder):
    with pytest.raises(UserError, match="tiny-siglip"):
        load_model(folder)


def test_the_checkpoints_sampling_settings_are_kept(model):
    assert (model.generation_config.top_k, model.generation_config.top_p) == (20, 0.8)


@pytest.fixture
def judge(model) -> LlavaVerifier:
    return LlavaVerifier(model, byte_level_tokenizer())


def ids_of(judge: LlavaVerifier, *words: str) -> list[int]:
    return [judge.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words]


def test_an_answer_counts_however_it_is_spelt(judge):
    small, large, no = ids_of(judge, "yes", "Yes", "no")
    logits = torch.zeros(3, judge.model.config.text_config.vocab_size)
    logits[0, large], logits[1, no] = 9.0, 9.0
    logits[2, [small, large]], logits[2, no] = 5.0, 5.5  # neither spelling is the most likely token, together they are
    answers = judge.read_answers(logits.clone())
    assert answers.words == ("yes", "no", "yes")
    plain = logits[:, : len(judge.tokenizer)].softmax(-1)
    assert answers.p_yes == pytest.approx((plain[:, small] + plain[:, large]).numpy(), abs=1e-6)
    assert answers.p_no == pytest.approx(plain[:, no].numpy(), abs=1e-6)


def test_a_head_wider_than_the_vocabulary_says_nothing_beyond_it(judge):
    width = judge.model.config.text_config.vocab_size
    assert width > len(judge.tokenizer)
    (yes,) = ids_of(judge, "yes")
    logits = torch.zeros(1, width)
    logits[0, yes], logits[0, -1] = 5.0, 50.0
    answers = judge.read_answers(logits)
    assert answers.words == ("yes",) and answers.p_yes[0] > 0.3


def test_in_half_precision_the_answers_logits_are_those_of_a_head_in_float32(folder):
    half = LlavaVerifier(load_model(folder, torch.bfloat16, vision=VISION), byte_level_tokenizer())
    ids = ids_of(half, "yes", "Yes", "no")
    assert set(half.exact.ids.tolist()) == set(ids)
    hidden = torch.randn(40, half.model.config.text_config.hidden_size, generator=torch.Generator().manual_seed(0))
    hidden = hidden.bfloat16()
    logits = half.model.lm_head(hidden).float()
    rounded = logits[:, ids].clone()
    half.exact.put(logits, hidden)
    exact = hidden.float() @ half.model.lm_head.weight[ids].float().T
    assert torch.equal(logits[:, ids], exact)
    assert not torch.equal(rounded, exact)
    seen = []
    half.exact.put = lambda logits, hidden: seen.append(hidden.dtype)
    half.encode([image("square")]).ask("outcome", "a dog")
    assert seen == [torch.bfloat16]


def test_a_judge_in_float32_has_no_such_rows(judge):
    assert judge.exact is None


def test_what_a_training_left_beside_pickled_weights_is_no_weight(tmp_path, model):
    folder = write_released_folder(tmp_path / "parm", shards=1)
    next(folder.glob("*.safetensors")).unlink()
    torch.save(weights(), folder / "pytorch_model.bin")
    torch.save({"lr": 1e-5}, folder / "training_args.bin")
    assert load_model(folder, vision=VISION).state_dict().keys() == model.state_dict().keys()


def test_a_judge_without_the_newline_after_an_image_is_refused(tmp_path):
    folder = write_released_folder(tmp_path / "flat", shards=1)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "mm_patch_merge_type": "flat"}))
    with pytest.raises(UserError, match="flat"):
        load_model(folder, vision=VISION)


@pytest.mark.parametrize("named", [None, "LlavaTokenizer"])
def test_a_tokenizer_of_vocabulary_and_merges_is_read_whatever_the_config_calls_the_model(tmp_path, named):
    """As the released judges have it: no tokenizer.json, and a model type that transformers takes for another one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    table = {token: i for i, token in enumerate([*alphabet, "ye", "yes", "no"])}
    (tmp_path / "vocab.json").write_text(json.dumps(table))
    (tmp_path / "merges.txt").write_text("#version: 0.2\ny e\nye s\nn o\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava", "mm_vision_tower": "x"}))
    if named:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": named}))
    assert load_tokenizer(tmp_path)("yes", add_special_tokens=False)["input_ids"] == [table["yes"]]
