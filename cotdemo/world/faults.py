"""What is wrong with an image, in the words the small judge answers with.

Whether it is right is said by GenEval's rules (``cotdemo.geneval.rules``). **Strict** accuracy asks besides that the
image holds nothing that was not asked for, and nothing that cannot be made out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..geneval.prompts import NUMBERS, article, plural
from ..geneval.rules import Found, evaluate, relations

_NUMBER_WORDS = {0: "none", 1: "one", **{number: word for word, number in NUMBERS.items()}}
_MANY = "many"  # the word for a count beyond the world's numbers
CRITIQUE_WORDS = tuple(
    "something malformed there is no not the a an many one none beside too extra ,".split()
)  # what ``Fault.words`` says beyond the words of prompts

MALFORMED = "something is malformed"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: what, with which kind of thing, and what was expected and found."""

    fault: str  # "missing" | "count" | "colour" | "position" | "malformed" | "extra"
    thing: str
    expected: str = ""
    found: str = ""

    def words(self) -> str:
        """The fault as a short sentence."""
        if self.fault == "malformed":
            return MALFORMED
        if self.fault == "missing":
            return f"there is no {self.thing}"
        if self.fault == "count":
            form = self.thing if self.found == "one" else plural(self.thing)
            return f"{self.found} {form} , not {self.expected}"
        if self.fault == "extra":
            return f"there is {article(self.thing)} {self.thing} too many"
        if not self.found:  # a colour that is none of the ten
            return f"the {self.thing} is not {self.expected}"
        return f"the {self.thing} is {self.found} , not {self.expected}"


@dataclass(frozen=True)
class Verdict:
    correct: bool  # GenEval's rules
    strict: bool  # correct, and nothing that was not asked for
    faults: tuple[Fault, ...]  # most telling first; empty exactly when strict

    @property
    def reason(self) -> str:
        return "; ".join(fault.words() for fault in self.faults)


def judge_reading(found: Sequence[Found], metadata: dict) -> Verdict:
    """The verdict on the things ``found`` in an image, for one prompt's ``metadata``.

    A thing whose kind is "" is something that cannot be made out.
    """
    known = [item for item in found if item.kind]
    correct, _ = evaluate(known, {**metadata, "tag": ""})  # a checker's scores are no detector's: none is too low
    things: dict[str, list[Found]] = {}
    for item in sorted(known, key=lambda item: -item.score):
        things.setdefault(item.kind, []).append(item)
    wrong = [fault for asked in metadata["include"] for fault in _faults(asked, metadata["include"], things)]
    wrong += _too_many(metadata.get("exclude", ()), things)
    # what is malformed was often to be what is missing, and that says more
    malformed = [Fault("malformed", "something")] if len(known) < len(found) else []
    faults = (*wrong, *malformed, *_surplus(metadata["include"], things, {fault.thing for fault in wrong}))
    return Verdict(correct, strict=not faults, faults=faults)


def _faults(asked: Mapping, include: Sequence[Mapping], things: Mapping[str, list[Found]]) -> Iterator[Fault]:
    """What breaks GenEval's rules about one thing asked for."""
    kind, count = asked["class"], asked["count"]
    candidates = things.get(kind, [])[:count]
    if not candidates:
        yield Fault("missing", kind)
    elif len(candidates) < count:
        yield Fault("count", kind, _count(count), _count(len(candidates)))
    else:
        other = next((item for item in candidates if item.colour != asked.get("color", item.colour)), None)
        if other:
            yield Fault("colour", kind, asked["color"], other.colour or "")
        if "position" in asked:
            yield from _displaced(asked, candidates, include, things)


def _displaced(
    asked: Mapping, candidates: Sequence[Found], include: Sequence[Mapping], things: Mapping[str, list[Found]]
) -> Iterator[Fault]:
    relation, target = asked["position"]
    anchors = things.get(include[target]["class"], [])[: include[target]["count"]]
    for holds in (relations(a.box, b.box) for a in candidates for b in anchors):
        if relation not in holds:
            yield Fault("position", asked["class"], relation, holds[0] if holds else "beside")
            return


def _too_many(exclude: Sequence[Mapping], things: Mapping[str, list[Found]]) -> Iterator[Fault]:
    for banned in exclude:
        have = len(things.get(banned["class"], ()))
        if have >= banned["count"]:
            yield Fault("count", banned["class"], _count(banned["count"] - 1), _count(have))


def _surplus(include: Sequence[Mapping], things: Mapping[str, list[Found]], told: set[str]) -> Iterator[Fault]:
    """What breaks strictness only."""
    asked = Counter()
    for item in include:
        asked[item["class"]] += item["count"]
    for kind, items in things.items():
        if len(items) > asked[kind] and kind not in told:
            yield Fault("extra", kind, _count(asked[kind]), _count(len(items)))


def _count(count: int) -> str:
    return _NUMBER_WORDS.get(count, _MANY)


def inventory(found: Sequence[Found]) -> Counter:
    """The things and colours found in an image, whatever their places."""
    return Counter((item.kind, item.colour) for item in found)
