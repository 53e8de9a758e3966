"""A task of one's own: stripes, upright or level, in three colours. Training and preference pairs take it as it is.

A task has prompts, right images of them, a vocabulary, and a check that tells right from wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

COLOURS = {"red": (200, 40, 40), "green": (40, 160, 40), "blue": (40, 60, 200)}
WAYS = ("upright", "level")
PROMPTS = [{"tag": way, "prompt": f"{way} {colour} stripes"} for way, colour in product(WAYS, COLOURS)]
SIDE, WIDTH = 128, 16  # pixels: of an image, of a stripe


@dataclass(frozen=True)
class Verdict:
    correct: bool
    strict: bool
    reason: str


class Stripes:
    def prompts(self, split: str) -> list[dict]:
        return {"dev": PROMPTS[::2], "pretrain": PROMPTS}[split]

    def examples(self, split: str, count: int, rng: np.random.Generator) -> tuple[list[dict], np.ndarray]:
        entries = [self.prompts(split)[i] for i in rng.integers(len(self.prompts(split)), size=count)]
        return entries, np.stack([stripes(*entry["prompt"].split()[:2], int(rng.integers(2))) for entry in entries])

    def hinted(self, count: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
        entries, images = self.examples("pretrain", count, rng)
        return [f"{entry['tag']} <unk> stripes" for entry in entries], images

    def caption(self, prompt: str, wrong: Mapping[str, float], rng: np.random.Generator) -> str:
        return prompt  # its captions are all right

    def tokenizer(self) -> PreTrainedTokenizerFast:
        table = {word: i for i, word in enumerate(["<unk>", *WAYS, *COLOURS, "stripes", "<end>"])}
        words = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", bos_token="<end>", eos_token="<end>")

    def check(self, prompt: str, image: np.ndarray) -> Verdict:
        way, colour, _ = prompt.split()
        error = min(np.abs(image.astype(float) - stripes(way, colour, phase)).mean() for phase in (0, 1))
        return Verdict(error < 30, error < 15, f"{error:.0f} levels from stripes like these")


def stripes(way: str, colour: str, phase: int) -> np.ndarray:
    """The image of a prompt; ``phase`` says whether it begins with the colour or with white."""
    coloured = np.arange(SIDE) // WIDTH % 2 == phase
    image = np.where(coloured[None, :, None], COLOURS[colour], 255).astype(np.uint8).repeat(SIDE, axis=0)
    return image if way == "upright" else image.swapaxes(0, 1).copy()
