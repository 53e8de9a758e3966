"""The Hub's repositories as the released show-o wants them, and GenEval's scorer: few weights, at random."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import clip_tiny
import mask2former_tiny
import tiny_mini
import torch
from transformers import CLIPTokenizer

from cotdemo.backends import RELEASED
from cotdemo.backends import scorer as source
from cotdemo.generator.magvit import MagvitV2
from cotdemo.geneval import network, self_test
from cotdemo.training.generator import new_generator
from cotdemo.verifiers.checkpoint import load_tokenizer

_LEVELS = (1, 1, 1, 1, 1)  # all but the last halve the sides: 16 x 16 tokens of 256 x 256 pixels


def build(root: Path) -> Path:
    """Write generator, image tokenizer, words and PARM; what is painted is noise, and judged at random."""
    places = RELEASED["show-o"]
    torch.manual_seed(0)
    magvit = MagvitV2(
        channels=4, channel_multipliers=_LEVELS, encoder_blocks=_LEVELS, decoder_blocks=_LEVELS, bits=13, norm_groups=4
    )
    magvit.save_pretrained(root / str(places.magvit))
    mini = tiny_mini.build(root / "mini")  # whose judge knows GenEval's words
    shutil.move(mini / "tokenizer", root / str(places.words))
    shutil.move(mini / "judge", root / str(places.judges["parm"]))
    shutil.rmtree(mini)
    words = load_tokenizer(root / str(places.words))
    showo = new_generator(tiny_mini.PHI, words, magvit.codebook_size, tokens=256)
    showo.save_pretrained(root / str(places.generators["base"]))
    return root


def build_scorer(root: Path) -> Path:
    """Write the official detector's file, facebook's repository and CLIP's, of small networks."""
    torch.save({"meta": {"epoch": 50}, "state_dict": mask2former_tiny.weights()}, root / network.OFFICIAL_FILE)
    small = network.official(mask2former_tiny.weights(), mask2former_tiny.CONFIG)
    small.save_pretrained(root / str(source.FACEBOOK))
    clip_tiny.clip().save_pretrained(root / str(source.CLIP))
    _words_of_clip(root / str(source.CLIP))
    return root


def _words_of_clip(folder: Path) -> None:
    """A tokenizer in CLIP's layout that spells."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.joinpath("vocab.json").write_text(json.dumps({word: place for place, word in enumerate(vocabulary)}))
    folder.joinpath("merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)


def trust(monkeypatch) -> None:
    """As if these small weights were GenEval's own, and knew what things look like."""
    monkeypatch.setattr(network, "OFFICIAL", mask2former_tiny.CONFIG)
    monkeypatch.setattr(network, "is_official", lambda file: True)
    monkeypatch.setattr(self_test, "known", lambda *_: "8 of 8")
