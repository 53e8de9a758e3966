"""Two checkers read drawings of the eighty things, independently, and notice what is wrong with them."""

import numpy as np
import pytest
import torch

from cotdemo.backends import MINI
from cotdemo.generator.magvit import MagvitV2
from cotdemo.geneval.prompts import CLASSES
from cotdemo.geneval.rules import Found
from cotdemo.training.images import to_pixels
from cotdemo.world import checker_a, checker_b
from cotdemo.world.faults import judge_reading
from cotdemo.world.scenes import GROUND, Scene, Thing, draw
from cotdemo.world.sheet import COLOURS, NATURAL, SIZE, TINTS, own_colour
from cotdemo.world.splits import random_prompts, random_scene

CHECKERS = {"A": checker_a.read, "B": checker_b.read}
PLACES = ((16, 16), (80, 0), (0, 64), (64, 80))  # of four things in one image


def scenes(count: int, seed: int, split: str = "dev") -> list[tuple[dict, Scene]]:
    rng = np.random.default_rng(seed)
    return [(entry, random_scene(entry, rng)) for entry in random_prompts(split, count, rng)]


@pytest.fixture(params=CHECKERS, ids=lambda name: f"checker {name}")
def read(request):
    return CHECKERS[request.param]


def test_every_thing_in_every_tint_is_read(read):
    """And so is told from whatever looks alike in the same colour: a fork from a knife, a cat from a dog."""
    every = [(kind, tint) for tint in TINTS for kind in CLASSES]
    for start in range(0, len(every), len(PLACES)):
        things = {place: Thing(*one, *place) for place, one in zip(PLACES, every[start:])}
        found = {item.box: (item.kind, item.colour) for item in read(draw(Scene(tuple(things.values()))))}
        assert found == {
            (x, y, x + 48, y + 48): (one.kind, own_colour(one.kind) if one.tint == NATURAL else one.tint)
            for (x, y), one in things.items()
        }


def test_right_scenes_are_right(read):
    for entry, scene in scenes(150, 1):
        assert judge_reading(read(draw(scene)), entry).strict


def test_swapped_colours_are_noticed(read):
    rng = np.random.default_rng(2)
    for _ in range(60):
        first, second = rng.choice(CLASSES[1:], 2, replace=False)
        one, other = rng.choice(list(COLOURS), 2, replace=False)
        asked = [{"class": first, "count": 1, "color": one}, {"class": second, "count": 1, "color": other}]
        entry = {"tag": "color_attr", "include": asked}
        right = Scene((Thing(first, one, 0, 0), Thing(second, other, 64, 64)))
        swapped = Scene((Thing(first, other, 0, 0), Thing(second, one, 64, 64)))
        assert judge_reading(read(draw(right)), entry).correct
        assert not judge_reading(read(draw(swapped)), entry).correct


def half_gone(image: np.ndarray, thing: Thing, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        image[thing.y : thing.y + SIZE, thing.x + SIZE // 2 : thing.x + SIZE] = GROUND
    else:
        image[thing.y + SIZE // 2 : thing.y + SIZE, thing.x : thing.x + SIZE] = GROUND


def half_another(image: np.ndarray, thing: Thing, rng: np.random.Generator) -> None:
    kind = CLASSES[(CLASSES.index(thing.kind) + rng.integers(1, len(CLASSES))) % len(CLASSES)]
    other = draw(Scene((Thing(kind, thing.tint, thing.x, thing.y),)))
    box = np.s_[thing.y : thing.y + SIZE, thing.x + SIZE // 2 : thing.x + SIZE]
    image[box] = other[box]


def scrambled(image: np.ndarray, thing: Thing, rng: np.random.Generator) -> None:
    """Its cells in another order, as a painter that knows the parts but not the whole might have it."""
    cells = image[thing.y : thing.y + SIZE, thing.x : thing.x + SIZE].reshape(3, 16, 3, 16, 3).swapaxes(1, 2)
    mixed = np.roll(cells.reshape(9, 16, 16, 3), rng.integers(1, 9), axis=0).reshape(3, 3, 16, 16, 3)
    image[thing.y : thing.y + SIZE, thing.x : thing.x + SIZE] = mixed.swapaxes(1, 2).reshape(SIZE, SIZE, 3)


@pytest.mark.parametrize("spoil", [half_gone, half_another, scrambled], ids=lambda spoil: spoil.__name__)
def test_what_is_half_a_thing_is_none(read, spoil):
    rng, noticed, cases = np.random.default_rng(4), 0, scenes(100, 5)
    for entry, scene in cases:
        image = draw(scene).copy()
        spoil(image, scene.things[rng.integers(len(scene.things))], rng)
        noticed += not judge_reading(read(image), entry).strict
    assert noticed >= 0.98 * len(cases)


def test_the_checkers_agree_on_images_with_a_cell_missing():
    rng, agree, cases = np.random.default_rng(6), 0, scenes(150, 7)
    for entry, scene in cases:
        image, thing = draw(scene).copy(), scene.things[rng.integers(len(scene.things))]
        row, column = rng.integers(3, size=2) * 16
        image[thing.y + row : thing.y + row + 16, thing.x + column : thing.x + column + 16] = GROUND
        a, b = (judge_reading(read(image), entry).correct for read in CHECKERS.values())
        agree += a == b
    assert agree >= 0.85 * len(cases)


def test_an_empty_image_holds_nothing(read):
    assert read(draw(Scene(()))) == ()


def test_noise_is_something_malformed(read):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    found: tuple[Found, ...] = read(noise)
    assert [item.kind for item in found] == [""]


def test_what_the_tokenizer_leaves_of_right_scenes_is_right(read):
    """Of 240 scenes checker A reads 99.2% as right, B 98.3%."""
    model = MagvitV2.from_pretrained(MINI / "magvit", torch_dtype=torch.float32).eval()
    cases = scenes(60, 8)
    with torch.inference_mode():
        codes = model.encode(to_pixels(np.stack([draw(scene) for _, scene in cases])))
        images = MagvitV2.to_uint8(model.decode(codes))
    right = sum(judge_reading(read(image), entry).strict for (entry, _), image in zip(cases, images))
    assert right >= 0.95 * len(cases)
