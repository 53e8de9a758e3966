"""Prompts of GenEval's six kinds, in GenEval's metadata form, and a parser for what a visitor types.

A metadata object is a dict with ``tag``, ``include`` (list of ``{class, count, color?, position?: [relation, index]}``
), ``exclude`` (list of ``{class, count}``) and ``prompt``, as in GenEval's ``evaluation_metadata.jsonl``.
"""

from __future__ import annotations

import re

from ..errors import UserError
from .scenes import COLOURS, KINDS, RELATIONS

TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
NUMBERS = {"two": 2, "three": 3, "four": 4}
MAX_OBJECTS = 4


def plural(kind: str) -> str:
    return kind + ("es" if kind == "cross" else "s")


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


SINGULAR = {plural(kind): kind for kind in KINDS}
PROMPT_WORDS = tuple(
    dict.fromkeys(
        ("a", "an", "photo", "of", "and", "the", *NUMBERS, *COLOURS, *KINDS, *SINGULAR)
        + tuple(word for relation in RELATIONS for word in relation.split())
    )
)


def _phrase(include: dict) -> str:
    colour = [include["color"]] if "color" in include else []
    if include["count"] == 1:
        words = [*colour, include["class"]]
        return " ".join([article(words[0]), *words])
    number = next(word for word, value in NUMBERS.items() if value == include["count"])
    return " ".join([number, *colour, plural(include["class"])])


def metadata(tag: str, include: list[dict]) -> dict:
    """GenEval's metadata object for the objects asked for; the prompt's words follow from them."""
    if tag == "position":  # "a photo of B right of A": A is listed first, B refers to it
        anchor, moved = include
        prompt = f"a photo of {_phrase(moved)} {moved['position'][0]} {_phrase(anchor)}"
    else:
        prompt = "a photo of " + " and ".join(_phrase(item) for item in include)
    entry = {"tag": tag, "include": include, "prompt": prompt}
    if tag == "counting":
        entry["exclude"] = [{"class": item["class"], "count": item["count"] + 1} for item in include]
    return entry


def words(prompt: str) -> list[str]:
    """The words of a prompt, lower case, without punctuation.

    Raises UserError, naming the words the world knows, where one of them is not among those.
    """
    found = re.findall(r"[^\s,.;:!?\"']+", prompt.lower())
    unknown = [word for word in dict.fromkeys(found) if word not in PROMPT_WORDS]
    if unknown:
        shown = ", ".join(f"“{word[:24]}”" for word in unknown[:4]) + (" …" if len(unknown) > 4 else "")
        raise UserError(
            f"The small model does not know {shown}. It paints {', '.join(SINGULAR)}; in {', '.join(COLOURS)}; "
            f"one, two, three or four of them; left of, right of, above or below each other. "
            f"Try “a photo of a red star and a blue moon”."
        )
    if not found:
        raise UserError("The prompt is empty. Try “a photo of two red stars”.")
    return found


_NOUN = re.compile(
    rf"(?:(?P<number>a|an|the|{'|'.join(NUMBERS)}) )?(?:(?P<colour>{'|'.join(COLOURS)}) )?"
    rf"(?P<noun>{'|'.join((*SINGULAR, *KINDS))})"
)


def _noun_phrase(text: str) -> dict | None:
    match = _NOUN.fullmatch(text)
    if match is None:
        return None
    count = NUMBERS.get(match["number"], 1)
    include = {"class": SINGULAR.get(match["noun"], match["noun"]), "count": count}
    if match["colour"]:
        include["color"] = match["colour"]
    return include


def parse(prompt: str) -> dict | None:
    """The metadata of a typed prompt, or None where its words are known but its sentence is not one of the six kinds.

    Raises UserError for unknown words.
    """
    text = " ".join(words(prompt)).removeprefix("a photo of ").removeprefix("the photo of ")
    for relation in RELATIONS:
        if f" {relation} " in text:
            moved, anchor = (_noun_phrase(part) for part in text.split(f" {relation} ", 1))
            if moved is None or anchor is None or (moved["count"], anchor["count"]) != (1, 1):
                return None
            return metadata("position", [anchor, {**moved, "position": [relation, 0]}])
    include = [_noun_phrase(part) for part in text.split(" and ")]
    if None in include or len(include) > 2 or sum(item["count"] for item in include) > MAX_OBJECTS:
        return None
    if len(include) == 2:
        if include[0]["class"] == include[1]["class"] and include[0].get("color") == include[1].get("color"):
            return None
        if any(item["count"] > 1 for item in include):
            return metadata("counting", include)
        return metadata("color_attr" if any("color" in item for item in include) else "two_object", include)
    if include[0]["count"] > 1:
        return metadata("counting", include)
    return metadata("colors" if "color" in include[0] else "single_object", include)
