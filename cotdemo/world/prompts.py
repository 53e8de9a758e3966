"""What a visitor types, however, as a prompt of the benchmark's make: "2 kitties, and a RED sofa." asks for
"a photo of two cats and a red couch".

Six kinds of sentences are GenEval's; beside them each thing may have a number and a colour of its own, up to ``MOST``
things in all: "two red dogs and a cat", "a red dog left of a blue cat".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import UserError
from ..geneval.prompts import COLOURS, NUMBERS, RELATIONS, metadata
from .names import LONGEST, NAMES
from .scenes import MOST

_NUMBERS = {"1": 1, "one": 1, "single": 1, "pair": 2, "couple": 2, "both": 2, **NUMBERS}
_NUMBERS |= {str(number): number for number in range(2, 5)}
_TOO_MANY = {"five", "six", "seven", "eight", "nine", "ten", "many", "several", "dozen", "lots"}
_COLOURS = {colour: colour for colour in COLOURS} | {
    "violet": "purple", "lilac": "purple", "crimson": "red", "scarlet": "red", "golden": "yellow", "gold": "yellow",
    "rose": "pink", "magenta": "pink", "navy": "blue", "azure": "blue", "lime": "green",
}  # fmt: skip
_RELATIONS = {  # as it is said -> the benchmark's; the longest is looked for first
    "left of": "left of", "left from": "left of", "left side of": "left of", "on left of": "left of",
    "right of": "right of", "right from": "right of", "right side of": "right of", "on right of": "right of",
    "above": "above", "over": "above", "on top of": "above", "atop": "above", "higher than": "above",
    "on a": "above", "on an": "above", "on the": "above",
    "on the left of": "left of", "on the left side of": "left of",
    "on the right of": "right of", "on the right side of": "right of",
    "below": "below", "under": "below", "beneath": "below", "underneath": "below", "lower than": "below",
}  # fmt: skip
_LONGEST = max(LONGEST, *(len(said.split()) for said in _RELATIONS))
_OTHER_COLOURS = {  # and the nearest of the ten
    **dict.fromkeys(["grey", "gray"], "black or white"), "silver": "white", "beige": "yellow", "cream": "white",
    **dict.fromkeys(["turquoise", "teal", "cyan"], "blue or green"), "tan": "brown", "maroon": "red",
    **dict.fromkeys(["colourful", "colorful"], "one of them"),
}  # fmt: skip
_NOT_OFFERED = {"beside", "near", "behind", "between", "inside", "next", "front", "around", "touching"}
_FILLERS = set(
    "a an the of photo photograph picture image foto pic pics drawing painting photos pictures images draw paint show "
    "me make please i want would like to see there is are some that which in on its it with colour color coloured "
    "colored colours colors side at by i'd give and sitting standing lying sits stands lies"
    .split()
)  # fmt: skip
EXAMPLES = "“a photo of two red dogs”, “a bird above a bench”, “a green cat and a yellow bus”"


@dataclass
class _Word:
    """One thing, number, colour, relation or conjunction of a sentence."""

    what: str
    value: object


def verbatim(prompt: str) -> dict | None:
    """The metadata of a prompt that stands in the very words that its metadata has; None for any other."""
    try:
        entry = parse(prompt)
    except UserError:
        return None
    return entry if entry["prompt"] == prompt else None


def parse(prompt: str) -> dict:
    """The GenEval metadata of a typed prompt; its ``prompt`` is what the models are given.

    Raises UserError, with what works instead, for unknown words (naming the nearest that are known) and for sentences
    that no image of this world can be checked against.
    """
    words = _words(prompt)
    things, relations = _things(words), [word.value for word in words if word.what == "relation"]
    if not things:
        raise UserError(f"Name something to paint, for example {EXAMPLES}.")
    if any(thing["class"] == "person" and "color" in thing for thing in things):
        raise UserError("People come in one colour here, as in GenEval: leave the colour out.")
    if relations:
        return _related(things, words, relations)
    return _together(_merged(things))


def canonical(prompt: str) -> str:
    """A typed prompt in the words and spelling that the models learnt. Raises UserError as ``parse`` does."""
    return parse(prompt)["prompt"]


def lessened(prompt: str) -> list[tuple[str, str]]:
    """What there may be less of in an image of ``prompt``, "the red dog" or "one cat", and the prompt that is left.

    Nothing of a prompt of one thing, or in other words than its metadata has.
    """
    entry = verbatim(prompt)
    include = [{**item} for item in entry["include"]] if entry else []
    for item in include:
        item.pop("position", None)
    ways = []
    for place, item in enumerate(include):
        kind = " ".join([item["color"], item["class"]] if "color" in item else [item["class"]])
        fewer = [{**item, "count": item["count"] - 1}] if item["count"] > 1 else []
        left = [*include[:place], *fewer, *include[place + 1 :]]
        if left:
            ways.append((f"{'one' if fewer else 'the'} {kind}", _together(left)["prompt"]))
    return ways


def _tokens(prompt: str) -> list[str]:
    text = unicodedata.normalize("NFKC", prompt).casefold().replace("’", "'")
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|,|&|\+|[^\W\d_]+", text)


def _words(prompt: str) -> list[_Word]:
    """What the words of a prompt mean. Raises UserError where nothing is known of some."""
    tokens = _tokens(prompt)
    words, unknown = _meanings(tokens)
    if unknown:
        raise UserError(_unknown(unknown, tokens))
    return words


def _meanings(tokens: list[str]) -> tuple[list[_Word], list[str]]:
    """What tokens mean, as many at once as mean something together, and those of which nothing is known."""
    words, unknown = [], []
    at = 0
    while at < len(tokens):
        for length in range(min(_LONGEST, len(tokens) - at), 0, -1):
            if found := _word(tuple(tokens[at : at + length])):
                if found.what != "filler":
                    words.append(found)
                at += length
                break
        else:
            unknown.append(tokens[at])
            at += 1
    return words, unknown


def _word(tokens: tuple[str, ...]) -> _Word | None:
    """What some tokens mean together; None where nothing."""
    text = " ".join(tokens)
    if text in _RELATIONS:
        return _Word("relation", _RELATIONS[text])
    if kind := NAMES.get(tokens):
        return _Word("kind", kind)
    if text in _COLOURS:
        return _Word("colour", _COLOURS[text])
    if text in _NUMBERS:
        return _Word("number", _NUMBERS[text])
    if text in (",", "&", "+", "and", "n", "plus", "with"):
        return _Word("and", None)
    if text in _FILLERS:
        return _Word("filler", None)
    if text in _TOO_MANY or text.isdigit():
        raise UserError(f"At most {MOST} things fit into one image: say one, two, three or four.")
    if text in _OTHER_COLOURS:
        near = _OTHER_COLOURS[text]
        raise UserError(f"“{text}” is none of the ten colours here. Say {near}; the ten are {', '.join(COLOURS)}.")
    if text in _NOT_OFFERED:
        raise UserError(
            f"“{text}” is no relation here: things stand {', '.join(RELATIONS[:-1])} or {RELATIONS[-1]} each other."
        )
    return None


def _unknown(words: list[str], tokens: list[str]) -> str:
    """What to say of words that nothing is known of, and the sentence of all ``tokens`` that comes nearest: with what
    was meant in their place, or without them."""
    known = [" ".join(name) for name in NAMES] + list(_COLOURS) + list(NUMBERS)
    said, meant = [], {}
    for word in dict.fromkeys(words):
        near = get_close_matches(word, known, n=12, cutoff=0.74)
        kinds = list(dict.fromkeys(NAMES.get(tuple(name.split()), name) for name in near))[:3]
        said.append(f"“{word[:24]}”" + (f" (did you mean {' or '.join(kinds)}?)" if kinds else ""))
        meant[word] = [name for name in near if name[0] == word[0]][:1]  # "blu" is blue, but "tall" is no ball
    shown = ", ".join(said[:3]) + (" …" if len(said) > 3 else "")
    return (
        f"The small model does not know {shown}. Try {_nearest(tokens, meant)}. It paints GenEval's 80 things, in ten "
        "colours, one to four of them, left of, right of, above or below each other."
    )


def _nearest(tokens: list[str], meant: dict[str, list[str]]) -> str:
    for instead in (meant, dict.fromkeys(meant, [])):
        text = " ".join(part for token in tokens for part in instead.get(token, [token]))
        try:
            if not _meanings(_tokens(text))[1]:  # else the next words would be guessed at, too
                return f"“{canonical(text)}”"
        except UserError:
            continue
    return EXAMPLES


def _things(words: list[_Word]) -> list[dict]:
    """What the sentence names, in order; a colour may also follow ("a dog in red")."""
    things: list[dict] = []
    number = colour = None
    for word, after in zip(words, (*words[1:], None)):
        if word.value == "orange" and after and after.what == "kind":
            colour = "orange"  # before a thing it is no fruit
        elif word.what == "kind":
            things.append({"class": word.value, "count": number or 1} | ({"color": colour} if colour else {}))
            number = colour = None
        elif word.what == "number":
            number = word.value
        elif word.what == "colour":
            colour = word.value
        elif colour and things and number is None and "color" not in things[-1]:
            things[-1]["color"], colour = colour, None  # "a dog in red and ..."
    if colour and things and "color" not in things[-1]:
        things[-1]["color"] = colour
    return things


def _merged(things: list[dict]) -> list[dict]:
    """Things named twice, counted together: "a dog and a dog" are two dogs."""
    merged: dict[tuple, dict] = {}
    for thing in things:
        key = (thing["class"], thing.get("color"))
        if key in merged:
            merged[key]["count"] += thing["count"]
        else:
            merged[key] = {**thing}
    kinds = [kind for kind, _ in merged]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice:
        raise UserError(f"Name each kind of thing once: “{twice}” comes in two colours. {_instead(things)}")
    return list(merged.values())


def _related(things: list[dict], words: list[_Word], relations: list[str]) -> dict:
    whole = len(things) == 2 and len(relations) == 1 and words[0].what != "relation" and words[-1].what != "relation"
    if not whole or any(thing["count"] > 1 for thing in things):
        raise UserError(f"A relation holds between two single things. {_instead(things, relations[0])}")
    moved, anchor = things
    if moved["class"] == anchor["class"]:
        raise UserError(f"A relation holds between two kinds of things. {_instead(things)}")
    return metadata("position", [anchor, {**moved, "position": [relations[0], 0]}])


def _together(things: list[dict]) -> dict:
    if sum(thing["count"] for thing in things) > MOST:
        raise UserError(f"At most {MOST} things fit into one image. {_instead(things)}")
    if any(thing["count"] > 1 for thing in things):
        return metadata("counting", things)
    coloured = any("color" in thing for thing in things)
    if len(things) == 1:
        return metadata("colors" if coloured else "single_object", things)
    return metadata("color_attr" if coloured else "two_object", things)


def _instead(things: list[dict], relation: str | None = None) -> str:
    """The nearest sentence that works."""
    first, last = ({**thing, "count": 1} for thing in (things[0], things[-1]))
    if first["class"] == last["class"]:
        entry = metadata("single_object", [{**first, "count": min(MOST, max(1, len(things)))}])
    elif relation:
        entry = metadata("position", [last, {**first, "position": [relation, 0]}])
    else:
        entry = metadata("two_object", [first, last])
    return f"Try “{entry['prompt']}”."
