"""Images that are not for everybody do not leave a search: a grey one stands in for each, which says so in words.

Generator, judge and critic go on with the image itself; what listens to the search is never given it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..run.events import Event, RoundStarted, StepDecoded, Winner

Flagged = Callable[[np.ndarray], bool]  # of an image (height, width, 3) uint8
GREY, INK = 127, 235
WORDS = ("withheld", "by the safety checker")


def screened(event: Event, flagged: Flagged | None) -> Event:
    """The event, its image replaced where it is flagged."""
    if flagged is None or not isinstance(event, (RoundStarted, StepDecoded, Winner)) or event.picture is None:
        return event
    if not flagged(event.picture):
        return event
    return replace(event, picture=stand_in(*event.picture.shape[:2]), withheld=True)


def stand_in(height: int, width: int) -> np.ndarray:
    """The grey image ``(height, width, 3)`` uint8."""
    image = Image.new("RGB", (width, height), (GREY,) * 3)
    pen = ImageDraw.Draw(image)
    for words, share, place in zip(WORDS, (6, 13), (0.44, 0.6)):
        font = ImageFont.load_default(max(8, width // share))
        pen.text((width / 2, height * place), words, (INK,) * 3, font, anchor="mm")
    return np.asarray(image)
