"""GenEval's rules over what a checker read in a picture, and the words for what is wrong.

The rules are those of github djghosh13/geneval: every ``include`` needs at least ``count`` objects of its class, an
``exclude`` fails at ``count`` or more, colours are judged on the best-scored objects, relations come from box centres.
**Strict** accuracy asks besides that the picture holds nothing that was not asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .prompts import NUMBERS, article, plural
from .scenes import relations

NUMBER_WORDS = {1: "one", **{number: word for word, number in NUMBERS.items()}}
MANY = "many"  # the word for a count beyond the world's numbers
CRITIQUE_WORDS = tuple(
    "something malformed there is no not the a an many one none unclear beside too clear extra ,".split()
)  # what Fault.words() says beyond the words of prompts


@dataclass(frozen=True)
class Found:
    """One object read in a picture; ``kind`` is None where something is there but no object can be made out."""

    kind: str | None
    colour: str | None
    box: tuple[float, float, float, float]  # left, top, right, bottom in pixels
    score: float = 1.0


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: what, with which object, and what was expected and found."""

    fault: str  # "malformed" | "missing" | "count" | "colour" | "position" | "extra"
    object: str
    expected: str
    found: str

    def words(self) -> str:
        """The fault as a short sentence, in the words the small judge answers with."""
        thing = self.object
        if self.fault == "malformed":
            return "something is malformed"
        if self.fault == "missing":
            return f"there is no {thing}"
        if self.fault == "count":
            form = thing if self.found == "one" else plural(thing)
            return f"{self.found} {form} , not {self.expected}"
        if self.fault in ("colour", "position"):
            return f"the {thing} is {self.found} , not {self.expected}"
        return f"there is {article(thing)} {thing} too many"


@dataclass(frozen=True)
class Verdict:
    correct: bool  # GenEval's rules
    strict: bool  # correct, and nothing that was not asked for
    faults: tuple[Fault, ...]  # most telling first; empty exactly when strict

    @property
    def reason(self) -> str:
        return "; ".join(fault.words() for fault in self.faults)


def _count_word(count: int) -> str:
    return NUMBER_WORDS.get(count, MANY)


def judge_reading(found: Sequence[Found], metadata: dict) -> Verdict:
    """Apply GenEval's rules for one prompt's ``metadata`` to the objects ``found`` in a picture."""
    by_kind: dict[str, list[Found]] = {}
    for item in sorted(found, key=lambda f: -f.score):
        if item.kind is not None:
            by_kind.setdefault(item.kind, []).append(item)
    broken = any(item.kind is None for item in found)

    wrong: list[Fault] = []  # breaks GenEval's rules
    matched: list[list[Found]] = []
    for include in metadata["include"]:
        kind, count = include["class"], include["count"]
        candidates = by_kind.get(kind, [])
        matched.append(candidates[:count])
        if len(candidates) < count:
            if not candidates:
                wrong.append(Fault("missing", kind, _count_word(count), "none"))
            else:
                wrong.append(Fault("count", kind, _count_word(count), _count_word(len(candidates))))
            continue
        if "color" in include:
            for item in candidates[:count]:
                if item.colour != include["color"]:
                    wrong.append(Fault("colour", kind, include["color"], item.colour or "unclear"))
                    break
        if "position" in include:
            relation, other = include["position"]
            holds = [relations(a.box, b.box) for a in candidates[:count] for b in matched[other]]
            if matched[other] and not all(relation in names for names in holds):
                seen = next(names for names in holds if relation not in names)
                wrong.append(Fault("position", kind, relation, sorted(seen)[0] if seen else "beside"))
    for exclude in metadata.get("exclude", ()):
        have = len(by_kind.get(exclude["class"], ()))
        if have >= exclude["count"]:
            wrong.append(Fault("count", exclude["class"], _count_word(exclude["count"] - 1), _count_word(have)))

    surplus: list[Fault] = []  # breaks strictness only
    asked: dict[str, int] = {}
    for include in metadata["include"]:
        asked[include["class"]] = asked.get(include["class"], 0) + include["count"]
    counted = {fault.object for fault in wrong if fault.fault == "count"}
    for kind, items in by_kind.items():
        if len(items) > asked.get(kind, 0) and kind not in counted:
            surplus.append(
                Fault("extra", kind, _count_word(asked[kind]) if kind in asked else "none", _count_word(len(items)))
            )
    malformed = [Fault("malformed", "something", "clear", "malformed")] if broken else []

    # What is malformed was often to be what is missing, and that says more.
    faults = (*wrong, *malformed, *surplus)
    return Verdict(correct=not wrong, strict=not faults, faults=faults)


def inventory(found: Sequence[Found]) -> Counter:
    """The objects and colours read in a picture, whatever their places."""
    return Counter((item.kind, item.colour) for item in found)
