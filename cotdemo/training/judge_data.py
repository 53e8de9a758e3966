"""What the judge learns from: pictures as tokens, each with a prompt, and answers that checker A gives.

Here those on *drawn* pictures: scenes that fit their prompt and scenes with one thing changed, seen through the image
tokenizer; where wanted, some with tokens of another picture pasted in. Those on generated pictures are made in
``trajectories``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..generator.magvit import MagvitV2
from ..world.checker_a import read
from ..world.drawing import draw
from ..world.geneval import Found, judge_reading
from ..world.prompts import NUMBERS, TAGS, metadata
from ..world.scenes import COLOURS, KINDS, RELATIONS, Object, Scene, free_spots
from ..world.splits import random_prompt, random_scene, split
from .arrays import Arrays
from .pictures import TAG_WEIGHTS, to_pixels

SWAPPED = 0.5  # share of wrong scenes, where two colours are asked for, in which they are exchanged
UNKNOWN = -1  # a question that this picture gives no answer to


@dataclass(frozen=True)
class Drawn:
    """Which drawn pictures, with prompts of some splits."""

    count: int = 40_000
    damaged: float = 0.0  # share with tokens of another picture pasted in
    splits: tuple[str, ...] = ("pretrain", "align")
    seed: int = 6


@dataclass(frozen=True)
class Lessons(Arrays):
    """Pictures and answers; arrays of one length. Questions hold 1 (yes), 0 (no) or UNKNOWN."""

    prompts: np.ndarray  # (n,) str
    codes: np.ndarray  # (n, tokens) uint16
    clarity: np.ndarray  # (n,) int8
    potential: np.ndarray  # (n,) int8
    outcome: np.ndarray  # (n,) int8
    critiques: np.ndarray  # (n,) str: what is wrong; "" where nothing is known to be
    contents: np.ndarray  # (n,) str: what is in the picture, in words
    other: np.ndarray  # (n,) str: another prompt, that the picture fits or that differs in one point
    other_outcome: np.ndarray  # (n,) int8: whether the picture fits that one, or UNKNOWN
    step: np.ndarray  # (n,) int16: step of the guess, or -1 where it was drawn
    path: np.ndarray  # (n,) int32: guesses of one painting share it

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def join(cls, *parts: Lessons) -> Lessons:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def only(self, rows: np.ndarray) -> Lessons:
        return Lessons(*(getattr(self, field.name)[rows] for field in fields(self)))


def contents(found: tuple[Found, ...]) -> str:
    """What was read in a picture, in words, row by row and from left to right."""
    ordered = sorted(found, key=lambda item: (round(item.box[1] / 8), item.box[0]))
    names = [f"{item.colour} {item.kind}" if item.kind else "something malformed" for item in ordered]
    return " , ".join(names) if names else "none"


def other_prompt(entry: dict, found: Sequence[Found], rng: np.random.Generator) -> dict:
    """The metadata of another prompt about a picture: for many wrong pictures one that they fit, else a variation."""
    if not judge_reading(found, entry).strict and rng.random() < 0.7:
        groups = Counter((item.kind, item.colour) for item in found)
        kinds = {kind for kind, _ in groups}
        include = [{"class": kind, "count": count, "color": colour} for (kind, colour), count in groups.items()]
        if None not in kinds and len(kinds) == len(groups) == 1 and include[0]["count"] in (1, *NUMBERS.values()):
            return metadata("colors" if include[0]["count"] == 1 else "counting", include)
        if None not in kinds and len(kinds) == len(groups) == len(found) == 2:
            return metadata("color_attr", include)
    return variation(entry, rng)


def variation(entry: dict, rng: np.random.Generator) -> dict:
    """The metadata of a prompt that differs from ``entry`` in one point: colours or places exchanged, where there are
    two, or another colour, number, relation or kind."""
    include = [dict(item) for item in entry["include"]]
    item = include[rng.integers(len(include))]
    tag = entry["tag"]

    def another(value: str, values: Sequence[str]) -> str:
        return [one for one in values if one != value][rng.integers(len(values) - 1)]

    if tag == "color_attr" and rng.random() < 0.6:
        include[0]["color"], include[1]["color"] = include[1]["color"], include[0]["color"]
    elif tag == "position" and rng.random() < 0.6:
        include[1]["position"] = [another(include[1]["position"][0], RELATIONS), 0]
    elif tag == "counting" and rng.random() < 0.6:
        item["count"] = int(another(item["count"], list(NUMBERS.values())))
    elif "color" in item and rng.random() < 0.7:
        item["color"] = another(item["color"], list(COLOURS))
    else:
        kinds = [kind for kind in KINDS if all(kind != one["class"] for one in include)]
        item["class"] = kinds[rng.integers(len(kinds))]
    return metadata(tag, include)


def _swapped(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with the colours of two objects exchanged, as generators often paint them; as it is where all agree."""
    objects = list(scene.objects)
    pairs = [(i, j) for j, b in enumerate(objects) for i, a in enumerate(objects[:j]) if a.colour != b.colour]
    if pairs:
        i, j = pairs[rng.integers(len(pairs))]
        objects[i], objects[j] = (
            replace(objects[i], colour=objects[j].colour), replace(objects[j], colour=objects[i].colour),
        )  # fmt: skip
    return Scene(tuple(objects), scene.difficulty)


def _wrong(entry: dict, scene: Scene, rng: np.random.Generator) -> Scene:
    """A right scene made wrong: often by exchanging colours, where two are asked for, else by another change.

    Exchanged colours are what a judge overlooks: every word of the prompt is in the picture, on the wrong object.
    """
    asked = {item.get("color") for item in entry["include"]} - {None}
    return _swapped(scene, rng) if len(asked) > 1 and rng.random() < SWAPPED else _changed(scene, rng)


def _changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one thing changed: an object missing, added, of another kind or colour, or two out of place."""
    objects = list(scene.objects)
    index = int(rng.integers(len(objects)))
    item = objects[index]
    change = rng.choice(["missing", "added", "twin", "kind", "colour", "moved"], p=[0.2, 0.14, 0.14, 0.16, 0.16, 0.2])
    if change == "missing" and len(objects) > 1:
        del objects[index]
    elif change == "kind" or (change == "missing"):
        objects[index] = replace(
            item, kind=KINDS[(KINDS.index(item.kind) + int(rng.integers(1, len(KINDS)))) % len(KINDS)]
        )
    elif change == "colour":
        names = list(COLOURS)
        objects[index] = replace(
            item, colour=names[(names.index(item.colour) + int(rng.integers(1, len(names)))) % len(names)]
        )
    elif change == "moved":
        other = objects[(index + 1) % len(objects)]
        objects[index], objects[(index + 1) % len(objects)] = (
            replace(item, x=other.x, y=other.y), replace(other, x=item.x, y=item.y),
        )  # fmt: skip
    else:
        free = free_spots(((item.x, item.y) for item in objects), scene.difficulty)
        if free:
            x, y = free[rng.integers(len(free))]
            kind = item.kind if change == "twin" else KINDS[rng.integers(len(KINDS))]
            colour = item.colour if change == "twin" else list(COLOURS)[rng.integers(len(COLOURS))]
            objects.append(Object(kind, colour, x, y))
    return Scene(tuple(objects), scene.difficulty)


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
    """Pictures of right scenes and of changed ones."""
    rng = np.random.default_rng([drawn.seed, 11])
    parts = []
    for first in range(0, drawn.count, 256):
        size = min(256, drawn.count - first)
        entries = [
            random_prompt(
                split(drawn.splits[rng.integers(len(drawn.splits))]),
                rng.choice(TAGS, p=[TAG_WEIGHTS[t] for t in TAGS]),
                rng,
            )
            for _ in range(size)
        ]
        scenes = [random_scene(entry, rng) for entry in entries]
        scenes = [scene if rng.random() < 0.4 else _wrong(entry, scene, rng) for entry, scene in zip(entries, scenes)]
        codes = magvit.encode(to_pixels(np.stack([draw(scene) for scene in scenes]))).numpy()
        damaged = rng.random(size) < drawn.damaged
        codes[damaged] = _paste(codes, rng)[damaged]
        pictures = MagvitV2.to_uint8(magvit.decode(torch.from_numpy(codes)))
        parts.append(label(entries, codes, [read(picture) for picture in pictures], rng))
    return Lessons.join(*parts)


def label(
    entries: list[dict], codes: np.ndarray, readings: list[tuple[Found, ...]], rng: np.random.Generator
) -> Lessons:
    """Lessons on finished pictures ``codes (n, tokens)``, each for its prompt and another one, from what is read in
    them; clarity and potential stay UNKNOWN."""
    n = len(entries)
    others = [other_prompt(entry, found, rng) for entry, found in zip(entries, readings)]
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
        step=np.full(n, -1, np.int16),
        path=np.full(n, -1, np.int32),
    )


def finals(lessons: Lessons) -> Lessons:
    """The final picture of each painting."""
    last = {int(path): row for row, path in sorted(enumerate(lessons.path), key=lambda one: lessons.step[one[0]])}
    return lessons.only(np.asarray(sorted(last.values())))
