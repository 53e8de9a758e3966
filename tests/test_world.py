"""The drawn world of GenEval's things: drawings, sheet, scenes, splits."""

import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotdemo.errors import UserError
from cotdemo.geneval import prompts as geneval
from cotdemo.geneval.prompts import CLASSES, TAGS
from cotdemo.geneval.rules import Found, evaluate
from cotdemo.world import splits
from cotdemo.world.prompts import parse
from cotdemo.world.scenes import CANVAS, anything, draw, packed
from cotdemo.world.sheet import COLOURS, NATURAL, SIZE, TINTS, drawing, file_of, own_colour, sheet
from cotdemo.world.splits import NAMES, named, prompts, random_prompts, random_scene, split
from cotdemo.world.words import PROMPT_WORDS

_OTHER_WORDS = ("1", "2", "sofa", "kitten", ",", "&", "in", "on", "top", "under", "glass", "hot", "the", "left", "side")
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
    from cotdemo.world.sheet import render

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


def test_the_benchmarks_prompts_are_read_as_the_benchmark_has_them():
    for entry in geneval.draw():
        assert parse(entry["prompt"]) == entry


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("2 kitties, and a RED sofa.", "a photo of two cats and a red couch"),
        ("Two red dogs and a cat", "a photo of two red dogs and a cat"),
        ("bike", "a photo of a bicycle"),
        ("A DOG THAT IS RED & A CAT THAT IS BLUE!", "a photo of a red dog and a blue cat"),
        ("a dog in red and a blue cat", "a photo of a red dog and a blue cat"),
        ("the dog is to the left of the cat", "a photo of a dog left of a cat"),
        ("a mouse on top of a cellphone", "a photo of a computer mouse above a cell phone"),
        ("an orange orange", "a photo of an orange orange"),
        ("orange dog and an orange", "a photo of an orange dog and an orange"),
        ("a dog, a cat, a bus", "a photo of a dog and a cat and a bus"),
        ("a dog and a dog", "a photo of two dogs"),
        ("  three\tdonuts!!! ", "a photo of three donuts"),
        ("tv remote", "a photo of a tv remote"),
        ("a TV and a remote", "a photo of a tv and a tv remote"),
        ("a dog sitting on a bench", "a photo of a dog above a bench"),
        ("red cup on the oven", "a photo of a red cup above an oven"),
        ("a dog on the left side of a cat", "a photo of a dog left of a cat"),
    ],
)  # fmt: skip
def test_people_type_as_they_like(typed, canonical):
    entry = parse(typed)
    assert entry["prompt"] == canonical
    assert parse(canonical) == entry


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Name something to paint"),
        ("a photo of", "Name something to paint"),
        ("a doog", "did you mean dog"),
        ("an appel", "did you mean apple"),
        ("猫", "does not know “猫”"),
        ("a grey cat", "none of the ten colours here. Say black or white"),
        ("a dark blue dog", "does not know “dark”. Try “a photo of a blue dog”"),
        ("a cat in the garden", "Try “a photo of a cat”"),
        ("a unicorn", "Try “a photo of two red dogs”"),
        ("5 dogs", "At most 4 things"),
        ("three dogs and two cats", "At most 4 things"),
        ("a red person", "People come in one colour"),
        ("a cat beside a dog", "no relation here"),
        ("a dog and a cat left of a bus", "Try “a photo of a dog left of a bus”"),
        ("left of a dog", "Try “a photo of a dog”"),
        ("a red apple and a green apple", "two colours"),
    ],
)  # fmt: skip
def test_what_cannot_be_painted_or_checked_is_refused_with_what_works(typed, told):
    with pytest.raises(UserError, match=re.escape(told)):
        parse(typed)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text):
    try:
        entry = parse(text)
    except UserError:
        return
    assert parse(entry["prompt"]) == entry
    assert sum(item["count"] for item in entry["include"]) <= 4
    assert set(re.findall(r"\S+", entry["prompt"])) <= set(PROMPT_WORDS)


@given(st.lists(st.sampled_from([*PROMPT_WORDS, *_OTHER_WORDS]), min_size=1, max_size=10))
def test_any_words_are_read_or_refused_in_words(words):
    test_any_text_is_read_or_refused_in_words.hypothesis.inner_test(" ".join(words))


def test_a_hint_names_combinations_of_pretrain_alone():
    rng, where = np.random.default_rng(3), splits.split("pretrain")
    whole = 0
    for _ in range(300):
        scene = anything(rng)
        phrases = splits.hint(scene, rng).removeprefix("a photo of ").split(" and ")
        kinds = []
        for thing, phrase in zip(scene.things, phrases, strict=True):
            words = phrase.split(" ", 1)[1]
            assert words in {
                thing.kind, f"{thing.tint} {thing.kind}", f"<unk> {thing.kind}", f"{thing.tint} <unk>", "<unk>"
            }  # fmt: skip
            kinds += [thing.kind] * words.endswith(thing.kind)
            if words == f"{thing.tint} {thing.kind}":
                assert thing.tint in where.known[thing.kind]
                whole += 1
        assert all(tuple(sorted(pair)) in where.pair_set for pair in combinations(kinds, 2))
    assert whole > 50


def test_a_careless_caption_says_another_relation_or_number_and_nothing_else_wrong():
    rng, said = np.random.default_rng(3), "a photo of a dog right of a teddy bear"
    always = {"relation": 1.0, "number": 1.0}
    wrong = {splits.miscaptioned(said, always, rng) for _ in range(40)}
    assert {parse(caption)["include"][1]["position"][0] for caption in wrong} == {"left of", "above", "below"}
    assert all([item["class"] for item in parse(caption)["include"]] == ["teddy bear", "dog"] for caption in wrong)
    said = "a photo of two red buses"
    captions = [splits.miscaptioned(said, {"number": 0.3}, rng) for _ in range(80)]
    assert set(captions) == {said, "a photo of three red buses", "a photo of four red buses"}
    assert 40 < captions.count(said) < 70
    assert splits.miscaptioned("a photo of a red dog", always, rng) == "a photo of a red dog"
