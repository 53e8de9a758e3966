"""An image and what its repair came to, as one image: prompt, both images, the critique, what the judge says."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .animation import FAINT, GROUND, INK, STOPPED
from .narration import truth_words
from .prose import prose
from .said import chances
from .state import RoundState, RunState

SIDE, GAP, MARGIN = 384, 28, 28  # pixels
WIDTH = 2 * (MARGIN + SIDE) + GAP
PIXELS = 64  # longest side up to which an image is enlarged pixel by pixel; larger ones smoothly
APPROVED = (10, 117, 86)
LINES = 3  # of a text at most
Line = tuple[str, int, tuple[int, int, int]]  # words, their size, their colour


def enlarged(pixels: np.ndarray, side: int) -> Image.Image:
    """An image of ``pixels`` (height, width, 3) uint8, its longest side ``side``; one as large stays as it is."""
    image = Image.fromarray(pixels)
    longest = max(image.size)
    if longest >= side:
        return image
    if longest <= PIXELS:
        times = side // longest
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    size = (round(image.width * side / longest), round(image.height * side / longest))
    return image.resize(size, Image.Resampling.LANCZOS)


def repair_of(state: RunState) -> tuple[RoundState, RoundState] | None:
    """The rounds of an image and of what was painted from it: the answer, or the last that a critique came to.

    None where nothing was painted anew, or one of both images is not there.
    """
    answer = state.answer
    later = [round for round in state.rounds[1:] if not round.tokens]
    after = state.rounds[answer.round] if answer and answer.round else later[-1] if later else None
    if after is None:
        return None
    criticised = (round for round in reversed(state.rounds[: after.round]) if round.criticised)
    before = state.rounds[after.before] if after.before is not None else next(criticised, None)
    pair = (before, after)
    return pair if all(one and one.winner and one.winner.picture is not None for one in pair) else None


def _marked(after: RoundState) -> str:
    anew = f" as “{after.prompt}”" if after.prompt else ""
    return f"{len(after.tokens)} tokens painted anew{anew}"


def before_after(state: RunState) -> Image.Image | None:
    """The card; None where ``repair_of`` finds no repair."""
    pair = repair_of(state)
    if pair is None:
        return None
    before, after = pair
    why = _marked(after) if after.tokens else f"“{prose(after.critique)}”"
    by = [] if after.tokens or not after.critique else [("The judge says", 17, FAINT)]
    head = _lines([(f"“{before.prompt or state.settings.prompt}”", 26, INK)], WIDTH - 2 * MARGIN)
    said = _lines([*by, (why, 26, INK)], WIDTH - 2 * MARGIN)
    columns = [_lines(_caption(state, one), SIDE) for one in pair]
    top = MARGIN + _height(head) + 14
    middle = top + SIDE + 12
    bottom = middle + max(map(_height, columns)) + 14
    card = Image.new("RGB", (WIDTH, bottom + _height(said) + MARGIN), GROUND)
    pen = ImageDraw.Draw(card)
    _write(pen, MARGIN, MARGIN, head)
    for column, (round, lines) in enumerate(zip(pair, columns)):
        left = MARGIN + column * (SIDE + GAP)
        image = enlarged(round.winner.picture, SIDE)
        image.thumbnail((SIDE, SIDE))
        card.paste(image, (left, top))
        _write(pen, left, middle, lines)
    _write(pen, MARGIN, bottom, said)
    return card


def _caption(state: RunState, round: RoundState) -> list[Line]:
    path = state.path_of(round.winner)
    again = "Painted again" + (f", round {round.round}" if state.rounds_begun > 2 else "")
    lines: list[Line] = [(again if round.round else "First image", 19, INK)]
    if path.outcome:
        colour = APPROVED if path.outcome.answer == "yes" else STOPPED
        lines.append((f"Judge: {chances(path.outcome.p_yes)} sure that it matches the prompt", 17, colour))
    if path.checked:
        by = path.checked.by
        lines.append((f"Checker{f' ({by}, which errs)' if by else ''}: {truth_words(path.checked)}", 17, FAINT))
    return lines


def _lines(texts: list[Line], width: int) -> list[Line]:
    """The texts broken into lines that are no wider than ``width`` pixels."""
    broken: list[Line] = []
    for text, size, colour in texts:
        font, rows = ImageFont.load_default(size), [""]
        for word in text.split():
            longer = f"{rows[-1]} {word}".strip()
            if font.getlength(longer) <= width:
                rows[-1] = longer
            else:
                rows.append(_cut(word, font, width))
        rows = [row for row in rows if row]
        if len(rows) > LINES:
            rows = [*rows[: LINES - 1], f"{rows[LINES - 1]} …"]
        broken += [(row, size, colour) for row in rows]
    return broken


def _cut(word: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A word, or as much of it as a line has room for."""
    while font.getlength(word) > width:
        word = word[: len(word) * 3 // 4]
    return word


def _height(lines: list[Line]) -> int:
    return sum(size * 4 // 3 for _, size, _ in lines)


def _write(pen: ImageDraw.ImageDraw, left: int, top: int, lines: list[Line]) -> None:
    for words, size, colour in lines:
        pen.text((left, top), words, fill=colour, font=ImageFont.load_default(size))
        top += size * 4 // 3
