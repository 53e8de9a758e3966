"""Splits, disjoint by combination, and random prompts of each.

Every *combination* - two kinds together, a kind with a number, a kind with a colour - belongs to exactly one of
``pretrain`` (tokenizer, generator, preference pairs), ``align`` (judges, preference pairs, self-correction), ``dev``
(every choice) and ``test``, which is GenEval: its 553 prompts, and every combination that they name. A prompt names
combinations of its own split; where it names several, the first in the order pair, number, colour belongs to its split
and the others to its split or to ``pretrain``. Single kinds cannot be held out. Images of every kind in every colour
occur in ``pretrain``, but without words or with the kind or the colour hidden (``hint``).

The combinations are frozen in ``splits.json``; ``python -m cotdemo.world.splits`` writes the file anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from ..geneval import prompts as geneval
from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, article, metadata
from .scenes import MOST, Scene, Thing, place
from .sheet import NATURAL

FILE = Path(__file__).with_name("splits.json")
NAMES = ("pretrain", "align", "dev", "test")
COLOURED = tuple(kind for kind in CLASSES if kind != "person")  # in GenEval people have no colour
# of what GenEval leaves, the shares of pretrain, align and dev
_SHARES = {"pairs": (0.70, 0.20, 0.10), "numbers": (0.60, 0.24, 0.16), "colours": (0.66, 0.20, 0.14)}
HIDDEN = "<unk>"  # the word that stands for one that is not said
_WHOLE = 0.6  # of the things in a hint that ``pretrain`` names with their colour, those of which nothing is hidden
MIXED = "mixed"  # what GenEval has no kind for: numbers, colours and relations together
# Images with more things, and more said about them, are harder to learn and seen more often.
TAG_WEIGHTS = {
    "single_object": 0.05,
    "two_object": 0.13,
    "counting": 0.21,
    "colors": 0.16,
    "position": 0.15,
    "color_attr": 0.20,
    MIXED: 0.10,
}


@dataclass(frozen=True)
class Split:
    """The combinations one split owns, and the colours its prompts may name beside them."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, int], ...]
    colours: tuple[tuple[str, str], ...]
    known: dict[str, tuple[str, ...]]  # kind -> its colours in this split and in pretrain

    @cached_property
    def own(self) -> dict[str, tuple[str, ...]]:
        """Kind -> its colours in this split alone."""
        return {kind: tuple(colour for other, colour in self.colours if other == kind) for kind in CLASSES}

    @cached_property
    def pair_set(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.pairs)


def named(entry: dict) -> dict[str, set[tuple]]:
    """The combinations that a prompt's metadata names."""
    include = entry["include"]
    pair = {tuple(sorted((a["class"], b["class"]))) for a, b in combinations(include, 2) if a["class"] != b["class"]}
    return {
        "pairs": pair,
        "numbers": {(item["class"], item["count"]) for item in include if item["count"] > 1},
        "colours": {(item["class"], item["color"]) for item in include if "color" in item},
    }


def is_of_test(entry: dict) -> bool:
    """Whether a prompt's metadata names a combination that is GenEval's, which nothing is to learn."""
    test = split("test")
    return any(not found.isdisjoint(getattr(test, what)) for what, found in named(entry).items())


def build(seed: int = 2501_13926) -> dict[str, dict[str, list]]:
    """Deal all combinations out; those of GenEval are ``test``'s."""
    rng = np.random.default_rng(seed)
    everything = {
        "pairs": [tuple(sorted(pair)) for pair in combinations(CLASSES, 2)],
        "numbers": [(kind, count) for kind in CLASSES for count in NUMBERS.values()],
        "colours": [(kind, colour) for kind in COLOURED for colour in COLOURS],
    }
    official = [named(entry) for entry in geneval.draw()]
    table = {}
    for what, items in everything.items():
        test = set().union(*(each[what] for each in official))
        left = [item for item in items if item not in test]
        dealt = _deal([left[i] for i in rng.permutation(len(left))], _SHARES[what])
        table[what] = dict(zip(NAMES, (*dealt, sorted(test))))
    return table


def _deal(items: Sequence[tuple], shares: Sequence[float]) -> list[list[tuple]]:
    """Shares of the items such that every member of a combination is spread over them, the first share first."""
    dealt: list[list[tuple]] = [[] for _ in shares]
    have: list[Counter] = [Counter() for _ in shares]
    for item in items:
        need = [  # how far each share is behind, by the item's members and altogether
            share * (1 + sum(sum(h[member] for h in have) for member in item) + 0.1 * sum(map(len, dealt)))
            - (sum(have[i][member] for member in item) + 0.1 * len(dealt[i]))
            for i, share in enumerate(shares)
        ]
        chosen = int(np.argmax(need))
        dealt[chosen].append(item)
        have[chosen].update(item)
    return [sorted(group) for group in dealt]


@cache
def split(name: str) -> Split:
    """The frozen split of that name. Raises KeyError for another name."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    pairs, numbers, colours = (tuple(map(tuple, table[what][name])) for what in ("pairs", "numbers", "colours"))
    known: dict[str, tuple[str, ...]] = dict.fromkeys(CLASSES, ())
    for kind, colour in dict.fromkeys((*map(tuple, table["colours"]["pretrain"]), *colours)):
        known[kind] += (colour,)
    return Split(name, pairs, numbers, colours, known)


def random_prompt(where: Split, tag: str, rng: np.random.Generator) -> dict:
    """A random prompt of one of the six kinds, as GenEval metadata, made of the split's combinations."""

    def one(items):
        return items[rng.integers(len(items))]

    if tag == "single_object":
        return metadata(tag, [{"class": one(CLASSES), "count": 1}])
    if tag == "colors":
        kind, colour = one(where.colours)
        return metadata(tag, [{"class": kind, "count": 1, "color": colour}])
    if tag == "counting":
        kind, count = one(where.numbers)
        include = {"class": kind, "count": count}
        if where.name != "dev" and where.known[kind] and rng.random() < 0.3:
            include["color"] = one(where.known[kind])
        return metadata(tag, [include])
    if tag == MIXED:
        return _mixed(where, rng)
    # in ``dev`` as in the benchmark no colour is one that was learnt with its kind
    colours = where.own if where.name == "dev" else where.known
    pair = one(where.pairs)
    while tag == "color_attr" and not all(colours[kind] for kind in pair):
        pair = one(where.pairs)
    first, second = pair if rng.random() < 0.5 else pair[::-1]
    include = [{"class": first, "count": 1}, {"class": second, "count": 1}]
    if tag == "color_attr":
        for item in include:
            item["color"] = one(colours[item["class"]])
    elif tag == "position":
        include[1]["position"] = [one(RELATIONS), 0]
    return metadata(tag, include)


def _mixed(where: Split, rng: np.random.Generator) -> dict:
    """A random prompt of two or three kinds with numbers or a relation, coloured or not: ``prompts`` admits it.

    Every pair and number in it is the split's own.
    """
    kinds = list(where.pairs[rng.integers(len(where.pairs))])
    rng.shuffle(kinds)
    if rng.random() < 0.4:
        third = [kind for kind in CLASSES if all(tuple(sorted((kind, other))) in where.pair_set for other in kinds)]
        kinds += [third[rng.integers(len(third))]] if third else []
    include: list[dict] = [{"class": kind, "count": 1} for kind in kinds]
    for item in include:
        if where.known[item["class"]] and rng.random() < 0.5:
            item["color"] = where.known[item["class"]][rng.integers(len(where.known[item["class"]]))]
    if len(include) == 2 and rng.random() < 0.5:
        return metadata("position", [include[0], include[1] | {"position": [RELATIONS[rng.integers(4)], 0]}])
    if len(include) == 3 and rng.random() < 0.5:
        return metadata(_together(include), include)
    room = MOST - len(include)
    for item in include:
        more = int(rng.integers(0, room + 1))
        if more and (item["class"], 1 + more) in where.numbers:
            item["count"] += more
            room -= more
    return metadata("counting" if room < MOST - len(include) else _together(include), include)


def _together(include: Sequence[dict]) -> str:
    """The benchmark's kind for things named beside each other."""
    return "color_attr" if any("color" in item for item in include) else "two_object"


def random_prompts(name: str, count: int, rng: np.random.Generator) -> list[dict]:
    """``count`` random prompts of a split, as metadata, of all six kinds."""
    where, tags = split(name), rng.choice(list(TAG_WEIGHTS), size=count, p=list(TAG_WEIGHTS.values()))
    return [random_prompt(where, tag, rng) for tag in tags]


def hint(scene: Scene, rng: np.random.Generator) -> str:
    """What can be said of any scene and names no combination but ``pretrain``'s: of each thing its kind, its colour or,
    where ``pretrain`` names the two together, both. "a photo of a <unk> dog and a red bus"."""
    where = split("pretrain")
    while True:
        phrases, kinds = [], []
        for thing in scene.things:
            colour = [thing.tint] if thing.tint != NATURAL else []
            if thing.tint in where.known[thing.kind] and rng.random() < _WHOLE:
                words = [*colour, thing.kind]
            elif rng.random() < 0.5:
                words = [HIDDEN] * len(colour) + [thing.kind]
            else:
                words = [*colour, HIDDEN]
            kinds += [thing.kind] * (words[-1] != HIDDEN)
            phrases.append(" ".join([article(" ".join(words)), *words]))
        if all(tuple(sorted(pair)) in where.pair_set for pair in combinations(kinds, 2)):
            return f"a photo of {' and '.join(phrases)}"


def miscaptioned(prompt: str, wrong: Mapping[str, float], rng: np.random.Generator) -> str:
    """The prompt with another relation or another number than its own, for shares ``wrong`` of those with a "relation"
    and with a "number"."""
    for what, values in (("relation", RELATIONS), ("number", tuple(NUMBERS))):
        own = next((value for value in values if f" {value} " in prompt), None)
        if own is not None and rng.random() < wrong.get(what, 0.0):
            others = [value for value in values if value != own]
            return prompt.replace(f" {own} ", f" {others[rng.integers(len(others))]} ", 1)
    return prompt


def random_scene(entry: dict, rng: np.random.Generator) -> Scene:
    """A random scene that is right, strictly, for a prompt's metadata; what no colour is named for has its own."""
    names: list[tuple[str, str]] = []
    relation = None
    for item in entry["include"]:
        if "position" in item:
            relation = (len(names), item["position"][0], item["position"][1])
        names += [(item["class"], item.get("color", NATURAL))] * item["count"]
    spots = place(len(names), rng, relation)
    return Scene(tuple(Thing(kind, tint, x, y) for (kind, tint), (x, y) in zip(names, spots)))


@cache
def prompts(name: str) -> tuple[dict, ...]:
    """The fixed evaluation prompts: of ``test`` GenEval's 553, of ``dev`` as many of each kind from its combinations,
    repeated where it has fewer (each repetition is painted from other seeds)."""
    official = geneval.draw()
    if name == "test":
        return tuple(official)
    where, rng = split(name), np.random.default_rng([7, NAMES.index(name)])
    chosen: list[dict] = []
    for tag, count in Counter(entry["tag"] for entry in official).items():
        distinct = _distinct((random_prompt(where, tag, rng) for _ in range(60 * count)), count)
        chosen += [distinct[i % len(distinct)] for i in range(count)]
    return tuple(chosen)


def _distinct(entries: Iterable[dict], most: int) -> list[dict]:
    found: dict[str, dict] = {}
    for entry in entries:
        found.setdefault(entry["prompt"], entry)
        if len(found) == most:
            break
    return list(found.values())


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), separators=(",", ":")).replace("],[", "],\n[") + "\n", encoding="utf-8")
