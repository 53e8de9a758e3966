"""A verifier of one's own: transformers' ``CLIPModel`` tells how well an image matches the prompt.

It encodes images once and is asked about them. P(yes) is the probability of the prompt against a caption that says
nothing ("a photo"). That is an outcome verifier, for best of N; to PARM's other questions it answers the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from cotdemo.verifiers.llava import Answers

NOTHING = "a photo"


class ClipVerifier:
    def __init__(self, model: CLIPModel, tokenizer: Any, processor: CLIPImageProcessor):
        self.model, self.tokenizer, self.processor = model.eval(), tokenizer, processor

    @classmethod
    def from_pretrained(cls, name: str = "openai/clip-vit-base-patch32") -> ClipVerifier:
        return cls(*(part.from_pretrained(name) for part in (CLIPModel, CLIPTokenizer, CLIPImageProcessor)))

    @torch.no_grad()
    def encode(self, images: Sequence[np.ndarray]) -> Encoded:
        """Encode images ``(height, width, 3)`` uint8."""
        pixels = self.processor(list(images), return_tensors="pt").pixel_values.to(self.model.device)
        pooled = self.model.vision_model(pixels).pooler_output
        return Encoded(self, _unit(self.model.visual_projection(pooled)))

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        words = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.model.device)
        return _unit(self.model.text_projection(self.model.text_model(**words).pooler_output))


class Encoded:
    """Images that CLIP has encoded, ``(images, width)``."""

    def __init__(self, verifier: ClipVerifier, images: torch.Tensor):
        self.verifier, self.images = verifier, images

    def ask(self, question: str, prompt: str, rows: Sequence[int] | None = None, **_: Any) -> Answers:
        """Whether the images in ``rows`` (all by default) match the prompt."""
        images = self.images if rows is None else self.images[list(rows)]
        scale = self.verifier.model.logit_scale.detach().exp()
        logits = scale * images @ self.verifier.encode_texts([prompt, NOTHING]).T
        p_yes, p_no = logits.softmax(-1).T.cpu().numpy()
        return Answers(p_yes, p_no, p_yes > p_no, p_yes <= p_no)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        """CLIP has no words of its own."""
        yield f"this does not look like {prompt}"


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)
