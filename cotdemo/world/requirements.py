"""What a prompt asks for, point by point: each thing, its number, its colour, its place.

A requirement is metadata as a prompt's is (``cotdemo.geneval.prompts``), of the least that says it, and has words of
its own: "a dog", "two dogs", "a red dog", "a dog right of a bench". It holds by GenEval's rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..geneval.prompts import CLASSES, metadata, plural
from ..geneval.rules import Found
from .faults import judge_reading
from .prompts import verbatim

_BEFORE = "a photo of "
_NAMED = " {} "  # how words name a kind of things, and how they say that it is not there
_ABSENT = r" (?:no|without|missing|lacks|lacking) (?:\w+ ){{0,2}}{0} | {0} (?:is|are) (?:missing|absent) "


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

    def named_by(self, critique: str) -> bool:
        """Whether words on what is wrong speak of it.

        They do if they name its thing, and with it the number, the colour or the place that is asked for; or if they
        say that one of its things is not there at all.
        """
        text = f" {' '.join(re.findall('[a-z]+|[.,;:!?]', critique.casefold()))} "
        if any(_says(text, _ABSENT, item["class"]) for item in self.entry["include"]):
            return True
        named = _says(text, _NAMED, self.entry["include"][-1]["class"])
        return named and self._point is not None and f" {self._point} " in text

    @property
    def _point(self) -> str | None:
        """What is asked for beyond that its thing is there."""
        item = self.entry["include"][-1]
        if self.what == "number":
            return self.words.split()[0]
        return item.get("color") or item.get("position", (None,))[0]


def _says(text: str, pattern: str, kind: str) -> bool:
    """Whether a text, between blanks, says something of a kind of things, one or several; "hot dog" names no dog."""
    for other in CLASSES:
        if other != kind and f" {kind} " in f" {other} ":
            text = text.replace(f" {plural(other)} ", "  ").replace(f" {other} ", "  ")
    return any(re.search(pattern.format(form), text) for form in (kind, plural(kind)))


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


def requirements_of(prompt: str) -> tuple[Requirement, ...]:
    """Those of a prompt in the very words that its metadata has; none of any other."""
    entry = verbatim(prompt)
    return requirements(entry) if entry else ()
