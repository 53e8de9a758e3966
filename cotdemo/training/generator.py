"""Stage 2: the generator. Learns to fill in masked tokens of ``pretrain`` pictures, as Show-o does.

The masking ratio is cos(pi t / 2) with t uniform, the loss is on masked tokens only, and the text is dropped for one
sequence in ten, which trains the unconditional branch of guidance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from ..generator.magvit import MagvitV2
from ..generator.sequence import MARKS
from ..generator.showo import Showo
from ..world.words import prompt_tokenizer
from .loop import Schedule, fit, plain_attention
from .pictures import random_pairs, to_pixels


@dataclass(frozen=True)
class Recipe:
    seed: int = 2
    pool: int = 80_000  # pictures tokenized once; every step draws from them
    batch: int = 64
    drop_text: float = 0.1
    phi: dict = field(
        default_factory=lambda: {
            "hidden_size": 192, "intermediate_size": 384, "num_hidden_layers": 6, "num_attention_heads": 3,
            "max_position_embeddings": 512, "rope_theta": 100.0, "partial_rotary_factor": 1.0,
            "attention_dropout": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
        }
    )  # fmt: skip
    # chosen on dev: with 2,200 steps the plain generator is right on 68% of prompts, more than Show-o's 53% on GenEval
    # by so much that there is little left to select or to align
    schedule: Schedule = Schedule(steps=1400, lr=2e-3, warmup=150, lr_end=2e-5, average=0.997)


def new_generator(phi: dict, tokenizer: PreTrainedTokenizerBase, codebook: int, tokens: int) -> Showo:
    """An untrained Show-o around a text tokenizer and a codebook."""
    words = len(tokenizer)
    return Showo(
        vocab_size=words + len(MARKS) + codebook + 1, llm_vocab_size=words, llm_model_path="", codebook_size=codebook,
        num_vq_tokens=tokens, mask_token_id=words + len(MARKS) + codebook, phi=phi,
        eos_token_id=tokenizer.eos_token_id, max_text_length=32,
    )  # fmt: skip


@torch.no_grad()
def token_pool(magvit: MagvitV2, split: str, count: int, seed: int, file: Path) -> tuple[list[str], torch.Tensor]:
    """Prompts and codes ``(count, tokens)`` of ``count`` random pictures, made once and kept in ``file``."""
    if not file.exists():
        prompts, codes = [], []
        device = next(magvit.parameters()).device
        for chunk in range(math.ceil(count / 250)):
            entries, pictures = random_pairs(split, 250, [seed, chunk])
            prompts += [entry["prompt"] for entry in entries]
            codes.append(magvit.encode(to_pixels(pictures, device)).cpu().numpy().astype(np.uint16))
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, prompts=np.asarray(prompts[:count]), codes=np.concatenate(codes)[:count])
    with np.load(file) as saved:
        return saved["prompts"].tolist(), torch.from_numpy(saved["codes"].astype(np.int64))


def mask_codes(codes: torch.Tensor, rng: torch.Generator, among: torch.Tensor | None = None) -> torch.Tensor:
    """Where to mask, bool ``(B, tokens)``: a random share cos(pi t / 2) of each picture, at least one token.

    Of the tokens ``among``, bool ``(B, tokens)``, some of each picture, if not of all.
    """
    among = torch.ones(codes.shape, dtype=torch.bool) if among is None else among
    share = torch.cos(math.pi / 2 * torch.rand(len(codes), 1, generator=rng))
    masked = (share * among.sum(1, keepdim=True)).round().clamp(min=1)
    order = torch.rand(codes.shape, generator=rng).masked_fill(~among, 2.0)
    return order.argsort(1).argsort(1) < masked


def masked_loss(
    model: Showo, prefixes: list[list[int]], codes: torch.Tensor, masked: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Cross-entropy over the codes at masked positions: its mean, and beside it the mean of rows mostly visible."""
    vocabulary = model.vocabulary
    device = next(model.parameters()).device
    codes, masked = codes.to(device), masked.to(device)
    ids = vocabulary.sequences(prefixes, codes.masked_fill(masked, -1))
    hidden = model.hidden(ids, vocabulary.attention(ids))[:, -codes.shape[1] - 1 : -1]
    each = F.cross_entropy(model.code_logits(hidden[masked]).float(), codes[masked], reduction="none")
    visible = (masked.float().mean(1) < 0.4)[:, None].expand_as(masked)[masked]
    return {"loss": each.mean(), "visible": each.detach()[visible].mean() if visible.any() else each.detach().mean()}


def train(recipe: Recipe, magvit: MagvitV2, work: Path, device: str = "cpu", **options) -> Showo:
    """Train from nothing, or go on from the checkpoint in ``work``."""
    torch.manual_seed(recipe.seed)
    tokenizer = prompt_tokenizer()
    prompts, codes = token_pool(magvit, "pretrain", recipe.pool, recipe.seed, work / "pool.npz")
    texts = [tokenizer(prompt).input_ids for prompt in prompts]
    model = new_generator(recipe.phi, tokenizer, magvit.codebook_size, codes.shape[1]).to(device)
    plain_attention(model.showo)
    unconditional = model.vocabulary.prefix()

    def step(model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + index)
        rows = torch.randint(len(codes), (recipe.batch,), generator=rng)
        dropped = torch.rand(recipe.batch, generator=rng) < recipe.drop_text
        prefixes = [unconditional if drop else model.vocabulary.prefix(texts[row]) for row, drop in zip(rows, dropped)]
        return masked_loss(model, prefixes, codes[rows], mask_codes(codes[rows], rng))

    return fit(model, step, recipe.schedule, work, **options)
