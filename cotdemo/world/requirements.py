"""What a prompt asks for, point by point: each thing, its number, its colour, its place.

A requirement is metadata as a prompt's is (``cotdemo.geneval.prompts``), of the least that says it, and has words of
its own: "a dog", "two dogs", "a red dog", "a dog right of a bench". It holds by GenEval's rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..geneval.prompts import metadata
from ..geneval.rules import Found
from .faults import judge_reading

_BEFORE = "a photo of "


@dataclass(frozen=True)
class Requirement:
    what: str  # "thing" | "number" | "colour" | "position"
    entry: Mapping  # metadata

    @property
    def words(self) -> str:
        return self.entry["prompt"].removeprefix(_BEFORE)

    def holds(self, found: Sequence[Found]) -> bool:
        """Whether it holds of the things ``found`` in an image, whatever else is there."""
        return judge_reading(found, self.entry).correct


def requirements(entry: Mapping) -> tuple[Requirement, ...]:
    """Those of a prompt's metadata, thing by thing, relations last; each once."""
    found, include = [], entry["include"]
    for item in include:
        kind = {"class": item["class"]}
        if item["count"] > 1:
            found.append(Requirement("number", metadata("counting", [kind | {"count": item["count"]}])))
        else:
            found.append(Requirement("thing", metadata("single_object", [kind | {"count": 1}])))
        if "color" in item:
            found.append(Requirement("colour", metadata("colors", [kind | {"count": 1, "color": item["color"]}])))
    for item in include:
        if "position" in item:
            relation, anchor = item["position"]
            pair = [{"class": include[anchor]["class"], "count": 1}, {"class": item["class"], "count": 1}]
            pair[1]["position"] = [relation, 0]
            found.append(Requirement("position", metadata("position", pair)))
    return tuple({one.words: one for one in found}.values())
