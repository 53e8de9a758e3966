"""What a stranger may add in one file: a generator, a verifier, a strategy, a task. Each is run, and each is short."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mini
import torch
from diffusers import AmusedPipeline, AmusedScheduler, UVit2DModel, VQModel
from scripted import Answers, Studio
from showo_cases import tokenizer as words
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTextModelWithProjection

from cotdemo.errors import UserError
from cotdemo.generator.chance import BatchSampler
from cotdemo.run.events import Judged, PathPruned, RunFinished, StepDecoded, Winner
from cotdemo.search import search
from cotdemo.search.rounds import Run
from cotdemo.settings import Settings
from cotdemo.training import generator, pairs
from cotdemo.training.loop import Schedule
from examples.amused_generator import AmusedGenerator
from examples.clip_verifier import ClipVerifier
from examples.novel_strategy import race
from examples.stripes_task import PROMPTS, Stripes

EXAMPLES = sorted(Path(__file__).parents[1].joinpath("examples").glob("*.py"))
PROMPT = "w3 w4"
TEXT = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "eos_token_id": 99,
        "num_attention_heads": 2, "max_position_embeddings": 8, "projection_dim": 24}  # fmt: skip


def text_tokenizer():
    tokenizer = words()
    tokenizer.model_max_length = 8
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@cache
def amused() -> AmusedGenerator:
    """aMUSEd's components, tiny and with weights at random: 16 tokens of 32 codes, 8 x 8 pixels."""
    torch.manual_seed(0)
    transformer = UVit2DModel(
        hidden_size=32, cond_embed_dim=24, micro_cond_encode_dim=4, micro_cond_embed_dim=20, encoder_hidden_size=32,
        vocab_size=33, codebook_size=32, in_channels=32, block_out_channels=32, num_res_blocks=1, block_num_heads=2,
        num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, sample_size=4,
    )  # fmt: skip
    for parameter in transformer.parameters():  # a new model predicts every code alike
        torch.nn.init.normal_(parameter, std=0.2)
    vqvae = VQModel(
        block_out_channels=[8, 8], layers_per_block=1, latent_channels=4, num_vq_embeddings=32, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, lookup_from_codebook=True,
        mid_block_add_attention=False,
    )  # fmt: skip
    encoder = CLIPTextModelWithProjection(CLIPTextConfig(**TEXT))
    return AmusedGenerator(transformer.eval(), vqvae.eval(), encoder.eval(), text_tokenizer())


@cache
def clip() -> ClipVerifier:
    torch.manual_seed(0)
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 16, "patch_size": 8}  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24))
    size = {"height": 16, "width": 16}
    return ClipVerifier(model, text_tokenizer(), CLIPImageProcessor(size=size, do_center_crop=False))


@dataclass
class Backend:
    """A generator and a verifier, as a search wants them."""

    of: Any
    judge: Any
    name: str = "mini"
    weights: dict = field(default_factory=dict)
    models: tuple = ("base",)
    check: Any = None

    def __post_init__(self):
        self.grid, self.codebook = self.of.grid, self.of.codebook
        self.picture_size = self.of.size

    def generator(self, model):
        return self.of

    def verifier(self, name):
        return self.judge

    def decode(self, codes):
        return self.of.decode(torch.as_tensor(codes))

    def canonical(self, prompt):
        return prompt

    def requirements(self, prompt):
        return ()


class Scripted:
    """A verifier to whom every image is clear, and the potential of the first one it is asked about is none."""

    def __init__(self):
        self.refused = False

    def encode(self, images):
        assert all(image.shape == (8, 8, 3) and image.dtype == np.uint8 for image in images)
        return self

    def ask(self, question, prompt, rows=None, **_):
        yes = np.ones(len(rows), bool)
        if question == "potential" and not self.refused:
            yes[0], self.refused = False, True
        brightness = np.linspace(0.6, 0.9, len(rows))
        return Answers(np.where(yes, brightness, 0.1), np.where(yes, 0.1, 0.8), yes, ~yes)


def test_parm_searches_over_another_generator():
    backend = Backend(amused(), Scripted())
    events = list(search("parm", backend, PROMPT, paths=4, steps=5, guidance=2.0, temperature=2.0, seed=1))
    pruned = [event for event in events if isinstance(event, PathPruned)]
    assert [(event.path, event.step) for event in pruned] == [(0, 0)]
    steps = [event for event in events if isinstance(event, StepDecoded)]
    assert len(steps) == 1 + 3 * 5 and all(len(event.codes) == 16 for event in steps)
    assert {len(event.masked) for event in steps if event.step == 4} == {0}  # aMUSEd's order ends with none masked
    (winner,) = (event for event in events if isinstance(event, Winner))
    assert winner.path == 3 and winner.picture.shape == (8, 8, 3)
    assert isinstance(events[-1], RunFinished) and events[-1].passes_saved == 2 * 4


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_its_session_is_what_diffusers_pipeline_samples(guidance):
    ours, prompts = amused(), [PROMPT, "w5"]
    scheduler = AmusedScheduler(mask_token_id=32)
    parts = (ours.vqvae, ours.tokenizer, ours.text_encoder, ours.transformer, scheduler)
    theirs = AmusedPipeline(*parts)
    theirs.set_progress_bar_config(disable=True)
    theirs = theirs(prompts, num_inference_steps=6, guidance_scale=1 + guidance, output_type="latent",
                    generator=torch.Generator().manual_seed(5)).images  # fmt: skip
    sampler = BatchSampler(torch.Generator().manual_seed(5))
    session = ours.start(prompts, range(2), 6, guidance, 2.0, sampler=sampler)
    assert torch.equal([*session][-1].codes, theirs.flatten(1))


def test_its_paths_do_not_depend_on_one_another_and_can_be_reopened():
    def last(paths, **given):
        return [*amused().start(PROMPT, paths, 5, 1.0, 2.0, 3, **given)][-1]

    assert torch.equal(last([0, 1, 2]).codes[1:2], last([1]).codes)
    codes, order = last([0]).codes[0], np.arange(16)[None]
    step = amused().reopened(codes.tolist(), order, 0.5, 5)
    again = last([0], after=step).codes[0]
    assert torch.equal(again[~step.masked[0]], codes[~step.masked[0]])
    with pytest.raises(UserError, match="each path once"):
        last([0, 0])


def test_the_order_of_unmasking_is_the_generators_own():
    class Raster(AmusedGenerator):
        """Keeps tokens row by row, whatever their confidence."""

        def unmasking(self, steps, temperature, paths):
            def rank(confidence, noise, temperature):
                return -torch.arange(self.tokens, dtype=torch.float32).expand_as(confidence)

            return replace(super().unmasking(steps, temperature, paths), rank=rank)

    one = amused()
    raster = Raster(one.transformer, one.vqvae, one.text_encoder, one.tokenizer)
    for step in raster.start(PROMPT, [0, 1], 5, 0.0, 2.0):
        left = int(step.masked[0].sum())
        assert step.masked.tolist() == [[token >= 16 - left for token in range(16)]] * 2


def test_clip_chooses_the_best_of_n():
    backend = Backend(amused(), clip())
    events = list(search("orm", backend, PROMPT, paths=3, steps=3, guidance=0.0, temperature=2.0, seed=0))
    judged = {event.path: event for event in events if isinstance(event, Judged)}
    assert len({event.p_yes for event in judged.values()}) == 3
    assert all(event.p_yes + event.p_no == pytest.approx(1) for event in judged.values())
    (winner,) = (event for event in events if isinstance(event, Winner))
    assert winner.p_yes == max(event.p_yes for event in judged.values())


def test_clip_agrees_with_its_own_forward_pass():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    verifier = clip()
    texts = verifier.tokenizer([PROMPT, "a photo"], padding=True, return_tensors="pt")
    pixels = verifier.processor([image, image], return_tensors="pt")
    with torch.no_grad():
        expected = verifier.model(**texts, **pixels).logits_per_image[0].softmax(-1)
    answers = verifier.encode([image, image]).ask("outcome", PROMPT, [1])
    assert answers.p_yes[0] == pytest.approx(expected[0].item(), rel=1e-5)
    assert list(verifier.encode([image]).explain(PROMPT, 0)) == [f"this does not look like {PROMPT}"]


def test_a_race_stops_who_falls_behind_and_is_won_by_who_leads():
    p_yes = {0: [0.9, 0.5, 0.9, 0.7], 1: [0.1, 0.1, 0.8, 0.9], 2: [0.5, 0.1, 0.1, 0.1]}

    def say(question, number, path, step):
        assert question == "outcome"
        return "yes", p_yes[path][step], 1 - p_yes[path][step]

    settings = Settings.checked("a photo of a dog", "orm", paths=3, steps=4, seed=0)
    events = list(race(Run(settings, Studio(say))))
    pruned = [(event.path, event.step) for event in events if isinstance(event, PathPruned)]
    assert pruned == [(1, 0), (2, 2)]
    (winner,) = (event for event in events if isinstance(event, Winner))
    assert (winner.path, winner.survivors, winner.p_yes) == (0, (0,), 0.7)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_has_fewer_than_fifty_lines_of_code(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    documents = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None
    ]
    apart = {line for node in [*imports, *documents] for line in range(node.lineno, node.end_lineno + 1)}
    lines = file.read_text(encoding="utf-8").splitlines()
    code = [
        line
        for number, line in enumerate(lines, 1)
        if number not in apart and line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) < 50


def test_a_task_of_ones_own_trains_a_generator_and_labels_its_images(tmp_path):
    task, rng = Stripes(), np.random.default_rng(0)
    entries, images = task.examples("pretrain", 20, rng)
    for entry, image in zip(entries, images):
        told = [other["prompt"] for other in PROMPTS if task.check(other["prompt"], image).strict]
        assert told == [entry["prompt"]]
    magvit = tiny_mini.backend(tmp_path).magvit
    recipe = generator.Recipe(
        pool=12,
        hinted=4,
        batch=4,
        phi=tiny_mini.PHI,
        hints=0.3,
        without_text=0.1,
        parts=(generator.Part(Schedule(steps=2, lr=1e-3, warmup=1), {}),),
    )
    model = generator.train(recipe, task, magvit, tmp_path / "work")
    assert generator.evaluate(model, task, magvit, each=1, steps=2).keys() == {"geneval", "strict", "upright", "level"}
    label = pairs.strictly_right(task)
    assert label([entry["prompt"] for entry in entries], images) == [True] * 20
