"""What colour a thing in an image has, by CLIP: cut out along its mask, set on grey, compared with ten colours' words.

As the official evaluator does by open_clip and clip_benchmark, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from ..errors import UserError
from .detections import Detection
from .loading import UNREADABLE, pretrained
from .prompts import COLOURS

TEMPLATES = ("a photo of a {colour} {kind}", "a photo of a {colour}-colored {kind}", "a photo of a {colour} object")
BACKGROUND = (0x99, 0x99, 0x99)
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)
SHARPNESS = 100  # logits are so many cosines; their order is all that is asked for
AT_ONCE = 16

Tokens = Mapping[str, torch.Tensor]  # "input_ids" and "attention_mask", (texts, tokens)


class Colours:
    """CLIP, asked for colours; ``tokenize`` turns texts into its tokens."""

    def __init__(self, clip: CLIPModel, tokenize: Callable[[Sequence[str]], Tokens]):
        self.clip, self.tokenize = clip, tokenize
        self._known: dict[str, torch.Tensor] = {}

    @classmethod
    def from_folder(cls, folder: Path) -> Colours:
        """CLIP of a folder in transformers' layout. Raises UserError where it cannot be loaded."""
        clip = pretrained(CLIPModel, folder)
        try:
            tokenizer = CLIPTokenizer.from_pretrained(folder, trust_remote_code=False)
        except UNREADABLE as error:
            raise UserError(f"{folder} holds no tokenizer of CLIP's. Take its files anew.") from error
        return cls(clip, lambda texts: tokenizer(list(texts), padding=True, return_tensors="pt"))

    def to(self, device: str) -> Colours:
        self.clip.to(device)
        self._known.clear()
        return self

    def of(self, image: Image.Image, things: Sequence[Detection], kind: str) -> list[str]:
        """The colour of each of some things of one kind in an RGB image."""
        logits = self.logits(torch.stack([pixels(cut_out(image, thing)) for thing in things]), kind)
        return [COLOURS[place] for place in logits.argmax(1).tolist()]

    def logits(self, inputs: torch.Tensor, kind: str) -> torch.Tensor:
        """``(images, 10)`` for CLIP's inputs ``(images, 3, side, side)``."""
        features = [
            self.clip.get_image_features(pixel_values=some.to(self.clip.device)).pooler_output
            for some in inputs.split(AT_ONCE)
        ]
        return SHARPNESS * _unit(torch.cat(features)) @ self.classifier(kind)

    def classifier(self, kind: str) -> torch.Tensor:
        """A kind's colours ``(width, 10)``: of each the mean of what three texts say."""
        if kind not in self._known:
            texts = [template.format(colour=colour, kind=kind) for colour in COLOURS for template in TEMPLATES]
            tokens = {name: tensor.to(self.clip.device) for name, tensor in self.tokenize(texts).items()}
            said = _unit(self.clip.get_text_features(**tokens).pooler_output)
            self._known[kind] = _unit(said.unflatten(0, (len(COLOURS), len(TEMPLATES))).mean(1)).T
        return self._known[kind]


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def cut_out(image: Image.Image, thing: Detection) -> Image.Image:
    """A thing on grey, cropped to its box."""
    ground = Image.new("RGB", image.size, BACKGROUND)
    return Image.composite(image, ground, Image.fromarray(thing.mask)).crop(tuple(map(float, thing.box)))


def pixels(image: Image.Image, side: int = 224) -> torch.Tensor:
    """CLIP's input ``(3, side, side)``, as open_clip makes it.

    Its middle is rounded half to even, transformers' is rounded down: a pixel apart in one of four sizes.
    """
    width, height = image.size
    scaled = [math.floor(side * length / min(width, height)) for length in (width, height)]
    image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2) for length in scaled)
    values = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
    return torch.from_numpy(((values - MEAN) / STD).transpose(2, 0, 1).copy())
