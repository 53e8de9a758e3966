"""A trace of the embedded model's older world, flat forms on 64 x 64 pixels, opens as it did: it has its images."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.errors import UserError
from cotdemo.run.animation import frames
from cotdemo.run.story import MENDED, story_of
from cotdemo.run.trace import Trace
from cotdemo.search import reflect
from cotdemo.ui.keep import Keep
from cotdemo.ui.session import Runs

FILE = Path(__file__).parent / "data" / "older_world.json"


@pytest.fixture(scope="module")
def trace() -> Trace:
    return Trace.load(FILE)


def test_it_holds_the_run_whole(trace):
    assert trace.started.settings.prompt == "a photo of two red stars" and story_of(trace) == MENDED
    assert trace.winner.picture.shape == (64, 64, 3) and trace.winner.picture.std() > 10
    assert Trace.from_json(trace.to_json()).events == trace.events
    assert len(list(frames(trace))) > 18


def test_the_commands_tell_and_draw_it(tmp_path, capsys):
    assert cli.main(["trace", str(FILE)]) == 0
    assert "two red stars" in capsys.readouterr().out
    assert cli.main(["animate", str(FILE), str(tmp_path / "run.gif")]) == 0


def test_the_page_opens_it_with_its_settings_in_the_form():
    update = Keep("mini", Runs(), {}).open_file(str(FILE), None)
    assert update["prompt"] == "a photo of two red stars" and update["picture"].size == (64, 64)
    assert update["run"]["interactive"]


def test_what_would_paint_on_says_why_it_cannot(trace, tmp_path):
    backend = tiny_mini.backend(tmp_path)
    with pytest.raises(UserError, match="paint it anew"):
        list(reflect(backend, trace.events, anyway=True))
    with pytest.raises(UserError, match="does not know “stars”"):
        backend.canonical(trace.started.settings.prompt)
