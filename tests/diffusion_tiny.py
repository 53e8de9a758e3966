"""Stable Diffusion 3 in its published layout, of some thousand weights at random."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WIDTH = 32
LETTERS = [chr(code) for code in range(ord("!"), ord("~") + 1)]


def build(folder: Path) -> Path:
    """Write the pipeline's folder; its images are 64 x 64."""
    torch.manual_seed(0)
    words = _tokenizer(folder.parent / "words")
    text = CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4, projection_dim=WIDTH,
        vocab_size=len(words), bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    pieces = T5Tokenizer(vocab=[(one, 0.0) for one in ("<pad>", "</s>", "<unk>", "\u2581", *LETTERS)], extra_ids=0)
    t5 = T5Config(d_model=WIDTH, d_ff=37, d_kv=8, num_layers=2, num_heads=4, vocab_size=len(pieces))
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=16, patch_size=1, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
            num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=32, pooled_projection_dim=64,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            sample_size=32, block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=1,
            down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
            use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0609, scaling_factor=1.5035,
        ),
        text_encoder=CLIPTextModelWithProjection(text), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(text), tokenizer_2=words,
        text_encoder_3=T5EncoderModel(t5), tokenizer_3=pieces,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's, which knows letters."""
    vocabulary = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
