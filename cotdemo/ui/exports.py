"""What a run can be saved as, a row a file: the page's menu and the files themselves both follow from ``EXPORTS``."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..run.animation import animated
from ..run.card import before_after, enlarged
from ..run.png import write_png
from ..run.trace import Trace
from .keep import Keep

SIDE = 512  # pixels of a saved image, at least
GONE = "This run is no longer kept here: run it again to save it."
NOTHING = "This run holds nothing that could be saved as that."
NAME = 60  # letters of a file's name that are the prompt's


@dataclass(frozen=True)
class Export:
    """``needs`` says what of a run there must be: "picture", "repair" or "steps"; "" where any will do.

    ``make`` is given what is kept and a run's id; b"" where there is nothing to make it of.
    """

    name: str
    label: str
    about: str
    end: str  # of the file's name, after prompt and seed
    type: str
    needs: str
    make: Callable[[Keep, object], bytes]


def _image(keep: Keep, run: object) -> bytes:
    trace = keep.kept_trace(run)
    winner, file = trace.state.answer, io.BytesIO()
    if winner is None or winner.picture is None:
        return b""
    write_png(file, np.asarray(enlarged(winner.picture, SIDE)), trace.state.settings)
    return file.getvalue()


def _card(keep: Keep, run: object) -> bytes:
    card, file = before_after(keep.kept_trace(run).state), io.BytesIO()
    if card is None:
        return b""
    write_png(file, np.asarray(card), keep.kept_trace(run).state.settings)
    return file.getvalue()


def _moving(form: str) -> Callable[[Keep, object], bytes]:
    return lambda keep, run: animated(keep.kept_trace(run), form)


EXPORTS = (
    Export(
        "picture", "Image", f"PNG, {SIDE} px; opens here with its settings", ".png", "image/png", "picture", _image
    ),
    Export(
        "card", "Before and after", "PNG, with prompt and critique; opens here too", "-before-after.png", "image/png",
        "repair", _card,
    ),
    Export("webp", "Animation", "WebP, the smaller one", ".webp", "image/webp", "steps", _moving("WEBP")),
    Export("gif", "Animation", "GIF, plays anywhere", ".gif", "image/gif", "steps", _moving("GIF")),
    Export(
        "document", "Page", "HTML, plays and scrubs without a server", ".html", "text/html", "",
        lambda keep, run: keep.document(run).encode(),
    ),
    Export(
        "trace", "Trace", "JSON; opens here again", "-trace.json", "application/json", "",
        lambda keep, run: keep.trace(run).encode(),
    ),
    Export(
        "table", "Table", "CSV, a row a step", "-trace.csv", "text/csv", "", lambda keep, run: keep.table(run).encode()
    ),
)  # fmt: skip
BY_NAME = {one.name: one for one in EXPORTS}


def menu() -> list[dict[str, str]]:
    """The rows as the page's menu shows them."""
    return [{"name": one.name, "label": one.label, "about": one.about, "needs": one.needs} for one in EXPORTS]


def file_name(trace: Trace, export: Export) -> str:
    """By prompt and seed: two-red-apples-seed-7.png."""
    settings = trace.started.settings
    words = re.sub(r"[^\w]+", "-", settings.prompt.lower().removeprefix("a photo of ")).strip("-_")[:NAME].strip("-_")
    return f"{words or 'image'}-seed-{settings.seed}{export.end}"


class Exports:
    """Makes the files of the runs that ``keep`` has."""

    def __init__(self, keep: Keep):
        self._keep = keep

    def export(self, request: object) -> dict[str, Any]:
        """For ``{"run": id, "what": name of a row}`` the file, ``{"name", "url"}``, or ``{"refused": why}``."""
        asked = request if isinstance(request, Mapping) else {}
        what = asked.get("what")
        one = BY_NAME.get(what) if isinstance(what, str) else None
        trace = self._keep.kept_trace(asked.get("run"))
        if one is None or trace is None:
            return {"refused": GONE if one else NOTHING}
        try:
            data = one.make(self._keep, asked.get("run"))
        except UserError:
            data = b""
        if not data:
            return {"refused": NOTHING}
        return {"name": file_name(trace, one), "url": f"data:{one.type};base64,{base64.b64encode(data).decode()}"}
