"""Whether an image is what a prompt of GenEval asks for: the detector, the colours and the rules put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from .colours import Colours
from .detections import Detection, detections, kept
from .network import Mask2Former, exact
from .pixels import read
from .rules import COUNTING_THRESHOLD, THRESHOLD, Found, evaluate
from .verdict import OFFICIAL, Verdict


class Scorer:
    """GenEval's evaluator in this process. ``detector`` is the name of the weights that ``network`` has."""

    def __init__(self, network: Mask2Former, colours: Colours, device: str = "cpu", detector: str = OFFICIAL):
        self.network, self.colours, self.detector = network.to(device), colours.to(device), detector

    def score(self, metadata: Mapping[str, Any], image: Image.Image | np.ndarray) -> Verdict:
        """What GenEval says of an image (or an array ``(height, width, 3)`` uint8) for a prompt.

        ``metadata`` is a prompt's object as ``cotdemo.geneval.prompts`` makes them, or ``metadata.checked`` has passed.
        """
        found = self.look(metadata, image)
        correct, reason = evaluate(found, dict(metadata))
        boxes: dict[str, list[tuple[float, ...]]] = {}
        for thing in found:
            boxes.setdefault(thing.kind, []).append((*thing.box, thing.score))
        return Verdict(correct, reason, boxes, self.detector)

    def look(self, metadata: Mapping[str, Any], image: Image.Image | np.ndarray) -> list[Found]:
        """The things in an image that the rules look at, with the colours of those whose colour matters."""
        image = (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")
        threshold = COUNTING_THRESHOLD if metadata["tag"] == "counting" else THRESHOLD
        with exact():
            things = self._things(image, threshold)
            colours = self._colours(image, things, metadata)
        return [
            Found(kind, colours.get((kind, place)), thing.box, thing.score)
            for kind, of_kind in things.items()
            for place, thing in enumerate(of_kind)
        ]

    def _things(self, image: Image.Image, threshold: float) -> dict[str, list[Detection]]:
        given = read(np.asarray(image))
        classes, masks = self.network(given.pixels.to(self.network.device))
        if not bool(classes.isfinite().all()):  # NaN exceeds no threshold: it would pass for an empty image
            raise FloatingPointError("The detector gives numbers that are not finite: its weights are damaged.")
        return kept(detections(classes, masks, given, threshold), threshold)

    def _colours(
        self, image: Image.Image, things: Mapping[str, Sequence[Detection]], metadata: Mapping[str, Any]
    ) -> dict[tuple[str, int], str]:
        """By kind and place the colours of those things whose colour matters: the surest, as many as are asked for."""
        told = {}
        for asked in metadata["include"]:
            kind, count = asked["class"], asked["count"]
            surest = things.get(kind, [])[:count]
            if "color" in asked and len(surest) == count:
                told |= {(kind, place): colour for place, colour in enumerate(self.colours.of(image, surest, kind))}
        return told
