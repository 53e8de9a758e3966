"""Diffusion models beside Show-o: a small one in the published layout, by the methods that judge finished images."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import diffusion_tiny
import numpy as np
import pytest
import tiny_mini
import torch
from huggingface_hub.errors import GatedRepoError
from test_released import Hub, _response

from cotdemo import cli
from cotdemo.backends import ReleasedBackend, hub
from cotdemo.backends.diffusion import UNPAINTED
from cotdemo.backends.metered import Instrumented, Prices
from cotdemo.errors import UserError
from cotdemo.generator.magvit import MagvitV2
from cotdemo.registry import METHODS, MODELS, refusal
from cotdemo.run.events import Judged, RunFinished, StepDecoded
from cotdemo.run.state import RunState
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.ui.comparison import Comparing
from cotdemo.ui.handlers import Handlers

PROMPT = "a photo of a red dog"
ASKED = dict(prompt=PROMPT, model="sd3", paths=3, steps=4, seed=5)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Repositories as the Hub has them: Stable Diffusion 3, the image tokenizer, two judges."""
    root = tmp_path_factory.mktemp("hub")
    diffusion_tiny.build(root / MODELS["sd3"].part)
    torch.manual_seed(1)
    levels = (1, 1, 1, 1, 1)  # each halves the sides: 16 x 16 tokens
    magvit = MagvitV2(
        channels=4, channel_multipliers=levels, encoder_blocks=levels, decoder_blocks=levels, bits=13, norm_groups=4
    )
    magvit.save_pretrained(root / "showlab" / "magvitv2")
    mini = tiny_mini.build(tmp_path_factory.mktemp("mini"))
    for judge in ("orm_ft", "parm"):
        shutil.copytree(mini / "judge", root / "ZiyuG" / "Image-Generation-CoT" / judge)
    return root


@pytest.fixture(scope="module")
def backend(root):
    return ReleasedBackend("show-o", "cpu", root)


def finals(events) -> dict[int, np.ndarray]:
    return {e.path: e.picture for e in events if isinstance(e, StepDecoded) and e.step == ASKED["steps"] - 1}


@pytest.mark.parametrize("method", ["baseline", "orm"])
def test_a_search_paints_whole_images_plainly_or_the_best_of_n(backend, method):
    events = list(search(method, backend, **ASKED))
    state = RunState.of(events)
    assert isinstance(events[-1], RunFinished)
    winner = state.answer
    assert winner.picture.shape == (64, 64, 3) and winner.picture.std() > 0  # its own size, not the backend's
    assert len(winner.codes) == 256 and len(set(winner.codes)) > 1
    said = {event.path: event.p_yes for event in events if isinstance(event, Judged)}
    assert set(said) == (set(range(3)) if method == "orm" else set())
    assert winner.path == (max(said, key=said.get) if said else 0)
    assert np.array_equal(finals(events)[winner.path], winner.picture)


def test_waves_paint_the_same_whole_images(backend):
    all_of_them = finals(search("orm", backend, **ASKED))
    events = list(search("adaptive", backend, **ASKED, enough=1))
    assert list(finals(events)) == [0, 1, 2] and len(all_of_them) == 3
    assert all(np.array_equal(image, all_of_them[path]) for path, image in finals(events).items())
    assert [path.wave for path in RunState.of(events).rounds[0].paths] == [0, 0, 1]


def test_images_come_evenly_over_the_steps_and_each_is_the_same_whoever_is_beside_it(backend):
    def steps(paths):
        session = backend.generator("sd3").start(PROMPT, paths, 4, 2.0, 1.0, 5)
        return [step for step in iter(lambda: None if session.done else session.step(), None)], session

    taken, session = steps(range(3))
    assert [int((~step.masked).all(1).sum()) for step in taken] == [0, 1, 2, 3]
    early, last = session.decode(taken[0].codes), session.decode(taken[-1].codes)
    assert all((image == UNPAINTED).all() for image in early)
    (alone,), other = steps([2])[0][-1].codes, steps([1])[1]
    assert np.array_equal(alone, taken[-1].codes[2]) and not np.array_equal(last[0], last[1])
    assert other.live == (1,)


def test_a_run_is_kept_opened_again_and_not_repainted(backend, tmp_path):
    events = list(search("orm", backend, **ASKED))
    Trace.of(events).save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json").winner.path == RunState.of(events).answer.path
    with pytest.raises(UserError, match="whole images, without tokens"):
        reflect(backend, events)


def test_nothing_is_judged_on_the_way(backend):
    for method, row in METHODS.items():
        refused = refusal(method, "sd3", "show-o")
        assert bool(refused) == (method in ("repair", "think", "prm", "parm", "parm++")), (method, row)
    assert "compared with the released Show-o" in refusal("orm", "sd3", "mini")
    with pytest.raises(UserError, match="parm with the model sd3 is not offered on show-o: it paints whole images"):
        search("parm", backend, PROMPT, model="sd3")


def test_both_models_are_a_row_each_with_steps_and_guidance_of_their_own(backend):
    for name, scale in (("sd3", 7.0), ("sdxl", 5.0)):
        settings = next(search("baseline", backend, PROMPT, model=name)).settings
        assert settings.steps == 28 and 1 + settings.guidance == scale  # as diffusers has it
        assert backend.weights[MODELS[name].part] == MODELS[name].part and name in backend.models


def test_a_licence_that_is_not_accepted_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, (), GatedRepoError("401", response=_response(401))))
    words = "stable-diffusion-3-medium-diffusers could not be downloaded.*licence.*hf auth login.*leave this model out"
    with pytest.raises(UserError, match=words):
        ReleasedBackend("show-o", "cpu").generator("sd3")


def test_of_a_pipeline_each_part_is_downloaded_once(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(hub, "snapshot_download", lambda repository, **given: asked.update(given) or str(tmp_path))
    hub.fetch_pipeline(hub.Place("a/b"))
    from huggingface_hub.utils import filter_repo_objects

    files = [
        "model_index.json", "sd_xl_base_1.0.safetensors", "unet/config.json", "unet/model.safetensors",
        "unet/model.fp16.safetensors", "text_encoder_3/model-00001-of-00002.safetensors", "tokenizer/merges.txt",
        "text_encoder_3/model.fp16-00001-of-00002.safetensors", "tokenizer_3/spiece.model", "vae_1_0/model.safetensors",
        "unet/model.onnx", "README.md",
    ]  # fmt: skip
    wanted = filter_repo_objects(
        files, allow_patterns=asked["allow_patterns"], ignore_patterns=asked["ignore_patterns"]
    )
    assert list(wanted) == [
        "model_index.json", "unet/config.json", "unet/model.safetensors",
        "text_encoder_3/model-00001-of-00002.safetensors", "tokenizer/merges.txt", "tokenizer_3/spiece.model",
    ]  # fmt: skip


def test_where_it_does_not_fit_its_parts_are_brought_one_by_one(root, monkeypatch):
    offloaded = []
    for free, expected in ((1e12, []), (2.1e9, ["cpu"])):
        backend = ReleasedBackend("show-o", "cpu", root)
        monkeypatch.setattr(backend, "free_memory", lambda free=free: free)
        monkeypatch.setattr(
            "diffusers.StableDiffusion3Pipeline.enable_model_cpu_offload", lambda self, device: offloaded.append(device)
        )
        generator = backend._read("the generator sd3", backend._load_whole, "sd3")
        monkeypatch.setattr(type(generator), "bytes", property(lambda self: int(1e9)))
        backend.generator("sd3")
        assert offloaded == expected


def test_what_was_used_longest_ago_leaves_for_it(root, monkeypatch):
    backend = ReleasedBackend("show-o", "cpu", root)
    backend._parts.update({"the judge orm": None, "the judge parm": None})
    monkeypatch.setattr(backend, "free_memory", lambda: 24e9 - 8e9 * len(backend._parts))
    generator = backend._read("the generator sd3", backend._load_whole, "sd3")
    monkeypatch.setattr(type(generator), "bytes", property(lambda self: int(12e9)))
    backend.generator("sd3")
    assert list(backend._parts) == ["the judge parm", "the generator sd3"]


def test_what_is_no_number_ends_the_run_in_words(backend, monkeypatch):
    pipeline = backend.generator("sd3")._pipeline
    monkeypatch.setattr(
        type(pipeline), "__call__", lambda *_, **__: SimpleNamespace(images=[np.full((8, 8, 3), np.nan)])
    )
    with pytest.raises(FloatingPointError, match="another --precision"):
        list(search("baseline", backend, **ASKED))


def test_every_image_is_counted_where_runs_are_compared(backend):
    meter = Prices()
    list(search("orm", Instrumented(backend, meter), **ASKED))
    three = meter.totals["generator"]
    list(search("orm", Instrumented(backend, meter), **ASKED | {"paths": 6}))
    assert 0 < three and meter.totals["generator"] - three == pytest.approx(2 * three, rel=0.01)


def test_the_page_compares_it(backend):
    compare = Comparing(Handlers("show-o", lambda: backend))
    updates = [
        json.loads(u["board"]) for u in compare.compare(PROMPT, ["baseline/sd3", "orm/sd3"], 2, 7) if "board" in u
    ]
    cards = updates[-1]["cards"]
    assert [card["state"] for card in cards] == ["done", "done"], cards
    assert {card["model"] for card in cards} == {"Stable Diffusion 3"} and all(card["picture"] for card in cards)


def test_an_evaluation_writes_its_folder(root, tmp_path):
    metadata = tmp_path / "metadata.jsonl"
    metadata.write_text(
        json.dumps({"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": PROMPT}) + "\n"
    )
    out = tmp_path / "out"
    arguments = [
        "eval", "--backend", "show-o", "--device", "cpu", "--assets", root, "--model", "sd3", "--method", "orm",
        "--paths", 2, "--steps", 2, "--metadata", metadata, "--images", 1,
        "--out", out, "--json", tmp_path / "a.json",
    ]  # fmt: skip
    assert cli.main(list(map(str, arguments))) == 0
    assert [file.name for file in sorted((out / "00000").rglob("*.*"))] == ["metadata.jsonl", "0000.png"]
