"""What a picture looks like after its critique is followed: what is named is put right, everything else stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..world.geneval import Fault, Found
from ..world.scenes import COLOURS, DIFFICULTY, Difficulty, Object, Scene, free_spots, relations

Spot = tuple[int, int]


def follow(
    entry: dict, found: Sequence[Found], fault: Fault, rng: np.random.Generator, difficulty: Difficulty = DIFFICULTY
) -> Scene | None:
    """The scene of the objects ``found``, with what ``fault`` names put right for the prompt ``entry``.

    Other faults stay, save that what cannot be read is not drawn again. None where no such scene can be drawn: objects
    overlap, or there is no room for what is missing.
    """
    objects = [Object(item.kind, item.colour, *_snapped(item, difficulty)) for item in found if item.kind is not None]
    same = [item for item in objects if item.kind == fault.object]
    asked = Counter({item["class"]: item["count"] for item in entry["include"]})
    colours = {item["class"]: item.get("color") for item in entry["include"]}

    def add(kind: str, spots: Sequence[Spot]) -> None:
        like = [item.colour for item in (*objects, *same) if item is not None and item.kind == kind]
        colour = colours[kind] or (like[0] if like else list(COLOURS)[rng.integers(len(COLOURS))])
        objects.append(Object(kind, colour, *spots[rng.integers(len(spots))]) if spots else None)

    too_many = len(same) - asked[fault.object]
    if fault.fault == "malformed":  # what is missing takes its place
        broken = [_snapped(item, difficulty) for item in found if item.kind is None]
        missing = (asked - Counter(item.kind for item in objects)).elements()
        for kind, spot in zip(missing, broken):
            add(kind, [spot])
    elif too_many > 0:  # those of another colour go first
        same.sort(key=lambda item: item.colour == colours.get(fault.object))
        objects = [item for item in objects if item not in same[:too_many]]
    elif too_many < 0:
        for _ in range(-too_many):
            add(fault.object, free_spots(map(_spot, filter(None, objects)), difficulty))
    elif fault.fault == "colour":
        objects = [replace(item, colour=fault.expected) if item in same else item for item in objects]
    elif fault.fault == "position":
        objects = [item for item in objects if item not in same]
        add(fault.object, _spots_in_relation(entry, fault, objects, difficulty))
    if None in objects or not _apart([_spot(item) for item in objects], difficulty):
        return None
    return Scene(tuple(objects), difficulty)


def _spots_in_relation(entry: dict, fault: Fault, others: Sequence[Object], difficulty: Difficulty) -> list[Spot]:
    """Free spots where an object stands as ``fault`` expects, and in no other relation besides."""
    include = next(item for item in entry["include"] if item["class"] == fault.object)
    anchor = entry["include"][include["position"][1]]["class"]
    boxes = [_box(_spot(item), difficulty) for item in others if item.kind == anchor]
    free = free_spots(map(_spot, others), difficulty)
    return [spot for spot in free if all(relations(_box(spot, difficulty), box) == {fault.expected} for box in boxes)]


def _snapped(item: Found, difficulty: Difficulty) -> Spot:
    """The allowed position nearest to where an object was read."""
    margin = (difficulty.box - difficulty.size) // 2
    limit = difficulty.canvas - difficulty.box
    place = (np.rint((np.asarray(item.box[:2]) - margin) / difficulty.pitch) * difficulty.pitch).clip(0, limit)
    return int(place[0]), int(place[1])


def _spot(item: Object) -> Spot:
    return item.x, item.y


def _box(spot: Spot, difficulty: Difficulty) -> tuple[int, int, int, int]:
    return *spot, spot[0] + difficulty.box, spot[1] + difficulty.box


def _apart(spots: Sequence[Spot], difficulty: Difficulty) -> bool:
    """No two boxes overlap."""
    return all(spot in free_spots(spots[:index], difficulty) for index, spot in enumerate(spots))
