"""The drawings: one SVG file a thing (``assets/things``), rendered once into a sheet that everything else reads.

``python -m cotdemo.world.sheet`` renders the sheet anew; only that needs ``resvg-py``. A drawing's body is
``currentColor``, and the natural colour stands on its root, so that one drawing serves all colours.
"""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import ASSETS
from ..geneval.prompts import CLASSES

FOLDER = ASSETS / "things"
SHEET = FOLDER.parent / "things.png"
SIZE = 48  # pixels of a drawing
OVERSAMPLING = 4
NATURAL = "natural"  # the colour of a thing whose colour nobody named
COLOURS = {
    "red": (214, 39, 40),
    "orange": (255, 127, 14),
    "yellow": (250, 220, 40),
    "green": (44, 150, 44),
    "blue": (31, 90, 205),
    "purple": (130, 60, 180),
    "pink": (250, 145, 195),
    "brown": (116, 70, 38),
    "black": (28, 28, 32),
    "white": (252, 252, 252),
}  # GenEval's ten
TINTS = (NATURAL, *COLOURS)
_ROOT_COLOUR = re.compile(r'(<svg\b[^>]*?\bcolor=")(#[0-9a-f]{6})(")')


def file_of(kind: str) -> Path:
    return FOLDER / f"{kind.replace(' ', '-')}.svg"


@cache
def sheet() -> np.ndarray:
    """All drawings in all tints, ``(kinds, tints, SIZE, SIZE, 4)`` uint8 RGBA, not premultiplied."""
    with Image.open(SHEET) as image:
        pixels = np.asarray(image.convert("RGBA"))
    return pixels.reshape(len(CLASSES), SIZE, len(TINTS), SIZE, 4).swapaxes(1, 2)


def drawing(kind: str, tint: str = NATURAL) -> np.ndarray:
    """One drawing ``(SIZE, SIZE, 4)`` uint8 RGBA. Raises ValueError for a kind or tint that is not there."""
    return sheet()[CLASSES.index(kind), TINTS.index(tint)]


@cache
def own_colour(kind: str) -> str | None:
    """Which of the ten colours a thing has by nature; None where it is none of them."""
    colour = _ROOT_COLOUR.search(file_of(kind).read_text(encoding="utf-8"))[2]
    values = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return next((name for name, known in COLOURS.items() if known == values), None)


def render() -> Image.Image:
    """The sheet, one row a kind and one column a tint."""
    import resvg_py  # by whoever draws; not needed to run

    image = Image.new("RGBA", (len(TINTS) * SIZE, len(CLASSES) * SIZE))
    for row, kind in enumerate(CLASSES):
        source = file_of(kind).read_text(encoding="utf-8")
        for column, tint in enumerate(TINTS):
            if tint != NATURAL:
                colour = "#{:02x}{:02x}{:02x}".format(*COLOURS[tint])
                source = _ROOT_COLOUR.sub(rf"\g<1>{colour}\g<3>", source, count=1)
            side = SIZE * OVERSAMPLING
            png = resvg_py.svg_to_bytes(svg_string=source, width=side, height=side)
            large = Image.open(io.BytesIO(bytes(png))).convert("RGBa")  # premultiplied, so that edges stay clean
            small = large.resize((SIZE, SIZE), Image.Resampling.BOX).convert("RGBA")
            image.paste(small, (column * SIZE, row * SIZE))
    return image


if __name__ == "__main__":
    render().save(SHEET, optimize=True)
    print(f"{SHEET}: {len(CLASSES)} things in {len(TINTS)} tints, {SHEET.stat().st_size / 1e3:.0f} kB")
