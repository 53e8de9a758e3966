"""Splits, disjoint by combination, and the prompts of each.

Every *combination* - two kinds together, a kind with a colour, a kind with a number - belongs to exactly one of
``pretrain`` (tokenizer, generator, preference pairs), ``align`` (judges, preference pairs, self-correction), ``dev``
(every choice) and ``test``. A prompt names combinations of its own split; where it names several (two kinds, each with
a colour), the first in the order pair, number, colour belongs to its split and the others to its split or to
``pretrain``. So no combination that decides a ``test`` prompt was ever named to a model in training. Single objects
cannot be held out: they are *seen* by every split. Colours that a prompt leaves open are drawn from all colours, so
pictures (never words) of every kind in every colour occur in ``pretrain``.

The combinations are frozen in ``splits.json``; ``python -m cotdemo.world.splits`` writes the file anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np

from .prompts import NUMBERS, TAGS, metadata
from .scenes import COLOURS, DIFFICULTY, KINDS, RELATIONS, Difficulty, Object, Scene, place

FILE = Path(__file__).with_name("splits.json")
NAMES = ("pretrain", "align", "dev", "test")
_SHARES = {  # how many of the 66 pairs, 36 numbers and 120 colours go to each split
    "pairs": (28, 20, 6, 12),
    "numbers": (17, 10, 3, 6),
    "colours": (60, 30, 10, 20),
}
PER_KIND = 100  # pictures of each prompt kind in dev and test


@dataclass(frozen=True)
class Split:
    """The combinations one split owns, and those its prompts may name beside them."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, int], ...]
    colours: tuple[tuple[str, str], ...]
    known_colours: tuple[tuple[str, str], ...]  # colours of this split and of pretrain

    def colours_of(self, kind: str) -> list[str]:
        return [colour for k, colour in self.known_colours if k == kind]


def build(seed: int = 2501_13926) -> dict:
    """Deal all combinations out to the splits; every kind and every colour gets its share in each."""
    rng = np.random.default_rng(seed)

    def deal(items: list[tuple], shares: tuple[int, ...], groups: list[list[int]]) -> dict[str, list]:
        """A deal in which each group (the combinations of one kind or colour) is spread over the splits."""
        labels = np.repeat(np.arange(len(NAMES)), shares)
        target = np.asarray(shares) / len(items)

        def imbalance(labels: np.ndarray) -> float:
            return sum(
                float(np.sum((np.bincount(labels[group], minlength=len(NAMES)) - target * len(group)) ** 2))
                for group in groups
            )

        best = rng.permutation(labels)
        for _ in range(20_000):  # random swaps: the sets are small, so this ends close to the best spread
            i, j = rng.integers(len(items), size=2)
            swapped = best.copy()
            swapped[[i, j]] = swapped[[j, i]]
            if imbalance(swapped) <= imbalance(best):
                best = swapped
        return {name: [items[i] for i in np.flatnonzero(best == n)] for n, name in enumerate(NAMES)}

    def groups(items: list[tuple], *positions: tuple[int, ...]) -> list[list[int]]:
        found: dict = {}
        for index, item in enumerate(items):
            for slot in positions:
                for position in slot:
                    found.setdefault((slot, item[position]), []).append(index)
        return list(found.values())

    pairs = list(combinations(KINDS, 2))
    numbers = [(kind, count) for kind in KINDS for count in NUMBERS.values()]
    colours = [(kind, colour) for kind in KINDS for colour in COLOURS]
    return {
        "seed": seed,
        "pairs": deal(pairs, _SHARES["pairs"], groups(pairs, (0, 1))),
        "numbers": deal(numbers, _SHARES["numbers"], groups(numbers, (0,), (1,))),
        "colours": deal(colours, _SHARES["colours"], groups(colours, (0,), (1,))),
    }


@cache
def split(name: str) -> Split:
    """The frozen split of that name. Raises KeyError for another name."""
    table = json.loads(FILE.read_text())

    def owned(what: str, owner: str = name) -> tuple:
        return tuple(tuple(item) for item in table[what][owner])

    known = owned("colours") if name == "pretrain" else owned("colours", "pretrain") + owned("colours")
    return Split(name, owned("pairs"), owned("numbers"), owned("colours"), known)


def random_prompt(where: Split, tag: str, rng: np.random.Generator) -> dict:
    """A random prompt of one of the six kinds, as GenEval metadata, made of the split's combinations."""

    def one(items):
        return items[rng.integers(len(items))]

    if tag == "single_object":
        return metadata(tag, [{"class": one(KINDS), "count": 1}])
    if tag == "colors":
        kind, colour = one(where.colours)
        return metadata(tag, [{"class": kind, "count": 1, "color": colour}])
    if tag == "counting":
        kind, count = one(where.numbers)
        include = {"class": kind, "count": count}
        if rng.random() < 0.5:
            include["color"] = one(where.colours_of(kind))
        return metadata(tag, [include])
    pair = one(where.pairs)
    first, second = pair if rng.random() < 0.5 else pair[::-1]
    include = [{"class": first, "count": 1}, {"class": second, "count": 1}]
    if tag == "color_attr":
        for item in include:
            item["color"] = one(where.colours_of(item["class"]))
    elif tag == "position":
        include[1]["position"] = [one(RELATIONS), 0]
    return metadata(tag, include)


def random_scene(entry: dict, rng: np.random.Generator, difficulty: Difficulty = DIFFICULTY) -> Scene:
    """A random scene that is right, strictly, for a prompt's metadata. Objects of one noun share one colour."""
    names: list[tuple[str, str]] = []
    relation = None
    for item in entry["include"]:
        if "position" in item:
            relation = (len(names), item["position"][0], item["position"][1])
        colour = item.get("color") or list(COLOURS)[rng.integers(len(COLOURS))]
        names += [(item["class"], colour)] * item["count"]
    spots = place(len(names), rng, relation, difficulty)
    return Scene(tuple(Object(kind, colour, x, y) for (kind, colour), (x, y) in zip(names, spots)), difficulty)


@cache
def prompts(name: str) -> tuple[dict, ...]:
    """The fixed evaluation prompts of ``dev`` or ``test``: ``PER_KIND`` of each kind, repeated where a kind has fewer
    distinct ones (each repetition is painted from other seeds)."""
    where = split(name)
    rng = np.random.default_rng([7, NAMES.index(name)])
    chosen: list[dict] = []
    for tag in TAGS:
        distinct: dict[str, dict] = {}
        for _ in range(60 * PER_KIND):
            entry = random_prompt(where, tag, rng)
            distinct.setdefault(entry["prompt"], entry)
            if len(distinct) == PER_KIND:
                break
        entries = list(distinct.values())
        chosen += [entries[i % len(entries)] for i in range(PER_KIND)]
    return tuple(chosen)


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), separators=(",", ":")).replace('},"', '},\n"').replace(']],"', ']],\n"') + "\n")
