"""Another masked generator: aMUSEd (arXiv 2401.01808), from diffusers' components.

Four methods make it one that every search works on: what all steps need of a prompt, logits for a canvas, the order of
unmasking, and the decoder. The order is that of diffusers' ``AmusedScheduler``: cosine, ``log p`` with Gumbel noise
whose temperature falls linearly, and nothing left masked after the last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import UVit2DModel, VQModel
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from cotdemo.generator.mask_predict import guided
from cotdemo.generator.protocol import MaskedGenerator
from cotdemo.generator.schedule import Unmasking, masked_counts

PARTS = {
    "transformer": UVit2DModel,
    "vqvae": VQModel,
    "text_encoder": CLIPTextModelWithProjection,
    "tokenizer": CLIPTokenizer,
}


class AmusedGenerator(MaskedGenerator):
    """aMUSEd. ``guidance`` w is its ``guidance_scale`` less 1."""

    def __init__(self, transformer: UVit2DModel, vqvae: VQModel, text_encoder: Any, tokenizer: Any):
        self.transformer, self.vqvae, self.text_encoder, self.tokenizer = transformer, vqvae, text_encoder, tokenizer
        side, scale = transformer.config.sample_size, 2 ** (len(vqvae.config.block_out_channels) - 1)
        self.grid, self.tokens, self.size = (side, side), side**2, (side * scale, side * scale)
        self.codebook, self.device = transformer.config.codebook_size, transformer.device

    @classmethod
    def from_pretrained(cls, name: str = "amused/amused-256") -> AmusedGenerator:
        return cls(**{part: kind.from_pretrained(name, subfolder=part) for part, kind in PARTS.items()})

    def prefill(self, prompts: Sequence[str], guidance: float, contexts: Sequence[Any] = ()) -> tuple:
        texts = [*prompts, *[""] * len(prompts)] if guidance > 0 else list(prompts)
        ids = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        encoded = self.text_encoder(ids.to(self.device), output_hidden_states=True)
        return guidance, encoded.text_embeds, encoded.hidden_states[-2]

    def logits(self, prefix: tuple, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor) -> torch.Tensor:
        guidance, pooled, hidden = prefix
        ids = canvas.masked_fill(canvas < 0, self.transformer.config.vocab_size - 1).unflatten(1, self.grid)
        if guidance > 0:
            ids, rows = torch.cat([ids, ids]), [*rows, *(row + len(pooled) // 2 for row in rows)]
        micro = pooled.new_tensor([[*self.size, 0, 0, 6]]).expand(len(ids), -1)  # size, crop, aesthetic score
        codes = self.transformer(ids, hidden[rows], pooled[rows], micro).flatten(2).mT
        both = codes.chunk(2) if guidance > 0 else (codes, None)
        return guided(*both, guidance)[torch.arange(len(where))[:, None], where]

    def unmasking(self, steps: int, temperature: float, paths: Sequence[int]) -> Unmasking:
        counts = (*masked_counts("cosine", steps, self.tokens)[:-1], 0)
        return Unmasking(counts, dict.fromkeys(paths, tuple(np.linspace(temperature, 0, steps).tolist())))

    def decode(self, codes: torch.Tensor) -> np.ndarray:
        shape = (len(codes), *self.grid, self.vqvae.config.latent_channels)
        pixels = self.vqvae.decode(codes.to(self.device), force_not_quantize=True, shape=shape).sample.clamp(0, 1)
        return (pixels.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()
