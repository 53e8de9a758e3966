"""Stage 4: self-correction. The generator learns to paint again from prompt, previous image and critique.

The released recipe (arXiv 2501.13926 section 4.3) pairs a wrong image with a right one of the same prompt. A model
that can see what is wrong by itself then never reads the critique: trained so, ours repaired as well without it. Here
an image is paired with the same image *after the critique is followed*: what it names is put right, everything else
stays, other faults among it. In part of the lessons the prompt is hidden, so that the critique alone says what to do;
in another part nothing is said, and nothing changes. Images are the base generator's own, of ``align`` prompts, and
drawn ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..generator.magvit import MagvitV2
from ..generator.showo import Showo
from ..world.checker_a import read
from ..world.faults import judge_reading
from ..world.prompts import parse
from ..world.scenes import draw
from ..world.words import prompt_tokenizer
from .generator import mask_codes, masked_loss
from .images import to_pixels
from .judge_data import Drawn, Lessons
from .loop import Schedule, fit, plain_attention
from .repair import follow
from .trajectories import Sampling


@dataclass(frozen=True)
class Recipe:
    seed: int = 4
    paintings: Sampling = Sampling(count=6400)  # of the base generator, of which the wrong ones are corrected
    drawn: Drawn = Drawn(count=20_000, damaged=0.2, splits=("align",), seed=4)  # drawn images, likewise
    batch: int = 32
    plain: float = 0.2  # share of sequences that paint from the prompt alone, so that this is not forgotten
    # of the others:
    silent: float = 0.15  # share without a critique, where the image stays as it is
    hidden: float = 0.35  # share without the prompt
    drop_words: float = 0.1  # of the plain ones, for guidance
    schedule: Schedule = Schedule(steps=2200, lr=1e-3, warmup=100, lr_end=2e-5, average=0.995)


@dataclass(frozen=True)
class Corrections:
    """Images, what is said about each, and each as it is after that is followed; lists and arrays of one length."""

    prompts: list[str]
    critiques: list[str]
    before: torch.Tensor  # (n, tokens)
    after: torch.Tensor  # (n, tokens)


@torch.no_grad()
def corrections(magvit: MagvitV2, lessons: Lessons) -> Corrections:
    """Corrections of the wrong images in ``lessons``, save those whose critique cannot be followed."""
    lessons = lessons.only(np.flatnonzero(lessons.outcome == 0))
    codes = torch.from_numpy(lessons.codes.astype(np.int64))
    rows, critiques, after = [], [], []
    for first in range(0, len(lessons), 128):
        scenes = []
        for row, image in enumerate(MagvitV2.to_uint8(magvit.decode(codes[first : first + 128])), start=first):
            entry, found = parse(str(lessons.prompts[row])), read(image)
            faults = judge_reading(found, entry).faults
            scene = follow(entry, found, faults[0]) if faults else None
            if scene is not None:
                rows.append(row)
                critiques.append(faults[0].words())
                scenes.append(scene)
        if scenes:
            after.append(magvit.encode(to_pixels(np.stack([draw(scene) for scene in scenes]))))
    return Corrections([str(lessons.prompts[row]) for row in rows], critiques, codes[rows], torch.cat(after))


def train(
    recipe: Recipe, base: Showo, data: Corrections, plain: tuple[list[str], torch.Tensor], work: Path, **options
) -> Showo:
    """Fine-tune a copy of ``base``; ``plain`` are prompts and codes to paint from the prompt alone."""
    torch.manual_seed(recipe.seed)
    words = prompt_tokenizer()
    vocabulary = base.vocabulary
    plain_attention(base.showo)

    def ids(text: str) -> list[int]:
        return words(text).input_ids

    def step(model: Showo, index: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + index)
        rows = torch.randint(len(data.prompts), (recipe.batch,), generator=rng).tolist()
        others = torch.randint(len(plain[0]), (recipe.batch,), generator=rng).tolist()
        prefixes, codes = [], []
        for row, other, chance in zip(rows, others, torch.rand(recipe.batch, 3, generator=rng).tolist()):
            if chance[0] < recipe.plain:
                prompt = () if chance[1] < recipe.drop_words else ids(plain[0][other])
                prefixes.append(vocabulary.prefix(prompt))
                codes.append(plain[1][other])
                continue
            before, silent = data.before[row].tolist(), chance[1] < recipe.silent
            prompt = () if chance[2] < recipe.hidden else ids(data.prompts[row])
            prefixes.append(vocabulary.prefix(prompt, before, () if silent else ids(data.critiques[row])))
            codes.append(data.before[row] if silent else data.after[row])
        target = torch.stack(codes)
        return masked_loss(model, prefixes, target, mask_codes(target, rng))

    return fit(base, step, recipe.schedule, work, **options)
