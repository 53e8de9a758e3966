"""A complete folder of the embedded model, of a few thousand weights at random: everything loads, nothing is right."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from cotdemo.backends import MiniBackend
from cotdemo.generator.magvit import MagvitV2
from cotdemo.training.generator import new_generator
from cotdemo.training.judge import new_judge
from cotdemo.world.words import judge_tokenizer, prompt_tokenizer

PHI = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 512, "rope_theta": 100.0, "partial_rotary_factor": 1.0, "initializer_range": 0.3,
}  # fmt: skip
VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 128, "patch_size": 32,
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip


def build(root: Path) -> Path:
    """Write ``root``/tokenizer, magvit, showo, self-correct and judge; the judge's answers are "yes" or "no"."""
    torch.manual_seed(0)
    words = prompt_tokenizer()
    words.save_pretrained(root / "tokenizer")
    magvit = MagvitV2(
        channels=8, channel_multipliers=(1, 1), encoder_blocks=(1, 1), decoder_blocks=(1, 1),
        bits=10, norm_groups=4, patch_size=8,
    )  # fmt: skip
    magvit.save_pretrained(root / "magvit")
    for part in ("showo", "self-correct"):
        new_generator(PHI, words, magvit.codebook_size, tokens=64).save_pretrained(root / part)
    judge = new_judge(VISION, TEXT, judge_tokenizer())
    torch.manual_seed(10)  # a judge that says both, of most prompts
    with torch.no_grad():
        for parameter in (p for p in judge.model.parameters() if p.ndim > 1):
            parameter.normal_(std=0.3)
        judge.model.lm_head.weight[[judge.conversation.yes, judge.conversation.no]] *= 8
    judge.save_pretrained(root / "judge")
    return root


def build_all_judges(root: Path) -> Path:
    """``build``, with the same judge under the name of every other one too."""
    build(root)
    for folder in ("judge-orm", "judge-zero-shot", "judge-prm"):
        shutil.copytree(root / "judge", root / folder)
    return root


def backend(root: Path) -> MiniBackend:
    return MiniBackend(root=build(root))
