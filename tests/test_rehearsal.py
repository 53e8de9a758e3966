"""The first real run, rehearsed: every repository in its published layout, small, on a card that holds few of them."""

from __future__ import annotations

import json
import shutil

import pytest
import released_tiny
import torch
from huggingface_hub import save_torch_state_dict
from page_driver import compare, filled, open_settings, open_tab, run, shut, small, status
from safetensors.torch import load
from test_memory import Card

from cotdemo.backends import RELEASED, base, load_backend
from cotdemo.compute.memory import bytes_of
from cotdemo.registry import METHODS
from cotdemo.ui.page import build_demo, launch_options

NAME, PROMPT = "show-o", "a photo of a dog"
PLACES = RELEASED[NAME]
JUDGES = ("orm-zero-shot/base", "orm/base", "parm/base")  # of three different weights


def pickled(folder):
    """As ``folder`` would be where there are no safetensors, with what a training leaves beside them."""
    torch.save(taken(folder), folder / "pytorch_model.bin")
    torch.save({"learning_rate": 1e-6}, folder / "training_args.bin")


def sharded(folder):
    """As ``folder`` would be with its weights in several files and an index of them."""
    weights = taken(folder)
    save_torch_state_dict(weights, folder, max_shard_size=sum(one.nbytes for one in weights.values()) // 2)


def taken(folder):
    """The weights of ``folder``, whose file goes."""
    (file,) = folder.glob("*.safetensors")
    weights = load(file.read_bytes())
    file.unlink()
    return weights


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = released_tiny.build(tmp_path_factory.mktemp("hub"))
    for places, model in ((PLACES.generators, "base"), (PLACES.judges, "parm")):
        for place in (place for name, place in places.items() if name != model):
            shutil.copytree(root / str(places[model]), root / str(place))
    pickled(root / str(PLACES.generators["dpo-iter-parm"]))
    pickled(root / str(PLACES.judges["orm"]))
    sharded(root / str(PLACES.generators["dpo-iter"]))
    sharded(root / str(PLACES.judges["zero-shot"]))
    turbo = root / str(PLACES.generators["turbo"]) / "config.json"
    config = json.loads(turbo.read_text(encoding="utf-8"))
    turbo.write_text(json.dumps(config | {"llm_model_path": "/home/somebody/ckpts/phi-1_5"}), encoding="utf-8")
    return root


@pytest.fixture
def backend(root, monkeypatch):
    """On a card that one generator and one judge fit on, and nothing besides."""
    told, card = [], Card(10**12)
    backend = card.backend = load_backend(NAME, "cpu", root, tell=told.append)
    monkeypatch.setattr(base, "free_bytes", card.free)
    held = bytes_of(backend.generator("base").showo) + bytes_of(backend.verifier("parm").model)
    card.size, backend.told, backend.card = int(1.2 * held), told, card
    return backend


@pytest.fixture
def page(enter, backend):
    demo = build_demo(NAME, lambda: backend)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    page = enter()
    page.goto(url + small("baseline", 2, 3, 5, PROMPT))
    filled(page, 5, PROMPT)
    yield page
    shut(page)
    demo.close()


def end_of(page, method: str, model: str) -> None:
    """Runs it, and sees it end with words and an image, and no others than it was asked for."""
    page.check(f'[name="cot-method"][value="{method}"]')
    page.select_option(".cot-model select", model)
    run(page)
    said = page.locator(".cot-settings").inner_text()
    assert METHODS[method].label in said and f"model {model} " in said
    assert page.locator(".cot-big > canvas").is_visible() and status(page)


def test_every_method_and_model_runs_in_the_page_and_three_judges_are_compared(page, backend):
    open_settings(page)
    offered = [name for name in METHODS if page.locator(f'[name="cot-method"][value="{name}"]').is_enabled()]
    assert offered == [name for name in METHODS if name != "prm"]  # which nobody has released
    for method in offered:
        end_of(page, method, "base")
    for model in PLACES.generators:
        end_of(page, "parm", model)
    open_tab(page, "Compare")
    page.click("#compare-take")  # as few paths
    page.wait_for_function("document.querySelector('#compare-prompt textarea').value === 'a photo of a dog'")
    for box in page.locator("#compare-which input").all():
        box.set_checked(box.get_attribute("name") in JUDGES)
    compare(page)
    cards = page.locator(".cot-compare > li")
    assert cards.count() == 3 and cards.locator(".cot-compare-state:has-text('Done')").count() == 3
    assert any("leaves the memory" in words for words in backend.told) and backend.card.free("") >= 0
