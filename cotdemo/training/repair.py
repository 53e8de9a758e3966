"""What an image looks like after its critique is followed: what is named is put right, everything else stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..geneval.rules import Found, relations
from ..world.faults import Fault
from ..world.scenes import CANVAS, PITCH, Scene, Thing, box_at, free_spots
from ..world.sheet import NATURAL, SIZE

Spot = tuple[int, int]


def follow(entry: dict, found: Sequence[Found], fault: Fault) -> Scene | None:
    """The scene of the things ``found``, with what ``fault`` names put right for the prompt ``entry``.

    What is missing takes the place of what is malformed or not asked for; a colour that is on the wrong thing changes
    places. Other faults stay. Of several ways the same one is always taken, with as little moved as can be: tokens of
    one step are drawn independently of each other, and would mix what fits apart but not together. None where no such
    scene can be drawn: things overlap, or there is no room for what is missing.
    """
    readable = sorted((item for item in found if item.kind), key=lambda item: (item.box[1], item.box[0]))
    things = [Thing(item.kind, item.colour or NATURAL, *_snapped(item)) for item in readable]
    broken = [_snapped(item) for item in found if not item.kind]
    asked = Counter({item["class"]: item["count"] for item in entry["include"]})
    colours = {item["class"]: item.get("color") for item in entry["include"]}
    same = [item for item in things if item.kind == fault.thing]

    if fault.fault in ("malformed", "missing") or (fault.fault == "count" and len(same) < asked[fault.thing]):
        missing = asked - Counter(item.kind for item in things)
        if fault.fault != "malformed":
            missing = {fault.thing: missing[fault.thing]}
        for kind in Counter(missing).elements():
            surplus = next(iter(_surplus(things, asked, colours)), None)
            place = broken.pop(0) if broken else _spot(surplus) if surplus else None
            if surplus and place == _spot(surplus):
                things.remove(surplus)
            free = free_spots(map(_spot, things))
            if not free:
                return None
            alike = [item.tint for item in things if item.kind == kind]
            tint = colours[kind] or next(iter(alike), NATURAL)
            things.append(Thing(kind, tint, *(_nearest(free, place) if place else free)[0]))
    elif fault.fault in ("count", "extra"):
        for item in [item for item in _surplus(things, asked, colours) if item.kind == fault.thing]:
            things.remove(item)
    elif fault.fault == "colour":
        lost = {item.tint for item in same} - {fault.expected}
        for index, item in enumerate(things):
            if item.kind == fault.thing:
                things[index] = replace(item, tint=fault.expected)
            elif item.tint == fault.expected and colours.get(item.kind) in lost:
                things[index] = replace(item, tint=colours[item.kind])
    elif fault.fault == "position":
        moved, anchor = same[0], next(item for item in things if item.kind == _anchor(entry, fault.thing))
        things = [item for item in things if item not in (moved, anchor)]
        taken = [_spot(item) for item in things]
        pairs = (
            (at, spot)
            for at in _nearest(free_spots(taken), _spot(anchor))
            for spot in _nearest(free_spots([*taken, at]), _spot(moved))
            if _stands(spot, at, fault.expected)
        )
        at, spot = next(pairs, (None, None))  # the anchor stays where it is, if there is room beside it
        if at is None:
            return None
        things += [replace(anchor, x=at[0], y=at[1]), replace(moved, x=spot[0], y=spot[1])]
    return Scene(tuple(things)) if _apart([_spot(item) for item in things]) else None


def _surplus(things: Sequence[Thing], asked: Counter, colours: dict[str, str | None]) -> list[Thing]:
    """Things that nobody asked for; of a kind with too many, those of another colour first, then the last ones."""
    found = []
    for kind in dict.fromkeys(item.kind for item in things):
        same = [item for item in things if item.kind == kind]
        same.sort(key=lambda item: item.tint != colours.get(kind))
        found += same[asked[kind] :]
    return found


def _anchor(entry: dict, kind: str) -> str:
    """The kind that the position of ``kind`` refers to."""
    position = next(item["position"] for item in entry["include"] if item["class"] == kind)
    return entry["include"][position[1]]["class"]


def _stands(spot: Spot, anchor: Spot, relation: str) -> bool:
    """Whether a box at ``spot`` stands in that relation to one at ``anchor``, and in no other one besides."""
    return relations(box_at(*spot), box_at(*anchor)) == (relation,)


def _nearest(spots: Sequence[Spot], to: Spot) -> list[Spot]:
    return sorted(spots, key=lambda spot: (spot[0] - to[0]) ** 2 + (spot[1] - to[1]) ** 2)


def _snapped(item: Found) -> Spot:
    """The allowed position nearest to where a thing was read."""
    place = (np.rint(np.asarray(item.box[:2]) / PITCH) * PITCH).clip(0, CANVAS - SIZE)
    return int(place[0]), int(place[1])


def _spot(item: Thing) -> Spot:
    return item.x, item.y


def _apart(spots: Sequence[Spot]) -> bool:
    """No two boxes overlap."""
    return all(spot in free_spots(spots[:index]) for index, spot in enumerate(spots))
