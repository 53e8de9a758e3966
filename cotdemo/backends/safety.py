"""Which images are not for everybody: Stable Diffusion's safety checker, by diffusers, from the Hub.

It looks at an image through CLIP, and flags it where it is near one of seventeen concepts (arXiv 2210.04610).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.utils import logging
from PIL import Image

from ..geneval.colours import pixels
from ..geneval.loading import pretrained
from .hub import Place, Tell, fetch

PLACE = Place("CompVis/stable-diffusion-safety-checker")
BYTES = 4 * 0.304e9  # in single precision
_INSTEAD = "start the page without it: --safety off"


class SafetyChecker:
    """Asked of one image after the other, as a search yields them."""

    def __init__(self, network: StableDiffusionSafetyChecker, device: str = "cpu"):
        self._network = network.to(device)
        self._device = device
        self._side = network.config.vision_config.image_size
        logging.get_logger(StableDiffusionSafetyChecker.__module__).setLevel(logging.ERROR)  # what is said is said here

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> SafetyChecker:
        """That of a folder in transformers' layout. Raises UserError where it cannot be loaded."""
        return cls(pretrained(StableDiffusionSafetyChecker, folder, unneeded="position_ids"), device)

    def __call__(self, image: np.ndarray) -> bool:
        """Whether an image ``(height, width, 3)`` uint8 is flagged.

        Raises FloatingPointError where its weights are damaged: nothing would be flagged by numbers that are none.
        """
        given = pixels(Image.fromarray(image), self._side)[None].to(self._device)
        seen = self._network.visual_projection(self._network.vision_model(given)[1])
        if not bool(seen.isfinite().all()):
            raise FloatingPointError("The safety checker gives numbers that are not finite: take its files anew.")
        _, (flagged,) = self._network(given, [np.zeros(1)])  # it would black out what it is given there
        return bool(flagged)


def load(device: str, root: Path | None, tell: Tell) -> SafetyChecker:
    """The checker on a device. Raises UserError where it cannot be had."""
    return SafetyChecker.from_folder(fetch(PLACE, root, tell=tell, instead=_INSTEAD), device)
