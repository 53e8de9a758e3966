"""What a run can be saved as: the menu's rows, and the files behind them."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cotdemo.run.card import SIDE, WIDTH, before_after, enlarged, repair_of
from cotdemo.run.png import read_png_settings
from cotdemo.run.story import MENDED, NOT_MENDED, PLAIN, story_of
from cotdemo.run.trace import Trace
from cotdemo.ui.exports import EXPORTS, GONE, NOTHING, Exports, file_name, menu
from cotdemo.ui.keep import Keep
from cotdemo.ui.session import Runs

RUNS = {file.stem: Trace.load(file) for file in sorted((Path(__file__).parents[1] / "assets" / "runs").glob("*.json"))}
NAMED = {one.name: one for one in EXPORTS}


def prompted(trace: Trace, prompt: str) -> Trace:
    """The run of another prompt."""
    begun = trace.started
    events = [
        replace(begun, settings=replace(begun.settings, prompt=prompt)) if one is begun else one for one in trace.events
    ]
    return Trace.of(events)


def told(story: str) -> str:
    return next(name for name, trace in RUNS.items() if story_of(trace) == story)


@pytest.fixture(scope="module")
def keep():
    return Keep("mini", Runs(), RUNS)


def saved(keep: Keep, run: str, what: str) -> tuple[str, bytes]:
    id = keep.open_named(run)["run_id"]
    answer = Exports(keep).export({"run": id, "what": what})
    return answer["name"], base64.b64decode(answer["url"].partition(",")[2])


def test_the_image_is_512_pixels_named_by_prompt_and_seed_and_opens_with_its_settings(keep):
    name, data = saved(keep, told(MENDED), "picture")
    trace = RUNS[told(MENDED)]
    settings, image = trace.started.settings, Image.open(io.BytesIO(data))
    assert name == f"{settings.prompt.removeprefix('a photo of ').replace(' ', '-')}-seed-{settings.seed}.png"
    assert max(image.size) == 512 and read_png_settings(io.BytesIO(data)) == settings
    small = Image.fromarray(trace.winner.picture)
    if max(small.size) <= 64:  # every pixel of it is a square
        assert (np.asarray(image.resize(small.size, Image.Resampling.NEAREST)) == np.asarray(small)).all()


def test_small_images_are_enlarged_pixel_by_pixel_larger_ones_smoothly_and_none_is_made_smaller():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    board = np.repeat(checks[:, :, None], 3, axis=2)
    assert np.unique(np.asarray(enlarged(board, 512))).tolist() == [0, 255]
    wide = np.zeros((96, 128, 3), np.uint8)
    assert enlarged(wide, 512).size == (512, 384) and enlarged(np.zeros((1024, 1024, 3), np.uint8), 512).width == 1024


@pytest.mark.parametrize("story", [MENDED, NOT_MENDED])
def test_a_card_has_both_images_of_a_repair(keep, story):
    name, data = saved(keep, told(story), "card")
    card = Image.open(io.BytesIO(data)).convert("RGB")
    assert name.endswith("-before-after.png") and card.width == WIDTH and len(data) < 300_000
    pixels = np.asarray(card)
    for round in repair_of(RUNS[told(story)].state):
        wanted = np.asarray(enlarged(round.winner.picture, SIDE))
        found = any(
            (pixels[top : top + SIDE, left : left + SIDE] == wanted).all()
            for left in (28, 28 + SIDE + 28)
            for top in range(28, card.height - SIDE)
        )
        assert found


def test_whatever_a_prompt_and_a_critique_say_they_stay_on_the_card():
    trace = RUNS[told(MENDED)]
    words = "<b>" + "ab" * 400 + " " + "a dog " * 200
    card = before_after(prompted(trace, words).state)
    assert card.width == WIDTH and card.height < 900
    assert (np.asarray(card)[:, -8:] == np.asarray(card)[0, -1]).all()  # nothing runs over the edge


def test_without_a_repair_there_is_no_card_and_without_a_run_nothing(keep):
    export = Exports(keep).export
    id = keep.open_named(told(PLAIN))["run_id"]
    assert before_after(RUNS[told(PLAIN)].state) is None
    assert export({"run": id, "what": "card"}) == {"refused": NOTHING}
    assert export({"run": "nonsense", "what": "gif"}) == {"refused": GONE}
    for hostile in (None, [], {"run": [], "what": []}, {"run": id, "what": "../x"}, {"run": {}, "what": "gif"}):
        assert set(export(hostile)) == {"refused"}


def test_every_row_of_the_menu_makes_its_file(keep):
    assert [row["name"] for row in menu()] == list(NAMED) and len(NAMED) < 9
    made = {name: saved(keep, told(MENDED), name) for name in NAMED}
    assert len({file for file, _ in made.values()}) == len(made)
    sizes = {name: len(data) for name, (_, data) in made.items()}
    assert sizes["webp"] < 0.7 * sizes["gif"]
    with Image.open(io.BytesIO(made["webp"][1])) as moving:
        assert moving.format == "WEBP" and moving.n_frames > 10
    assert Trace.from_json(made["trace"][1]).started == RUNS[told(MENDED)].started
    assert made["document"][1].startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    "prompt, name",
    [
        ("a photo of two red apples", "two-red-apples"),
        ("../../etc/passwd \\ C:\\x", "etc-passwd-c-x"),
        ("??", "image"),
        ("ein Bär. " * 40, ("ein-bär-" * 8)[:60].rstrip("-")),
    ],
)
def test_a_files_name_is_safe_whatever_the_prompt(prompt, name):
    trace = RUNS[told(PLAIN)]
    assert file_name(prompted(trace, prompt), NAMED["picture"]) == f"{name}-seed-{trace.started.settings.seed}.png"


def test_the_card_opens_with_its_settings_too(keep):
    name, data = saved(keep, told(MENDED), "card")
    assert name.endswith("-before-after.png")
    assert read_png_settings(io.BytesIO(data)) == RUNS[told(MENDED)].started.settings


def test_what_is_saved_of_a_recorded_run_has_its_date(keep):
    trace = RUNS[told(PLAIN)]
    assert trace.created.encode() in saved(keep, told(PLAIN), "trace")[1]
    id = keep.open_named(told(PLAIN))["run_id"]
    assert keep.kept_trace(id).created == trace.created == keep.runs.get(id).trace().created
    run = keep.runs.get(id)
    run.keep([trace.finished])  # from here on it is another run
    assert run.trace().created > trace.created
