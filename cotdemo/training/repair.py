"""What a picture looks like after its critique is followed: what is named is put right, everything else stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np

from ..world.geneval import Fault, Found
from ..world.scenes import COLOURS, DIFFICULTY, KINDS, Difficulty, Object, Scene, box_at, free_spots, relations

Spot = tuple[int, int]
_USUAL = dict(zip(KINDS, cycle(COLOURS)))  # the colour of what is added where nothing says which


def follow(entry: dict, found: Sequence[Found], fault: Fault, difficulty: Difficulty = DIFFICULTY) -> Scene | None:
    """The scene of the objects ``found``, with what ``fault`` names put right for the prompt ``entry``.

    What is missing takes the place of what is malformed or not asked for; a colour that is on the wrong object changes
    places. Other faults stay. Of several ways the same one is always taken, with as little moved as can be: tokens of
    one step are drawn independently of each other, and would mix what fits apart but not together. None where no such
    scene can be drawn: objects overlap, or there is no room for what is missing.
    """
    readable = sorted((item for item in found if item.kind is not None), key=lambda item: (item.box[1], item.box[0]))
    objects = [Object(item.kind, item.colour, *_snapped(item, difficulty)) for item in readable]
    broken = [_snapped(item, difficulty) for item in found if item.kind is None]
    asked = Counter({item["class"]: item["count"] for item in entry["include"]})
    colours = {item["class"]: item.get("color") for item in entry["include"]}
    same = [item for item in objects if item.kind == fault.object]

    if fault.fault in ("malformed", "missing") or (fault.fault == "count" and len(same) < asked[fault.object]):
        missing = asked - Counter(item.kind for item in objects)
        if fault.fault != "malformed":
            missing = {fault.object: missing[fault.object]}
        for kind in Counter(missing).elements():
            surplus = next(iter(_surplus(objects, asked, colours)), None)
            place = broken.pop(0) if broken else _spot(surplus) if surplus else None
            if surplus and place == _spot(surplus):
                objects.remove(surplus)
            free = free_spots(map(_spot, objects), difficulty)
            if not free:
                return None
            alike = [item.colour for item in objects if item.kind == kind]
            colour = colours[kind] or next(iter(alike), _USUAL[kind])
            objects.append(Object(kind, colour, *(_nearest(free, place) if place else free)[0]))
    elif fault.fault in ("count", "extra"):
        for item in [item for item in _surplus(objects, asked, colours) if item.kind == fault.object]:
            objects.remove(item)
    elif fault.fault == "colour":
        lost = {item.colour for item in same} - {fault.expected}
        for index, item in enumerate(objects):
            if item.kind == fault.object:
                objects[index] = replace(item, colour=fault.expected)
            elif item.colour == fault.expected and colours.get(item.kind) in lost:
                objects[index] = replace(item, colour=colours[item.kind])
    elif fault.fault == "position":
        moved, anchor = same[0], next(item for item in objects if item.kind == _anchor(entry, fault.object))
        objects = [item for item in objects if item not in (moved, anchor)]
        taken = [_spot(item) for item in objects]
        pairs = (
            (at, spot)
            for at in _nearest(free_spots(taken, difficulty), _spot(anchor))
            for spot in _nearest(free_spots([*taken, at], difficulty), _spot(moved))
            if _stands(spot, at, fault.expected, difficulty)
        )
        at, spot = next(pairs, (None, None))  # the anchor stays where it is, if there is room beside it
        if at is None:
            return None
        objects += [replace(anchor, x=at[0], y=at[1]), replace(moved, x=spot[0], y=spot[1])]
    return Scene(tuple(objects), difficulty) if _apart([_spot(item) for item in objects], difficulty) else None


def _surplus(objects: Sequence[Object], asked: Counter, colours: dict[str, str | None]) -> list[Object]:
    """Objects that nobody asked for; of a kind with too many, those of another colour first, then the last ones."""
    found = []
    for kind in dict.fromkeys(item.kind for item in objects):
        same = [item for item in objects if item.kind == kind]
        same.sort(key=lambda item: item.colour != colours.get(kind))
        found += same[asked[kind] :]
    return found


def _anchor(entry: dict, kind: str) -> str:
    """The kind that the position of ``kind`` refers to."""
    position = next(item["position"] for item in entry["include"] if item["class"] == kind)
    return entry["include"][position[1]]["class"]


def _stands(spot: Spot, anchor: Spot, relation: str, difficulty: Difficulty) -> bool:
    """Whether a box at ``spot`` stands in that relation to one at ``anchor``, and in no other one besides."""
    return relations(box_at(*spot, difficulty), box_at(*anchor, difficulty)) == {relation}


def _nearest(spots: Sequence[Spot], to: Spot) -> list[Spot]:
    return sorted(spots, key=lambda spot: (spot[0] - to[0]) ** 2 + (spot[1] - to[1]) ** 2)


def _snapped(item: Found, difficulty: Difficulty) -> Spot:
    """The allowed position nearest to where an object was read."""
    margin = (difficulty.box - difficulty.size) // 2
    limit = difficulty.canvas - difficulty.box
    place = (np.rint((np.asarray(item.box[:2]) - margin) / difficulty.pitch) * difficulty.pitch).clip(0, limit)
    return int(place[0]), int(place[1])


def _spot(item: Object) -> Spot:
    return item.x, item.y


def _apart(spots: Sequence[Spot], difficulty: Difficulty) -> bool:
    """No two boxes overlap."""
    return all(spot in free_spots(spots[:index], difficulty) for index, spot in enumerate(spots))
