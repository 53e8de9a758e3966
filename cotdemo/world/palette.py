"""What the embedded model can be asked for, as the page lays it out below the prompt: plain data, JSON-safe."""

from __future__ import annotations

from typing import Any

from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, plural
from .names import ALSO
from .sheet import COLOURS as LEVELS
from .sheet import file_of


def palette() -> dict:
    """The words that a sentence is made of, and how one begins.

    A thing has its name in one and in several, and what else it is called; a colour what the page shows it by.
    """
    return {
        "begins": "a photo of",
        "things": [{"name": kind, "plural": plural(kind), "also": ALSO.get(kind, "")} for kind in CLASSES],
        "colours": [{"name": name, "shown": "#{:02x}{:02x}{:02x}".format(*LEVELS[name])} for name in COLOURS],
        "numbers": ["one", *NUMBERS],
        "relations": [*RELATIONS],
    }


def drawings(_: Any = None) -> dict[str, str]:
    """The drawing of each thing, as SVG. Pages ask for it, with nothing to say."""
    return {kind: file_of(kind).read_text(encoding="utf-8") for kind in CLASSES}
