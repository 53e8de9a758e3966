"""What the judge learns from: images as tokens, each with a prompt, and answers that checker A gives.

Here those on *drawn* images: scenes that fit their prompt and scenes with one thing changed, seen through the image
tokenizer; where wanted, some with tokens of another image pasted in. Those on generated images are made in
``trajectories``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..generator.magvit import MagvitV2
from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, metadata
from ..geneval.rules import Found
from ..world.checker_a import read
from ..world.faults import judge_reading
from ..world.requirements import Requirement, requirements
from ..world.scenes import MOST, PITCH, Scene, Thing, draw, free_spots
from ..world.sheet import NATURAL, own_colour
from ..world.splits import COLOURED, is_of_test, random_prompts, random_scene
from .arrays import Arrays
from .images import to_pixels

SWAPPED = 0.5  # share of wrong scenes, where two colours are asked for, in which they are exchanged
UNKNOWN = -1  # a question that this image gives no answer to


@dataclass(frozen=True)
class Drawn:
    """Which drawn images, with prompts of some splits."""

    count: int = 40_000
    damaged: float = 0.0  # share with tokens of another image pasted in
    splits: tuple[str, ...] = ("pretrain", "align")
    seed: int = 6


@dataclass(frozen=True)
class Lessons(Arrays):
    """Images and answers; arrays of one length. Questions hold 1 (yes), 0 (no) or UNKNOWN."""

    prompts: np.ndarray  # (n,) str
    codes: np.ndarray  # (n, tokens) uint16
    clarity: np.ndarray  # (n,) int8
    potential: np.ndarray  # (n,) int8
    outcome: np.ndarray  # (n,) int8
    critiques: np.ndarray  # (n,) str: what is wrong; "" where nothing is known to be
    contents: np.ndarray  # (n,) str: what is in the image, in words
    other: np.ndarray  # (n,) str: another prompt, that the image fits or that differs in one point
    other_outcome: np.ndarray  # (n,) int8: whether the image fits that one, or UNKNOWN
    parts: np.ndarray  # (n, 2) str: a requirement of the prompt, and one of the other prompt; "" where it is GenEval's
    present: np.ndarray  # (n, 2) int8: whether they hold, or UNKNOWN
    step: np.ndarray  # (n,) int16: step of the guess, or -1 where it was drawn
    path: np.ndarray  # (n,) int32: guesses of one painting share it

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def join(cls, *parts: Lessons) -> Lessons:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def only(self, rows: np.ndarray) -> Lessons:
        return Lessons(*(getattr(self, field.name)[rows] for field in fields(self)))


def contents(found: Sequence[Found]) -> str:
    """What was read in an image, in words, row by row and from left to right; "" for what is in GenEval's prompts."""
    if is_of_test({"include": _include(found)}):
        return ""
    ordered = sorted(found, key=lambda item: (round(item.box[1] / PITCH), item.box[0]))
    names = [" ".join(filter(None, (item.colour, item.kind))) or "something malformed" for item in ordered]
    return " , ".join(names) if names else "none"


def _include(found: Sequence[Found]) -> list[dict]:
    """What a prompt for just the things that were read would ask for, in colours where they have one."""
    groups = Counter((item.kind, item.colour) for item in found if item.kind)
    return [
        {"class": kind, "count": count} | ({"color": colour} if colour and kind in COLOURED else {})
        for (kind, colour), count in groups.items()
    ]


def other_prompt(entry: dict, found: Sequence[Found], rng: np.random.Generator) -> dict:
    """The metadata of another prompt about an image: for many wrong images one that they fit, else a variation."""
    if not judge_reading(found, entry).strict and rng.random() < 0.7 and all(item.kind for item in found):
        include = _include(found)
        kinds = {item["class"] for item in include}
        if len(kinds) == len(include) and 0 < len(found) <= MOST:
            tag = "counting" if len(found) > len(include) else "color_attr"
            if not is_of_test({"include": include}):
                return metadata(tag, include)
    return variation(entry, rng)


def variation(entry: dict, rng: np.random.Generator) -> dict:
    """The metadata of a prompt that differs from ``entry`` in one point: colours or places exchanged, where there are
    two, or another colour, number, relation or kind. None of GenEval's own."""
    while True:
        varied = _varied(entry, rng)
        if not is_of_test(varied) and sum(item["count"] for item in varied["include"]) <= MOST:
            return varied


def _varied(entry: dict, rng: np.random.Generator) -> dict:
    include = [dict(item) for item in entry["include"]]
    index = int(rng.integers(len(include)))
    item = include[index]
    coloured = [i for i, one in enumerate(include) if "color" in one]

    def another(value, values: Sequence):
        return [one for one in values if one != value][rng.integers(len(values) - 1)]

    placed = next((one for one in include if "position" in one), None)
    if len({include[i]["color"] for i in coloured}) > 1 and rng.random() < 0.6:
        first, second = coloured[:2]
        include[first]["color"], include[second]["color"] = include[second]["color"], include[first]["color"]
    elif placed and rng.random() < 0.6:
        placed["position"] = [another(placed["position"][0], RELATIONS), placed["position"][1]]
    elif item["count"] > 1 and rng.random() < 0.6:
        item["count"] = another(item["count"], tuple(NUMBERS.values()))
    elif "color" in item and rng.random() < 0.7:
        item["color"] = another(item["color"], COLOURS)
    else:
        among = COLOURED if "color" in item else CLASSES
        kinds = [kind for kind in among if all(kind != one["class"] for one in include)]
        item["class"] = kinds[rng.integers(len(kinds))]
    return metadata(entry["tag"], include)


def _swapped(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with the tints of two things exchanged, as generators often paint them; as it is where all agree."""
    things = list(scene.things)
    pairs = [(i, j) for j, b in enumerate(things) for i, a in enumerate(things[:j]) if a.tint != b.tint]
    if pairs:
        i, j = pairs[rng.integers(len(pairs))]
        things[i], things[j] = replace(things[i], tint=things[j].tint), replace(things[j], tint=things[i].tint)
    return Scene(tuple(things))


def _wrong(entry: dict, scene: Scene, rng: np.random.Generator) -> Scene:
    """A right scene made wrong: often by exchanging colours, where two are asked for, else by another change.

    Exchanged colours are what a judge overlooks: every word of the prompt is in the image, on the wrong thing.
    """
    asked = {item.get("color") for item in entry["include"]} - {None}
    return _swapped(scene, rng) if len(asked) > 1 and rng.random() < SWAPPED else _changed(scene, rng)


def _changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one thing changed: a thing missing, added, of another kind or colour, or two out of place."""
    things = list(scene.things)
    index = int(rng.integers(len(things)))
    item = things[index]
    change = rng.choice(["missing", "added", "twin", "kind", "colour", "moved"], p=[0.2, 0.14, 0.14, 0.16, 0.16, 0.2])
    if change == "missing" and len(things) > 1:
        del things[index]
    elif change in ("kind", "missing"):
        things[index] = replace(item, kind=_another_kind(item.kind, rng))
    elif change == "colour":
        things[index] = replace(item, tint=_another_tint(item, rng))
    elif change == "moved" and len(things) > 1:
        other = things[(index + 1) % len(things)]
        things[index], things[(index + 1) % len(things)] = (
            replace(item, x=other.x, y=other.y), replace(other, x=item.x, y=item.y),
        )  # fmt: skip
    elif free := free_spots((one.x, one.y) for one in things):
        x, y = free[rng.integers(len(free))]
        things.append(
            replace(item, x=x, y=y) if change == "twin" else Thing(_another_kind(item.kind, rng), NATURAL, x, y)
        )
    return Scene(tuple(things))


def _another_kind(kind: str, rng: np.random.Generator) -> str:
    return CLASSES[(CLASSES.index(kind) + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)]


def _another_tint(thing: Thing, rng: np.random.Generator) -> str:
    now = own_colour(thing.kind) if thing.tint == NATURAL else thing.tint
    tints = [colour for colour in COLOURS if colour != now]
    return tints[rng.integers(len(tints))]


def _paste(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each grid of ``(n, tokens)`` with a small rectangle of tokens taken from the next one."""
    side = int(codes.shape[1] ** 0.5)
    grids = codes.reshape(-1, side, side).copy()
    for grid, other in zip(grids, np.roll(codes.reshape(-1, side, side), 1, axis=0)):
        height, width = rng.integers(1, 4, size=2)
        top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
        grid[top : top + height, left : left + width] = other[top : top + height, left : left + width]
    return grids.reshape(codes.shape)


@torch.no_grad()
def drawn(magvit: MagvitV2, drawn: Drawn) -> Lessons:
    """Images of right scenes and of changed ones."""
    rng = np.random.default_rng([drawn.seed, 11])
    parts = []
    for first in range(0, drawn.count, 256):
        size = min(256, drawn.count - first)
        entries = [random_prompts(drawn.splits[rng.integers(len(drawn.splits))], 1, rng)[0] for _ in range(size)]
        scenes = [random_scene(entry, rng) for entry in entries]
        scenes = [scene if rng.random() < 0.4 else _wrong(entry, scene, rng) for entry, scene in zip(entries, scenes)]
        codes = magvit.encode(to_pixels(np.stack([draw(scene) for scene in scenes]))).numpy()
        damaged = rng.random(size) < drawn.damaged
        codes[damaged] = _paste(codes, rng)[damaged]
        images = MagvitV2.to_uint8(magvit.decode(torch.from_numpy(codes)))
        parts.append(label(entries, codes, [read(image) for image in images], rng))
    return Lessons.join(*parts)


def label(
    entries: list[dict], codes: np.ndarray, readings: list[tuple[Found, ...]], rng: np.random.Generator
) -> Lessons:
    """Lessons on finished images ``codes (n, tokens)``, each for its prompt and another one, from what is read in
    them; clarity and potential stay UNKNOWN."""
    n = len(entries)
    others = [other_prompt(entry, found, rng) for entry, found in zip(entries, readings)]
    parts = [[_part(entry, rng), _part(other, rng)] for entry, other in zip(entries, others)]
    verdicts = [judge_reading(found, entry) for found, entry in zip(readings, entries)]
    return Lessons(
        prompts=np.asarray([entry["prompt"] for entry in entries]),
        codes=codes.astype(np.uint16),
        clarity=np.full(n, UNKNOWN, np.int8),
        potential=np.full(n, UNKNOWN, np.int8),
        outcome=np.asarray([verdict.strict for verdict in verdicts], np.int8),
        critiques=np.asarray([verdict.faults[0].words() if verdict.faults else "" for verdict in verdicts]),
        contents=np.asarray([contents(found) for found in readings]),
        other=np.asarray([entry["prompt"] for entry in others]),
        other_outcome=np.asarray(
            [judge_reading(found, entry).strict for found, entry in zip(readings, others)], np.int8
        ),
        parts=np.asarray([[part.words if part else "" for part in both] for both in parts]),
        present=np.asarray(
            [[part.holds(found) if part else UNKNOWN for part in both] for both, found in zip(parts, readings)], np.int8
        ),
        step=np.full(n, -1, np.int16),
        path=np.full(n, -1, np.int32),
    )


def _part(entry: dict, rng: np.random.Generator) -> Requirement | None:
    """One of the requirements of a prompt that are not GenEval's own, where it has any."""
    free = [one for one in requirements(entry) if not is_of_test(one.entry)]
    return free[rng.integers(len(free))] if free else None


def finals(lessons: Lessons) -> Lessons:
    """The final image of each painting."""
    last = {int(path): row for row, path in sorted(enumerate(lessons.path), key=lambda one: lessons.step[one[0]])}
    return lessons.only(np.asarray(sorted(last.values())))
