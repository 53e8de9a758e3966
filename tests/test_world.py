"""The embedded world: splits, prompts, GenEval's rules, checker A."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cotdemo.errors import UserError
from cotdemo.world import checker_a, splits
from cotdemo.world.drawing import draw, silhouette
from cotdemo.world.geneval import CRITIQUE_WORDS, Found, judge_reading
from cotdemo.world.prompts import PROMPT_WORDS, TAGS, metadata, parse, words
from cotdemo.world.scenes import COLOURS, KINDS, RELATIONS, relations
from cotdemo.world.splits import NAMES, random_prompt, random_scene, split


def named(entry: dict) -> list[tuple]:
    """The combinations a prompt names, most telling first."""
    include = entry["include"]
    found: list[tuple] = []
    if len(include) == 2:
        found.append(("pair", *sorted((include[0]["class"], include[1]["class"]), key=KINDS.index)))
    found += [("number", item["class"], item["count"]) for item in include if item["count"] > 1]
    found += [("colour", item["class"], item["color"]) for item in include if "color" in item]
    return found


# Splits


def test_the_frozen_splits_are_what_their_command_writes():
    frozen = json.loads(splits.FILE.read_text())
    assert json.loads(json.dumps(splits.build())) == frozen


@pytest.mark.parametrize("what, total", [("pairs", 66), ("numbers", 36), ("colours", 120)])
def test_every_combination_belongs_to_exactly_one_split(what, total):
    owned = [item for name in NAMES for item in getattr(split(name), what)]
    assert len(owned) == len(set(owned)) == total


def test_every_split_has_every_kind_and_every_colour():
    for name in NAMES:
        assert {kind for pair in split(name).pairs for kind in pair} == set(KINDS)
        assert {colour for _, colour in split(name).colours} == set(COLOURS)


@pytest.mark.parametrize("name", NAMES)
def test_what_decides_a_prompt_belongs_to_its_split_and_no_other_held_out_combination_is_named(name):
    rng = np.random.default_rng(0)
    owner = {
        (label, *item): other
        for other in NAMES
        for label, items in (
            ("pair", split(other).pairs),
            ("number", split(other).numbers),
            ("colour", split(other).colours),
        )
        for item in items
    }
    for index in range(600):
        found = named(random_prompt(split(name), TAGS[index % 6], rng))
        if found:
            assert owner[found[0]] == name
        assert all(owner[combination] in (name, "pretrain") for combination in found)


def test_evaluation_prompts_are_fixed_and_a_hundred_of_each_kind():
    for name in ("dev", "test"):
        entries = splits.prompts(name)
        assert [entry["tag"] for entry in entries] == [tag for tag in TAGS for _ in range(100)]
    assert not {e["prompt"] for e in splits.prompts("dev") if e["tag"] != "single_object"} & {
        e["prompt"] for e in splits.prompts("test") if e["tag"] != "single_object"
    }


# Prompts


@pytest.mark.parametrize("tag", TAGS)
def test_a_prompt_in_words_and_its_metadata_say_the_same(tag):
    rng = np.random.default_rng(1)
    for _ in range(200):
        entry = random_prompt(split("pretrain"), tag, rng)
        assert parse(entry["prompt"]) == entry


def test_a_position_prompt_has_genevals_form():
    assert parse("a photo of a star right of a moon") == {
        "tag": "position",
        "include": [
            {"class": "moon", "count": 1},
            {"class": "star", "count": 1, "position": ["right of", 0]},
        ],
        "prompt": "a photo of a star right of a moon",
    }


def test_a_counting_prompt_excludes_one_more():
    assert parse("Two red stars!")["exclude"] == [{"class": "star", "count": 3}]


@pytest.mark.parametrize("prompt", ["a photo of a dog", "a photo of 🌟", "фото звезды", "a star ${7*7}", "<img src=x>"])
def test_an_unknown_word_is_named_with_the_words_that_are_known(prompt):
    with pytest.raises(UserError, match="does not know .*stars.*red"):
        words(prompt)


@pytest.mark.parametrize("prompt", ["", "  ", "...", "\n"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(UserError, match="empty"):
        words(prompt)


@pytest.mark.parametrize("prompt", ["a photo of", "star star star", "a photo of a red", "two stars left of a moon"])
def test_known_words_in_another_sentence_have_no_metadata(prompt):
    assert parse(prompt) is None


# Scenes and drawing


def test_every_kind_looks_different():
    sheets = [silhouette(kind, 21) for kind in KINDS]
    for i, a in enumerate(sheets):
        for b in sheets[:i]:
            assert np.minimum(a, b).sum() / np.maximum(a, b).sum() < 0.9


def test_relations_follow_genevals_rule():
    assert relations((0, 0, 10, 10), (30, 0, 40, 10)) == {"left of"}
    assert relations((30, 0, 40, 10), (0, 0, 10, 10)) == {"right of"}
    assert relations((0, 30, 10, 40), (0, 0, 10, 10)) == {"below"}
    assert relations((0, 0, 10, 10), (40, 40, 50, 50)) == {"left of", "above"}
    assert relations((0, 0, 10, 10), (2, 0, 12, 10)) == set()  # nearer than a tenth of both widths: no direction
    assert relations((0, 0, 10, 10), (0, 0, 10, 10)) == set()


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_scene_for_a_relation_shows_that_relation_only(relation):
    entry = metadata(
        "position", [{"class": "moon", "count": 1}, {"class": "star", "count": 1, "position": [relation, 0]}]
    )
    for seed in range(20):
        moon, star = random_scene(entry, np.random.default_rng(seed)).objects
        assert relations((star.x, star.y, star.x + 24, star.y + 24), (moon.x, moon.y, moon.x + 24, moon.y + 24)) == {
            relation
        }


# GenEval's rules


def found(kind, colour="red", x=0, y=0, score=1.0) -> Found:
    return Found(kind, colour, (x, y, x + 20, y + 20), score)


def verdict(prompt, *objects):
    return judge_reading(objects, parse(prompt))


def test_a_right_picture_has_no_fault():
    assert verdict("two red stars", found("star"), found("star", x=30)).strict


def test_more_objects_of_another_class_are_correct_but_not_strictly():
    result = verdict("a star", found("star"), found("moon", x=30))
    assert (result.correct, result.strict, result.reason) == (True, False, "there is a moon too many")


def test_more_of_the_same_class_is_correct_unless_it_was_counted():
    assert verdict("a star", found("star"), found("star", x=30)).correct
    assert not verdict("two stars", *[found("star", x=20 * i) for i in range(3)]).correct


@pytest.mark.parametrize(
    "prompt, objects, reason",
    [
        ("two stars", [found("star"), found("star"), found("star")], "three stars , not two"),
        ("two stars", [found("star")], "one star , not two"),
        ("a star", [], "there is no star"),
        ("a blue star", [found("star")], "the star is red , not blue"),
        ("a star left of a moon", [found("star", x=40), found("moon")], "the star is right of , not left of"),
        ("a star", [found(None, None)], "there is no star; something is malformed"),
    ],
)
def test_what_is_wrong_is_said_in_words(prompt, objects, reason):
    assert verdict(prompt, *objects).reason == reason


def test_colour_is_judged_on_the_best_scored_objects():
    assert verdict("a red star", found("star", "blue", score=0.5), found("star", x=30)).correct


def test_critiques_use_only_words_the_models_know():
    known = {*PROMPT_WORDS, *CRITIQUE_WORDS}
    for prompt, objects in (
        ("two stars", [found("star")]), ("a blue cross", [found("cross")]), ("a star", [found(None)]),
        ("four arrows", [found("arrow", x=i) for i in range(6)]),
        ("a star above a moon", [found("star"), found("moon")]),
    ):  # fmt: skip
        for fault in verdict(prompt, *objects).faults:
            assert set(fault.words().split()) <= known


# Checker A (checker B has its own file)


def recovered(scene, reading) -> bool:
    truth = sorted((o.kind, o.colour, o.x, o.y) for o in scene.objects)
    seen = sorted((f.kind or "", f.colour or "", f.box[0], f.box[1]) for f in reading)
    return len(truth) == len(seen) and all(
        a[:2] == b[:2] and abs(a[2] + 1 - b[2]) <= 3 and abs(a[3] + 1 - b[3]) <= 3 for a, b in zip(truth, seen)
    )


def test_checker_a_reads_clean_renders():
    rng = np.random.default_rng(2)
    scenes = [random_scene(random_prompt(split("test"), TAGS[i % 6], rng), rng) for i in range(1000)]
    assert np.mean([recovered(scene, checker_a.read(draw(scene))) for scene in scenes]) >= 0.995
