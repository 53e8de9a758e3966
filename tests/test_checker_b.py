"""Checker B: what it must read, what it must reject, and what a person would not mind."""

from __future__ import annotations

import numpy as np
import pytest
import world_faults as wf

from cotdemo.world.checker_b import read
from cotdemo.world.drawing import draw
from cotdemo.world.geneval import judge_reading
from cotdemo.world.prompts import metadata
from cotdemo.world.scenes import COLOURS, GROUND, KINDS, Object, Scene


def picture_of(*objects: Object) -> np.ndarray:
    return draw(Scene(objects))


def kinds(picture: np.ndarray) -> list[str | None]:
    return sorted((item.kind for item in read(picture)), key=str)


def test_every_kind_in_every_colour_is_read_where_it_stands():
    for kind in KINDS:
        for colour in COLOURS:
            (found,) = read(picture_of(Object(kind, colour, 16, 24)))
            assert (found.kind, found.colour, found.box) == (kind, colour, (16, 24, 40, 48))
            assert found.score > 0.9


def test_the_plain_ground_holds_nothing():
    assert read(np.full((64, 64, 3), GROUND, np.uint8)) == ()


def test_objects_need_not_stand_on_the_pitch():
    for x, y in ((3, 5), (13, 30), (37, 11)):
        (found,) = read(picture_of(Object("star", "green", x, y)))
        assert (found.kind, found.box[:2]) == ("star", (x, y))


def test_neighbours_of_one_colour_three_pixels_apart_are_two_objects():
    for kind in KINDS:
        pair = Object(kind, "blue", 8, 16), Object(kind, "blue", 32, 16)
        assert kinds(picture_of(*pair)) == [kind, kind]
        assert kinds(wf.distort(picture_of(*pair), np.random.default_rng(0))) == [kind, kind]


def test_two_objects_over_one_another_are_not_readable():
    assert None in kinds(picture_of(Object("circle", "red", 8, 8), Object("circle", "red", 20, 14)))
    assert None in kinds(picture_of(Object("square", "red", 8, 8), Object("circle", "blue", 20, 14)))


def test_a_bridge_between_two_objects_makes_them_one_blob():
    picture = picture_of(Object("square", "red", 8, 16), Object("square", "red", 32, 16))
    picture[20:36, 28:36] = COLOURS["red"]
    assert None in kinds(picture)


def test_specks_are_overlooked_but_blobs_are_not():
    picture = picture_of(Object("heart", "pink", 8, 8))
    picture[50:52, 50:53] = COLOURS["black"]
    assert kinds(picture) == ["heart"]
    picture[48:54, 48:54] = COLOURS["black"]
    assert kinds(picture) == [None, "heart"]


def test_a_faint_ghost_of_an_object_is_not_an_object():
    ghost = [(coverage * 0.35, colour) for coverage, colour in map(wf.layer, [Object("circle", "black", 24, 24)])]
    assert kinds(wf.paint(ghost)) == [None]


def test_a_cut_off_object_is_not_readable():
    coverage, colour = wf.layer(Object("circle", "green", -10, 20))
    assert set(kinds(wf.paint([(coverage, colour)]))) == {None}


def test_a_colour_outside_the_world_is_said_to_be_none():
    coverage, _ = wf.layer(Object("square", "green", 20, 20))
    (found,) = read(wf.paint([(coverage, np.array([0, 230, 230], np.float32))]))
    assert (found.kind, found.colour) == ("square", None)


def test_a_changed_ground_shade_does_not_matter():
    picture = picture_of(Object("moon", "white", 8, 8), Object("tree", "brown", 32, 32))
    assert kinds(np.clip(picture.astype(int) - 12, 0, 255).astype(np.uint8)) == ["moon", "tree"]


def test_noise_and_plain_colours_are_unreadable_not_errors():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for picture in (noise, np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)):
        found = read(picture)
        assert found and all(item.kind is None for item in found)


def test_a_verdict_names_what_is_wrong():
    asked = metadata("colors", [{"class": "star", "count": 1, "color": "red"}])
    verdict = judge_reading(read(picture_of(Object("star", "blue", 16, 16))), asked)
    assert not verdict.correct and verdict.reason == "the star is blue , not red"


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(ValueError, match="64"):
        read(np.zeros((32, 32, 3), np.uint8))
