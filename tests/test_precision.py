"""Which precision a card is used with, what it takes, and models in it: small ones, of the released layouts."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_mini
import torch
from packaging.requirements import Requirement
from transformers import LlavaOnevisionForConditionalGeneration

from cotdemo import cli
from cotdemo.backends import MINI, ReleasedBackend, load_backend, released, sizes
from cotdemo.backends.scorer import BYTES
from cotdemo.backends.weightless import JUDGE
from cotdemo.compute import precision
from cotdemo.compute.memory import bytes_of
from cotdemo.compute.precision import CHOICES, PRECISIONS, Card, plan, quantisation
from cotdemo.errors import UserError
from cotdemo.evaluation.judging import judge_in
from cotdemo.verifiers.llava import LlavaVerifier
from cotdemo.verifiers.released_keys import released_config

QUANTISED = [name for name, row in PRECISIONS.items() if row.quantised]
PROMPT = "a photo of a red dog"
needs_library = pytest.mark.skipif(not precision.installed(), reason="bitsandbytes is not installed")


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setattr(precision, "installed", lambda: True)


@pytest.fixture
def no_library(monkeypatch):
    monkeypatch.setattr(precision, "installed", lambda: False)


def picked(free: float | None, capability=(8, 6), asked: str = "auto", side: int = 16, device: str = "cuda"):
    """The plan for a card with so many bytes free."""
    need = sizes.need
    return plan(asked, Card(device, free, capability), lambda *way: need(*way, sizes.ROOM[side]))


# -- which


@pytest.mark.parametrize(
    ("free", "capability", "words", "why"),
    [
        (None, None, "bfloat16", "not known"),
        (79e9, (9, 0), "bfloat16", "it fits"),
        (25.2e9, (8, 9), "bfloat16", "it fits"),
        (25.2e9, (7, 0), "float16", "does not compute bfloat16"),
        (15.6e9, (8, 6), "int8, bfloat16", "bf16 would take 21.1 GB, and 15.6 GB are free"),
        (15.6e9, (7, 5), "int8, float16", "fp16 would take 21.1 GB"),  # a T4
        (15.6e9, (7, 0), "nf4, float16", "fp16 would take 21.1 GB"),  # int8 is not for this one
        (12.3e9, (8, 6), "nf4, bfloat16", "int8 would take 14.6 GB"),
        (8.0e9, (8, 6), "nf4, bfloat16, weights brought to it group by group", "nf4 would take 11.5 GB"),
        (4.0e9, (8, 6), "nf4, bfloat16, weights brought to it group by group", "nothing smaller"),
    ],
)
def test_auto_is_the_most_exact_that_fits_and_says_why(library, free, capability, words, why):
    plan = picked(free, capability)
    assert plan.words == words and why in plan.why
    assert free is None or free < 5e9 or plan.needed <= free


def test_without_the_library_a_small_card_is_told_of_it(no_library):
    plan = picked(15.6e9)
    assert plan.words == "bfloat16" and plan.needed > 15.6e9
    assert "int8 wants bitsandbytes" in plan.why and "pip install -r requirements-gpu.txt" in plan.why
    assert "nf4 wants bitsandbytes" in plan.why


def test_what_is_asked_for_is_taken_or_refused_in_words(library, monkeypatch):
    assert picked(79e9, asked="nf4").words == "nf4, bfloat16" and picked(79e9, asked="nf4").why == "asked for"
    assert picked(8e9, asked="int8").offload and not picked(79e9, asked="int8").offload
    assert picked(79e9, (7, 5), asked="bf16").dtype == "bfloat16"  # slowly, but as asked for
    with pytest.raises(UserError, match="int8 wants a card of compute capability 7.5, and this one has 6.1"):
        picked(79e9, (6, 1), asked="int8")
    with pytest.raises(UserError, match="no precision 'int3'; there are auto, fp32, bf16"):
        picked(79e9, asked="int3")
    monkeypatch.setattr(precision, "installed", lambda: False)
    for ask in (lambda: picked(79e9, asked="nf4"), lambda: quantisation("nf4", "float16", ())):
        with pytest.raises(UserError, match="nf4 wants bitsandbytes.*requirements-gpu.txt.*--precision auto"):
            ask()


def test_a_processor_computes_in_single_precision_unless_asked_otherwise(library):
    assert picked(None, None, device="cpu").words == "float32"
    assert picked(None, None, "bf16", device="cpu").words == "bfloat16"
    with pytest.raises(UserError, match="single precision: leave nf4 out"):
        load_backend("mini", precision="nf4")
    assert load_backend("show-o", "cpu", precision="bf16").dtype == torch.bfloat16


def test_a_gpu_that_is_only_lent_later_is_a_large_one(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: pytest.fail("asked"))
    assert ReleasedBackend("show-o", "cuda").plan.words == "bfloat16"


def test_the_library_is_an_extra_and_the_words_of_the_command_line_are_the_tables():
    extra = (Path(__file__).parents[1] / "requirements-gpu.txt").read_text().split()
    assert [Requirement(line).name for line in extra] == [precision.LIBRARY]
    assert CHOICES == ("auto", "fp32", "bf16", "fp16", "int8", "nf4")


# -- what it takes


def test_the_parameters_that_memory_is_reckoned_from_are_the_models():
    with torch.device("meta"):
        judge = LlavaOnevisionForConditionalGeneration(released_config(JUDGE))
    layers = [m for m in judge.model.language_model.layers.modules() if isinstance(m, torch.nn.Linear)]
    assert sum(m.weight.numel() for m in layers) == pytest.approx(sizes.LAYERS, rel=2e-3)
    assert judge.lm_head.weight.numel() == pytest.approx(sizes.HEAD, rel=2e-3)
    everything = sizes.LAYERS + 2 * sizes.HEAD + sizes.SIGHT
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(everything, rel=2e-3)


@pytest.mark.parametrize(
    ("card", "name", "offload"),
    [(24e9, "bf16", False), (16e9, "int8", False), (12e9, "nf4", False), (8e9, "nf4", True)],
)
def test_eight_paths_fit_the_cards_people_have_with_a_tenth_to_spare(card, name, offload):
    assert sizes.need(PRECISIONS[name], offload, 8 * sizes.A_PATH[16]) <= 0.9 * card


def test_seconds_of_arithmetic_follow_from_what_the_docs_say_is_counted():
    text = (Path(__file__).parents[1] / "docs" / "released.md").read_text(encoding="utf-8")
    for judged_from, row in ((1, "ours, judging from step 1"), (10, "ours, `--judge-from 10`")):
        told = next(line for line in text.splitlines() if line.startswith(f"| {row} |")).split("|")[5]
        assert float(told.replace(",", "")) * 1e12 == 20 * sizes.A_PATHS_OPERATIONS[judged_from]
    slow, fast = (next(fit for fit in sizes.fits(16) if card in fit.card) for card in ("T4", "A100"))
    assert slow.least_seconds(8, 10) > fast.least_seconds(8, 10) > fast.least_seconds(4, 10) > 0


def test_what_others_take_is_counted(monkeypatch, library):
    monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: 15.6e9)
    assert ReleasedBackend("show-o", "cuda").plan.precision.name == "int8"
    with_scorer = ReleasedBackend("show-o", "cuda", beside=BYTES)
    assert with_scorer.plan.precision.name == "nf4" and 1.9e9 < BYTES < 2.1e9
    assert with_scorer.room == sizes.ROOM[16] + BYTES


def test_an_evaluation_that_is_scored_leaves_the_scorer_its_room():
    assert [cli._beside(argparse.Namespace(score=score)) for score in (None, "official")] == [0, BYTES]
    assert cli._beside(argparse.Namespace()) == 0  # of a command that cannot score


def test_verdicts_of_other_weights_have_another_name(library):
    plain, four = (ReleasedBackend("show-o", "cuda", precision=name).weights for name in ("bf16", "nf4"))
    assert four["judge"] == f"{plain['judge']} in nf4" and four["showo"] == plain["showo"]


# -- models in it


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder as the Hub has it, with one judge."""
    root = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        # some processors take four-bit weights in blocks of 32 x 64, and no fewer
        wide = {"hidden_size": 64, "num_key_value_heads": 4, "intermediate_size": 64}
        patch.setattr(tiny_mini, "TEXT", tiny_mini.TEXT | wide)
        mini = tiny_mini.build(tmp_path_factory.mktemp("mini"))
    shutil.copytree(mini / "judge", root / "ZiyuG" / "Image-Generation-CoT" / "parm")
    return root


@pytest.fixture(scope="module")
def images():
    return [np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8) for seed in range(6)]


def answers(judge, images) -> np.ndarray:
    seen = judge.encode(images)
    return np.stack([seen.ask(question, PROMPT).p_yes for question in ("clarity", "outcome")])


@needs_library
@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_judge_answers_in_less_memory_and_sees_and_decides_in_half_precision(name, root, images):
    exact = ReleasedBackend("show-o", "cpu", root).verifier("parm")
    backend = ReleasedBackend("show-o", "cpu", root, precision=name)
    judge = backend.verifier("parm")
    assert backend.dtype == torch.bfloat16 == judge.model.dtype
    kinds = {type(m).__module__.partition(".")[0] for m in judge.model.model.language_model.layers.modules()}
    assert "bitsandbytes" in kinds
    for part in (judge.model.model.vision_tower, judge.model.model.multi_modal_projector):
        assert {type(m).__module__.partition(".")[0] for m in part.modules()} & {"bitsandbytes"} == set()
    assert type(judge.model.lm_head).__module__.startswith(("torch", "cotdemo"))
    assert np.isfinite(answers(judge, images)).all()
    assert bytes_of(judge.model) < bytes_of(exact.model) / 2
    if name == "int8":  # weights at random, and as few, are not themselves in four bits
        assert np.abs(answers(judge, images) - answers(exact, images)).mean() < 0.05


def hooked(module) -> int:
    return sum(hasattr(one, "_diffusers_hook") for one in module.modules())


@needs_library
def test_where_even_four_bits_do_not_fit_the_rest_is_brought_in_groups(root, images, monkeypatch):
    monkeypatch.setattr(ReleasedBackend, "free_memory", lambda self: 8e9)
    backend = ReleasedBackend("show-o", "cpu", root, precision="nf4")
    assert backend.plan.offload
    judge = backend.verifier("parm")
    model = judge.model
    assert hooked(model.model.vision_tower) and hooked(model.lm_head) and hooked(model.get_input_embeddings())
    assert not hooked(model.model.language_model.layers)
    monkeypatch.undo()
    assert np.array_equal(
        answers(judge, images),
        answers(ReleasedBackend("show-o", "cpu", root, precision="nf4").verifier("parm"), images),
    )


def test_a_generator_brought_in_groups_paints_the_same(tmp_path, monkeypatch):
    mini = tiny_mini.backend(tmp_path)
    plain = mini.generator("base")
    brought = tiny_mini.MiniBackend(root=tmp_path)
    monkeypatch.setattr(
        tiny_mini.MiniBackend, "_placed", lambda self, network: released.bring_in_groups(network, "cpu") or network
    )
    generator = brought.generator("base")
    assert hooked(generator.showo) and generator.device == plain.device

    def painted(one):
        *_, last = one.start(PROMPT, range(3), 4, seed=2)
        return last.codes

    assert torch.equal(painted(plain), painted(generator))


def test_eyes_that_overflow_in_float16_are_opened_in_float32(root, images):
    judge = LlavaVerifier.from_pretrained(root / "ZiyuG" / "Image-Generation-CoT" / "parm", dtype=torch.float16)
    tower = judge.model.model.vision_tower
    mlp = tower.encoder.layers[0].mlp
    mlp.fc1.weight.data *= 3e4  # what lies between exceeds 65,504, and what comes out does not
    mlp.fc2.weight.data *= 3e-5
    seen = judge.encode(images)
    assert tower.dtype == torch.float32 and bool(seen._seen.isfinite().all())
    assert judge.model.model.multi_modal_projector.linear_1.weight.dtype == torch.float16
    assert np.isfinite(seen.ask("outcome", PROMPT).p_yes).all()


@needs_library
def test_a_judge_whose_layers_fill_no_block_answers_in_four_bits():
    judge = judge_in("nf4", MINI / "judge", "cpu")
    assert any(layer.out_features % 32 for layer in judge.model.modules() if type(layer).__name__ == "Linear4bit")
    image = np.full((1, 128, 128, 3), 120, np.uint8)
    assert np.isfinite(judge.encode(image).ask("outcome", ["a photo of a dog"]).p_yes).all()
