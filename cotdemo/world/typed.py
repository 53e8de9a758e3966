"""What a visitor types, as a prompt of the embedded world: the one form that generator, judge and checker all read.

The models learnt prompts as GenEval writes them, in lower case and without marks. People write "Two red stars.", "a red
star, a blue moon" or "2 hearts": those words are meant, so ``canonical`` turns them into the sentence that was learnt,
once, before anything uses the prompt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ..errors import UserError
from . import prompts

MAX_WORDS = 24  # the generator reads 30 of them, and no sentence of the world has half as many

PREFIX = "a photo of"
_BEGINNING = re.compile(r"^(?:(?:a|an|the) )?(?:photo|photograph|picture|image|drawing|painting) of(?: |$)")
_MARKS = re.compile(r"[^\w\s,;:&+]|_")  # say nothing: full stops, quotes, brackets, hyphens
_BETWEEN = re.compile(r"[,;:]")
_AND = re.compile(r"[&+]")
_SPELLINGS = (("grey", "gray"),)
_RELATIONS = {
    r"(?:to|on|at) the (left|right) of": r"\1 of",
    r"on top of|over": "above",
    r"under|underneath|beneath": "below",
}
_ONE = ("1", "one")


def canonical(typed: str) -> str:
    """The prompt that is meant by ``typed``, in the words and the order that the models learnt.

    Raises UserError, naming the words the world knows, where one of them is not among those or there are too many. A
    sentence that is none of the world's six kinds keeps its words.
    """
    pieces = [list(_words(piece)) for piece in _BETWEEN.split(_AND.sub(" and ", unicodedata.normalize("NFKC", typed)))]
    text = " ".join(_joined([piece for piece in pieces if piece]))
    for said, meant in _RELATIONS.items():
        text = re.sub(rf"\b(?:{said})\b", meant, text)
    words = prompts.words(_BEGINNING.sub("", text))
    if len(words) > MAX_WORDS:
        raise UserError(f"The small model reads {MAX_WORDS} words at most, and these are {len(words)}: say it shorter.")
    prompt = f"{PREFIX} {' '.join(words)}"
    metadata = prompts.parse(prompt)
    return prompt if metadata is None else metadata["prompt"]


def _words(piece: str) -> Iterator[str]:
    """The words between two commas, each as the world spells it."""
    known = {spelling: next((one for one in same if one in prompts.PROMPT_WORDS), spelling)
             for same in _SPELLINGS for spelling in same}  # fmt: skip
    numbers = {str(value): word for word, value in prompts.NUMBERS.items()} | dict.fromkeys(_ONE, "a")
    for word in _MARKS.sub(" ", piece.casefold()).split():
        yield numbers.get(word) or known.get(word, word)


def _joined(pieces: list[list[str]]) -> Iterator[str]:
    """All words; a comma between two things is an "and", elsewhere it says nothing."""
    things = {noun.split()[-1] for noun in (*prompts.SINGULAR, *prompts.KINDS)}
    openings = ("and", *(relation.split()[0] for relation in prompts.RELATIONS), "to", "on", "at", "over", "under")
    for place, piece in enumerate(pieces):
        if place and pieces[place - 1][-1] in things and piece[0] not in openings:
            yield "and"
        yield from piece
