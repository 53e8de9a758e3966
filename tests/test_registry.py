"""Declared once, derived everywhere: one row or one field, and command, form, endpoints, trace and docs have it."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from page_double import Double
from scripted import Answers, Studio

from cotdemo import cli, docs, registry
from cotdemo.backends import RELEASED, Backend
from cotdemo.registry import BACKENDS, METHODS, MODELS, VERIFIERS, MethodSpec, VerifierSpec, resolve
from cotdemo.run.events import RunFinished, Winner
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.search.best_of_n import orm
from cotdemo.settings import SETTINGS, Settings, offers
from cotdemo.ui.data import choices_of, labels, settings_of
from cotdemo.ui.endpoints import Endpoints, taking_settings
from cotdemo.ui.form import FIELDS, OTHERS, component
from cotdemo.ui.handlers import Handlers

ROOT = Path(__file__).parents[1]
PROMPT = "a photo of two red apples"
NEW = """
    sharpness: float = setting(
        Number(0.0, 2.0), "how sharp it is to be", default=0.5, absent=0.5, label="Sharpness", note="of edges",
        step=0.1, metavar="Q", said="sharpness {}",
    )  # fmt: skip
"""
SEEN = """
import inspect
from cotdemo import cli, docs
from cotdemo.run.codec import decode_event, encode_event
from cotdemo.run.events import RunStarted
from cotdemo.run.png import read_png_settings, write_png
from cotdemo.settings import Settings
from cotdemo.ui.data import labels, settings_of
from cotdemo.ui.endpoints import Endpoints, taking_settings
from cotdemo.ui.form import FIELDS, from_address
from cotdemo.ui.handlers import Handlers
import io, numpy as np

asked = Settings.checked("a dog", sharpness=1.5, seed=0)
assert asked.sharpness == 1.5 and "sharpness 1.5" in asked.in_words()
try:
    Settings.checked("a dog", sharpness=3)
except Exception as error:
    assert str(error) == "sharpness must be a number from 0 to 2.", error
options = cli._parser("generate").parse_args(["generate", "a dog", "--sharpness", "1.5", "--out", "x"])
assert cli._settings(options, "a dog", 0) == asked
endpoint = taking_settings(Endpoints(Handlers("mini", None)).generate)
assert inspect.signature(endpoint).parameters["sharpness"].default == 0.5 and "sharpness: how sharp" in endpoint.__doc__
started = RunStarted(asked, (1, 1), 2, (1, 1))
message = encode_event(started)
assert message["sharpness"] == 1.5 and decode_event(message) == started
assert decode_event({k: v for k, v in message.items() if k != "sharpness"}).settings.sharpness == 0.5
file = io.BytesIO()
write_png(file, np.zeros((2, 2, 3), np.uint8), asked)
file.seek(0)
assert read_png_settings(file) == asked
assert "sharpness" in FIELDS and from_address({"sharpness": "1.5"}, "mini") == {"sharpness": 1.5}
assert [one for one in settings_of("mini") if one["name"] == "sharpness"][0]["usual"] == 0.5
assert [one["said"] for one in labels()["settings"] if one["name"] == "sharpness"] == ["sharpness {}"]
assert docs.settings().count("`sharpness`") == docs.events().count("`sharpness`") == 1
from cotdemo.ui.page import build_demo
demo = build_demo("mini", lambda: None)
assert any(getattr(block, "label", "") == "Sharpness" for block in demo.blocks.values())
"""


def test_a_setting_is_added_in_one_file(tmp_path):
    shutil.copytree(ROOT / "cotdemo", tmp_path / "cotdemo", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "cotdemo" / "settings.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("\n    @classmethod\n", f"{NEW}\n    @classmethod\n", 1), encoding="utf-8")
    command = [sys.executable, "-c", SEEN]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def added() -> Iterator[list]:
    """Rows put into it are in the registry until the test ends."""
    rows: list = []
    yield rows
    for row in rows:
        registry.remove(row)


class Reddest:
    """A verifier of one's own: the more red an image is, the likelier it is right."""

    def __init__(self, backend: object = None):
        self.images: list[np.ndarray] = []

    def encode(self, images):
        encoded = Reddest()
        encoded.images = images
        return encoded

    def ask(self, question, prompt, rows=None, *, seeds=None) -> Answers:
        red = np.array([self.images[row][..., 0].mean() / 255 for row in rows])
        return Answers(red, 1 - red, red > 0.5, red <= 0.5)


def last_is_best(run):
    """A strategy that is in no paper."""
    chosen = yield from orm(run)
    return chosen


def test_a_strategy_and_a_verifier_are_a_row_each(added, capsys):
    verifier = VerifierSpec("reddest", "Reddest", "prefers red", load=Reddest)
    method = MethodSpec("orm-red", "ORM, red", "best of N by red", last_is_best, verifier="reddest")
    added += [verifier, method]
    registry.add(verifier, method)

    # command line, form, endpoints, JavaScript, docs
    with pytest.raises(SystemExit):
        cli.main(["generate", "--help"])
    assert "orm-red" in capsys.readouterr().out
    assert ["orm-red", "ORM, red", "best of N by red"] in choices_of("show-o")["methods"]
    assert labels()["methods"]["orm-red"]["label"] == "ORM, red"
    assert 'orm-red" (best of N by red)' in taking_settings(Endpoints(Handlers("mini", None)).generate).__doc__
    assert "| `orm-red` | ORM, red | best of N by red | Reddest | yes | yes | yes |" in docs.methods()
    assert "| `reddest` | Reddest | prefers red | `orm-red` |" in docs.verifiers()
    assert {offer.reason for offer in offers("mini") if offer.method == "orm-red"} == {
        "",
        MODELS["turbo"].elsewhere,
        MODELS["sd3"].elsewhere,
    }

    # and it runs, on a backend that has never heard of it
    class Any(Backend):
        def __init__(self):
            super().__init__("mini", "cpu", None)

    studio = Studio()
    studio.verifier = Any().verifier
    events = list(search("orm-red", studio, PROMPT, paths=3, steps=2, seed=0))
    assert isinstance(events[-1], RunFinished)
    winner = next(event for event in events if isinstance(event, Winner))
    assert winner.p_yes == pytest.approx(winner.picture[..., 0].mean() / 255)
    again = Trace.from_json(Trace.of(events).to_json())
    assert again.started.settings.method == "orm-red" and again.started.settings.verifier == "reddest"
    handlers = Handlers("mini", lambda: Double(pace=0))
    updates = list(handlers.paint(PROMPT, {"method": "orm-red", "model": "base"}, 2, 2, 1.0, 1.0, 0, False))
    assert not any("Failed" in update.get("viewer", "") for update in updates)


def test_no_row_is_written_over(added):
    with pytest.raises(ValueError, match="'parm' already"):
        registry.add(METHODS["parm"])


def test_every_row_has_its_words_and_its_code():
    for table in (METHODS, VERIFIERS, MODELS, BACKENDS):
        for name, row in table.items():
            assert row.name == name and row.label and row.about
        assert len({row.label for row in table.values()}) == len(table)
    assert all(callable(resolve(row.strategy)) for row in METHODS.values())
    assert all(callable(resolve(row.load)) for row in BACKENDS.values())
    assert all(row.verifier in VERIFIERS for row in METHODS.values())
    for rows in (MODELS, VERIFIERS):
        for row in rows.values():
            assert row.part and (row.backends is None) == (row.elsewhere == "")


def test_what_is_offered_of_the_released_weights_is_what_there_is():
    for name, released in RELEASED.items():
        own = [row for row in MODELS.values() if row.backends is None or name in row.backends]
        assert {row.name for row in own if not row.load} == set(released.generators)
        assert {row.name for row in VERIFIERS.values() if row.backends is None or name in row.backends} == set(
            released.judges
        )


def test_the_form_has_a_component_for_every_setting_with_a_label():
    labelled = [name for name, setting in SETTINGS.items() if setting.label]
    assert list(OTHERS) == labelled and set(FIELDS) == {"prompt", "choice", "fresh", *labelled}
    for name in OTHERS:
        value = SETTINGS[name].default_for(SETTINGS[name].methods()[0], "base", "mini")
        assert component(SETTINGS[name], value).label == SETTINGS[name].label


def test_endpoints_take_every_setting_but_the_backend():
    endpoint = taking_settings(Endpoints(Handlers("mini", None)).generate)
    parameters = inspect.signature(endpoint).parameters
    assert list(parameters) == [*(name for name in SETTINGS if name != "backend"), "with_trace"]
    assert parameters["prompt"].default is inspect.Parameter.empty
    assert (parameters["paths"].annotation, parameters["paths"].default) == (int | None, None)
    assert (parameters["judge_from"].annotation, parameters["judge_from"].default) == (int, 1)
    for name in parameters:
        assert re.search(rf"^    {name}: \S", endpoint.__doc__, re.MULTILINE)


def test_a_link_leaves_out_what_is_as_usual():
    usual = {one["name"]: one["usual"] for one in settings_of("show-o")}
    assert usual["repaint"] == "region" and usual["judge_from"] == 1 and usual["paths"] is None
    assert {one["name"]: one["methods"] for one in settings_of("mini")}["repaint"] == ["parm++"]


def test_a_setting_that_does_not_concern_a_method_is_as_if_it_had_not_been_given():
    asked = Settings.checked(PROMPT, "orm", rounds=2, repaint="region", judge_from=9, stopping="lenient")
    assert asked == Settings.checked(PROMPT, "orm", seed=asked.seed)


def test_names_of_backends_are_compared_nowhere():
    """What differs between them is in their rows."""
    for file in [*ROOT.glob("cotdemo/**/*.py"), *ROOT.glob("cotdemo/**/*.js"), ROOT / "app.py"]:
        assert not re.search(r'[=!]==? *"(mini|show-o)', file.read_text(encoding="utf-8")), file
