"""What a scorer must get right before it scores: a scorer that finds nothing in silence is worse than none.

``arithmetic`` needs no weights: a small made-up detector must answer, on the device and with the libraries that are
here, what mmdet answered on one image (``self_test.json``), from bytes to the boxes that GenEval looks at. ``known``
asks the scorer's own weights: of eight drawn things in one image two must be found by their names where they are, and
of ten drawn things in ten colours five must have theirs. Weights of something else, or damaged, find nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import UserError
from ..files import ASSETS
from .colours import Colours
from .detections import Detection, detections, kept
from .made_up import image, weights
from .network import Mask2Former, exact, official
from .pixels import read
from .prompts import CLASSES, COLOURS
from .rules import THRESHOLD

GOLDEN = Path(__file__).with_suffix(".json")
LOGITS, SCORES, PIXELS = 0.01, 0.01, 2  # most that may differ: any wrong step is .25 and more in logits

SHEET = ASSETS / "things.png"  # a row of drawings a kind: its own colour, then the ten
_DRAWING = 48  # pixels, both ways
KINDS = ("stop sign", "zebra", "elephant", "umbrella", "clock", "dog", "airplane", "pizza")
COLOURED = "umbrella"
CELL, ACROSS = 256, 4  # pixels of a drawing in the image, and drawings in a row of it
GROUND = (225, 225, 225)
LEAST_KINDS, LEAST_COLOURS = 2, 5


def arithmetic(device: str) -> None:
    """Raise UserError where a device, or a library, computes something else than the official detector would."""
    golden = json.loads(GOLDEN.read_text(encoding="ascii"))
    network = official(weights(golden["keys"]), golden["config"]).to(device)
    given = read(image(golden["size"], golden["shapes"]))
    with exact():
        classes, masks = network(given.pixels.to(device))
        found = kept(detections(classes, masks, given, THRESHOLD), THRESHOLD)
    off = float((classes.cpu() - torch.tensor(golden["class_logits"])).abs().max())
    ours = {kind: np.array([(*one.box, one.score) for one in of_kind]) for kind, of_kind in found.items()}
    theirs = {kind: np.array(boxes) for kind, boxes in golden["kept"].items()}
    same = {kind: len(boxes) for kind, boxes in ours.items()} == {kind: len(boxes) for kind, boxes in theirs.items()}
    if not (off <= LOGITS and same and all(_near(ours[kind], boxes) for kind, boxes in theirs.items())):
        raise UserError(
            f"The self-test failed, so nothing is scored: on {device}, with torch {torch.__version__}, the detector "
            f"computes something else than the official one (logits differ by {off:.2g}, {LOGITS:g} may be). Try "
            "--device cpu, and the versions of requirements.txt."
        )


def _near(ours: np.ndarray, theirs: np.ndarray) -> bool:
    differences = np.abs(ours - theirs).max(0)
    return bool((differences[:4] <= PIXELS).all() and differences[4] <= SCORES)


def known(network: Mask2Former, colours: Colours) -> str:
    """In words, how many known things and colours a scorer's weights recognise. Raises UserError where too few."""
    things = _things_found(network)
    tinted = _colours_found(colours)
    words = f"of {len(KINDS)} drawn things {things} are found, of {len(COLOURS)} colours {tinted} are told"
    if things < LEAST_KINDS or tinted < LEAST_COLOURS:
        what = "detector" if things < LEAST_KINDS else "CLIP"
        raise UserError(
            f"The self-test failed, so nothing is scored: {words}; {LEAST_KINDS} and {LEAST_COLOURS} must be. The "
            f"weights of the {what} are damaged, or of something else: take them anew."
        )
    return words


def _things_found(network: Mask2Former) -> int:
    given = read(np.asarray(known_image()))
    with exact():
        found = kept(detections(*network(given.pixels.to(network.device)), given, THRESHOLD), THRESHOLD)
    return sum(any(_cell(one) == place for one in found.get(kind, ())) for place, kind in enumerate(KINDS))


def _cell(thing: Detection) -> int:
    """Which place in the image the middle of a thing is in."""
    left, top, right, bottom = thing.box
    return int((top + bottom) / 2) // CELL * ACROSS + int((left + right) / 2) // CELL


def known_image() -> Image.Image:
    """Drawings of the known things, in rows."""
    image = Image.new("RGB", (ACROSS * CELL, -(-len(KINDS) // ACROSS) * CELL), GROUND)
    for place, kind in enumerate(KINDS):
        thing = _drawing(kind, 0)
        image.paste(thing, (place % ACROSS * CELL, place // ACROSS * CELL), thing)
    return image


def _colours_found(colours: Colours) -> int:
    told = []
    for tint in range(1, len(COLOURS) + 1):
        thing = _drawing(COLOURED, tint)
        image = Image.new("RGB", thing.size, GROUND)
        image.paste(thing, (0, 0), thing)
        mask = np.asarray(thing.getchannel("A")) > 127
        with exact():
            told += colours.of(image, [Detection(COLOURED, 1.0, thing.getbbox(), mask)], COLOURED)
    return sum(one == colour for one, colour in zip(told, COLOURS))


def _drawing(kind: str, tint: int) -> Image.Image:
    """A thing, transparent around it, somewhat smaller than its cell."""
    left, top = tint * _DRAWING, CLASSES.index(kind) * _DRAWING
    with Image.open(SHEET) as sheet:
        small = sheet.convert("RGBA").crop((left, top, left + _DRAWING, top + _DRAWING))
    side, image = CELL * 7 // 8, Image.new("RGBA", (CELL, CELL))
    image.paste(small.resize((side, side), Image.Resampling.BICUBIC), ((CELL - side) // 2,) * 2)
    return image
