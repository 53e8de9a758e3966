"""Images that a safety checker flags are withheld: by a small one in the published layout, with chosen thresholds."""

from __future__ import annotations

import argparse
import io
import json

import numpy as np
import pytest
import torch
from clip_tiny import CONFIG
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from page_double import Double
from PIL import Image
from transformers import CLIPConfig

from cotdemo import app
from cotdemo.backends import ReleasedBackend, load_backend, safety
from cotdemo.backends.metered import Instrumented, Prices
from cotdemo.backends.safety import PLACE, SafetyChecker
from cotdemo.errors import UserError
from cotdemo.run.events import RoundStarted, StepDecoded, Winner
from cotdemo.run.narration import narrate
from cotdemo.run.trace import Trace
from cotdemo.search import brush, reflect, search
from cotdemo.search.withheld import GREY, screened, stand_in
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers, verdict

PROMPT = "a photo of a red car and a blue bus"


def image(seed: int) -> np.ndarray:
    """Some colours in large patches, (64, 64, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of the Hub's repositories with a checker that flags ``image(0)`` alone."""
    torch.manual_seed(0)
    network = StableDiffusionSafetyChecker(CLIPConfig(**CONFIG)).eval()
    with torch.no_grad():
        from cotdemo.geneval.colours import pixels

        seen = network.visual_projection(network.vision_model(pixels(Image.fromarray(image(0)))[None])[1])
        for embeds in (network.concept_embeds, network.special_care_embeds):
            embeds.copy_(torch.randn_like(embeds))
        network.concept_embeds[3] = seen[0]
        network.concept_embeds_weights.fill_(2.0)  # no cosine is above
        network.concept_embeds_weights[3] = 0.998
        network.special_care_embeds_weights.fill_(2.0)
    root = tmp_path_factory.mktemp("hub")
    network.save_pretrained(root / str(PLACE))
    return root


def test_the_checker_of_a_folder_flags_what_it_is_to(root):
    checker = SafetyChecker.from_folder(root / str(PLACE))
    assert checker(image(0)) is True and [checker(image(seed)) for seed in (1, 2, 3)] == [False] * 3


def test_its_keys_are_those_that_were_published(root):
    from safetensors.torch import load_file

    names = set(load_file(root / str(PLACE) / "model.safetensors"))
    own = {"concept_embeds", "concept_embeds_weights", "special_care_embeds", "special_care_embeds_weights"}
    assert own | {"visual_projection.weight"} < names
    assert all(name.startswith("vision_model.") for name in names - own - {"visual_projection.weight"})


def test_numbers_that_are_none_let_nothing_pass(root):
    checker = SafetyChecker.from_folder(root / str(PLACE))
    checker._network.visual_projection.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="take its files anew"):
        checker(image(1))


def test_a_released_backend_loads_it_where_it_is_guarded_and_only_there(root, tmp_path):
    open_one = load_backend("show-o", "cpu", root)
    assert open_one.safety is None and not open_one.guarded
    guarded = load_backend("show-o", "cpu", root, guarded=True)
    assert guarded.room == open_one.room + safety.BYTES and not guarded._parts
    assert guarded.safety(image(0)) and guarded.safety is guarded.safety
    assert Instrumented(guarded, Prices()).safety is guarded.safety
    with pytest.raises(UserError, match="stable-diffusion-safety-checker is missing"):
        _ = load_backend("show-o", "cpu", tmp_path, guarded=True).safety
    assert load_backend("mini", "cpu", guarded=True).safety is None


def test_it_is_there_before_the_first_run(root, monkeypatch):
    backend = ReleasedBackend("show-o", "cpu", root, guarded=True)
    monkeypatch.setattr(backend, "generator", lambda model: None)
    monkeypatch.setattr(backend, "verifier", lambda name: None)
    backend.warm_up()
    assert list(backend._parts) == ["the safety checker"]


# -- a search


class Guarded(Double):
    """Flags every image, or what ``flagged`` says."""

    def __init__(self, flagged=lambda image: True, **options):
        super().__init__(pace=0, **options)
        self.safety = flagged


def images(events):
    return [event for event in events if getattr(event, "picture", None) is not None]


@pytest.fixture
def grey():
    return stand_in(*Double(pace=0).picture_size)


def test_no_image_that_is_flagged_leaves_a_search(grey):
    backend = Guarded()
    events = list(search("parm", backend, PROMPT, paths=2, steps=3, seed=1))
    events += reflect(backend, events, anyway=True)
    events += brush(backend, events, [0, 1])
    shown = images(events)
    assert {type(event) for event in shown} == {StepDecoded, Winner, RoundStarted}
    assert all(event.withheld and np.array_equal(event.picture, grey) for event in shown)


def test_a_grey_image_says_in_words_that_it_stands_in():
    grey = stand_in(256, 256)
    assert grey.shape == (256, 256, 3) and grey.dtype == np.uint8
    plain = np.all(grey == GREY, -1)
    assert 0.85 < plain.mean() < 0.99 and plain[:60].all() and plain[-60:].all()
    assert stand_in(8, 8).shape == (8, 8, 3)


def test_the_rest_of_a_run_is_as_without_a_checker():
    plain, guarded = (
        list(search("parm", backend, PROMPT, paths=3, steps=4, seed=2)) for backend in (Double(pace=0), Guarded())
    )
    kept = [screened(event, lambda image: True) for event in plain]
    assert kept == guarded and plain != guarded  # but for the mark


def test_images_that_are_not_flagged_stay_and_a_trace_of_them_has_no_mark():
    events = list(search("parm", Guarded(lambda image: False), PROMPT, paths=2, steps=3, seed=1))
    assert all(event.withheld is None for event in images(events))
    assert "withheld" not in Trace.of(events).to_json()


def test_traces_words_and_answers_say_that_an_image_is_withheld(grey):
    trace = Trace.of(search("orm", Guarded(), PROMPT, paths=2, steps=3, seed=1))
    again = Trace.from_json(trace.to_json())
    assert again.winner.withheld and np.array_equal(again.winner.picture, grey)
    assert verdict(again.state)["withheld"] is True
    said = []
    list(narrate(trace.events, said.append, lambda words: None))
    assert any("withheld" in line for line in said)
    content = json.loads(trace.to_json())
    content["events"][-2]["withheld"] = "yes"
    with pytest.raises(UserError):
        Trace.from_json(json.dumps(content))


def test_a_client_is_given_the_grey_image(grey):
    handlers = Handlers("mini", lambda: Guarded(any_words=True))
    answer = Endpoints(handlers).painted(PROMPT, "orm", paths=2, steps=3, seed=1)
    given = np.asarray(Image.open(io.BytesIO(answer.image())).convert("RGB"))
    assert np.array_equal(given, grey) and answer.told(False)["verdict"]["withheld"]


# -- the app


@pytest.mark.parametrize(
    ("arguments", "environment", "guarded"),
    [
        (["--backend", "show-o"], {}, False),
        (["--backend", "show-o", "--listen", "127.0.0.1"], {}, False),
        (["--backend", "show-o", "--listen"], {}, True),
        (["--backend", "show-o"], {"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        (["--backend", "show-o"], {"SPACE_ID": "owner/name"}, True),
        (["--backend", "show-o", "--safety", "on"], {}, True),
        (["--backend", "show-o", "--listen", "--safety", "off"], {}, False),
        (["--listen"], {}, False),
        (["--safety", "on"], {}, False),  # the embedded world has nothing to hide
    ],
)
def test_released_images_are_looked_at_where_others_are_served(monkeypatch, arguments, environment, guarded):
    asked = {}
    for name in ("GRADIO_SERVER_NAME", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    class Page:
        launch = close = staticmethod(lambda **options: None)

    monkeypatch.setattr("cotdemo.ui.page.build_demo", lambda backend, **options: asked.update(options) or Page())
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    app.start(parser.parse_args(arguments))
    assert asked["guarded"] is guarded


def test_a_released_backends_page_says_that_images_are_generated():
    from cotdemo.ui.components import Heading

    assert "all images here are generated" in Heading(backend="show-o").html_template
    assert "all images" not in Heading(backend="mini").html_template
