"""The drawn world of GenEval's things: drawings, sheet, scenes, splits."""

import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from cotdemo.geneval import prompts as geneval
from cotdemo.geneval.prompts import CLASSES, TAGS
from cotdemo.geneval.rules import Found, evaluate
from cotdemo.things import splits
from cotdemo.things.scenes import CANVAS, draw, packed
from cotdemo.things.sheet import COLOURS, NATURAL, SIZE, TINTS, drawing, file_of, own_colour, sheet
from cotdemo.things.splits import NAMES, named, prompts, random_prompts, random_scene, split

_ALLOWED = {"svg", "g", "path", "circle", "ellipse", "rect", "polygon", "polyline", "line"}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_drawing_is_plain_svg_whose_body_takes_any_colour(kind):
    source = file_of(kind).read_text(encoding="utf-8")
    assert set(re.findall(r"<([a-zA-Z]+)", source)) <= _ALLOWED
    assert re.match(r'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" color="#[0-9a-f]{6}"', source)
    assert "currentColor" in source
    assert len(source) < 2000


@pytest.mark.parametrize("kind", CLASSES)
def test_a_drawing_fills_its_box_and_is_mostly_its_colour(kind):
    alpha = drawing(kind)[..., 3] / 255
    assert alpha.mean() > 0.2
    red, blue = drawing(kind, "red").astype(float), drawing(kind, "blue").astype(float)
    tinted = (np.abs(red - blue)[..., :3].max(-1) > 30) & (alpha > 0.5)
    assert tinted.sum() / (alpha > 0.5).sum() > 0.3


def test_the_sheet_is_what_the_drawings_render_to():
    resvg = pytest.importorskip("resvg_py", reason="rendering drawings takes resvg-py")
    assert resvg
    from cotdemo.things.sheet import render

    rendered = np.asarray(render()).reshape(len(CLASSES), SIZE, len(TINTS), SIZE, 4).swapaxes(1, 2)
    assert np.abs(rendered.astype(int) - sheet()).max() <= 2


def test_a_natural_colour_that_is_one_of_the_ten_looks_like_it():
    for kind in CLASSES:
        colour = own_colour(kind)
        if colour:
            np.testing.assert_array_equal(drawing(kind, NATURAL), drawing(kind, colour))


def test_every_combination_belongs_to_one_split_and_those_of_geneval_to_test():
    for what, total in (("pairs", 3160), ("numbers", 240), ("colours", 790)):
        owned = [set(getattr(split(name), what)) for name in NAMES]
        assert sum(map(len, owned)) == len(set().union(*owned)) == total
        official = set().union(*(named(entry)[what] for entry in geneval.draw()))
        assert official == owned[-1]


@pytest.mark.parametrize("name", NAMES[:-1])
def test_no_prompt_of_another_split_names_a_combination_of_geneval(name):
    forbidden = {what: set(getattr(split("test"), what)) for what in ("pairs", "numbers", "colours")}
    for entry in random_prompts(name, 3000, np.random.default_rng(5)):
        assert not any(combination & forbidden[what] for what, combination in named(entry).items())


def test_dev_is_of_the_make_and_size_of_the_benchmark():
    test, dev = prompts("test"), prompts("dev")
    assert Counter(entry["tag"] for entry in dev) == Counter(entry["tag"] for entry in test)
    assert [entry["prompt"] for entry in test] == [entry["prompt"] for entry in geneval.draw()]


@pytest.mark.parametrize("tag", TAGS)
def test_a_random_scene_is_right_by_the_rules_of_the_benchmark(tag):
    rng = np.random.default_rng(3)
    for _ in range(100):
        entry = splits.random_prompt(split("pretrain"), tag, rng)
        scene = random_scene(entry, rng)
        found = [
            Found(thing.kind, own_colour(thing.kind) if thing.tint == NATURAL else thing.tint, thing.box)
            for thing in scene.things
        ]
        assert evaluate(found, entry) == (True, "")


def test_things_do_not_overlap_and_stay_on_the_canvas():
    rng = np.random.default_rng(1)
    for _ in range(50):
        scene = packed(rng)
        assert draw(scene).shape == (CANVAS, CANVAS, 3)
        for a, b in combinations(scene.things, 2):
            assert abs(a.x - b.x) >= SIZE or abs(a.y - b.y) >= SIZE
        assert {thing.tint for thing in scene.things} <= {NATURAL, *COLOURS}
