"""Stage 4: self-correction. The generator learns to paint again from prompt, previous picture and critique.

The released recipe (arXiv 2501.13926 section 4.3) pairs a wrong picture with a right one of the same prompt. Here the
right one is the wrong one *repaired*: what was right stays where it is, so that the model learns to change what the
critique names and to keep the rest. Wrong pictures are the base generator's own, of ``align`` prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..generator.magvit import MagvitV2
from ..generator.showo import Showo
from ..world.checker_a import read
from ..world.drawing import draw
from ..world.geneval import Found, judge_reading
from ..world.prompts import parse
from ..world.scenes import COLOURS, DIFFICULTY, Difficulty, Object, Scene, relations
from ..world.splits import random_scene
from ..world.words import prompt_tokenizer
from .generator import mask_codes, masked_loss
from .judge_data import Lessons, Paintings
from .loop import Schedule, fit, plain_attention
from .pictures import to_pixels


@dataclass(frozen=True)
class Recipe:
    seed: int = 4
    paintings: Paintings = Paintings()  # of the base generator, of which the wrong ones are corrected
    drawn: int = 8_000  # drawn pictures, likewise
    batch: int = 32
    plain: float = 0.25  # share of sequences that paint from the prompt alone, so that this is not forgotten
    right: float = 0.1  # share of previous pictures that are right already, and stay as they are
    drop_words: float = 0.1  # unconditional sequences, for guidance
    schedule: Schedule = Schedule(steps=2000, lr=1e-3, warmup=100, lr_end=2e-5, average=0.995)


def _snapped(item: Found, difficulty: Difficulty) -> tuple[int, int]:
    margin = (difficulty.box - difficulty.size) // 2
    limit = difficulty.canvas - difficulty.box
    place = (np.rint((np.asarray(item.box[:2]) - margin) / difficulty.pitch) * difficulty.pitch).clip(0, limit)
    return int(place[0]), int(place[1])


def repair(entry: dict, found: Sequence[Found], rng: np.random.Generator, difficulty: Difficulty = DIFFICULTY) -> Scene:
    """A scene that is strictly right for ``entry`` and keeps, in place, as many of the objects found as it can."""
    wanted: list[tuple[str, str | None]] = []
    for item in entry["include"]:
        wanted += [(item["class"], item.get("color"))] * item["count"]
    noun_colour: dict[tuple[str, str | None], str] = {}
    spare = [item for item in found if item.kind is not None]
    kept: list[Object | None] = []
    for kind, colour in wanted:
        fits = [item for item in spare if item.kind == kind]
        fits.sort(key=lambda item: colour is not None and item.colour != colour)
        if not fits:
            kept.append(None)
            continue
        item = fits[0]
        spare.remove(item)
        noun_colour.setdefault((kind, colour), item.colour)
        kept.append(Object(kind, colour or item.colour, *_snapped(item, difficulty)))

    slots = range(0, difficulty.canvas - difficulty.box + 1, difficulty.pitch)
    size = difficulty.box
    for attempt in range(200):
        objects = list(kept)
        if attempt >= 20:  # the objects in place leave no room, or stand in the wrong relation: move one of them
            objects[rng.integers(len(objects))] = None
        for index, (kind, colour) in enumerate(wanted):
            if objects[index] is not None:
                continue
            others = [other for other in objects if other is not None]
            free = [
                (x, y)
                for x in slots
                for y in slots
                if all(abs(x - o.x) >= size or abs(y - o.y) >= size for o in others)
            ]
            if not free:
                break
            hue = colour or noun_colour.setdefault((kind, colour), list(COLOURS)[rng.integers(len(COLOURS))])
            objects[index] = Object(kind, hue, *free[rng.integers(len(free))])
        if None in objects or not _fits(entry, objects, size):
            continue
        return Scene(tuple(objects), difficulty)
    return random_scene(entry, rng, difficulty)


def _fits(entry: dict, objects: Sequence[Object], size: int) -> bool:
    """No boxes overlap, and the relation asked for, if any, is the only one that holds."""
    for index, a in enumerate(objects):
        if any(abs(a.x - b.x) < size and abs(a.y - b.y) < size for b in objects[:index]):
            return False
    for index, item in enumerate(entry["include"]):
        if "position" in item:
            name, other = item["position"]
            box_a, box_b = ((o.x, o.y, o.x + size, o.y + size) for o in (objects[index], objects[other]))
            return relations(box_a, box_b) == {name}
    return True


@dataclass(frozen=True)
class Corrections:
    """Wrong pictures, what is wrong with each, and each repaired; lists and arrays of one length."""

    prompts: list[str]
    critiques: list[str]
    before: torch.Tensor  # (n, tokens)
    after: torch.Tensor  # (n, tokens)


@torch.no_grad()
def corrections(magvit: MagvitV2, lessons: Lessons, seed: int, right: float) -> Corrections:
    """Corrections of the pictures in ``lessons`` (a share of ``right`` ones is kept, and kept as they are)."""
    rng = np.random.default_rng([seed, 17])
    keep = np.flatnonzero((lessons.outcome == 0) | (rng.random(len(lessons)) < right))
    lessons = lessons.only(keep)
    before = torch.from_numpy(lessons.codes.astype(np.int64))
    after = before.clone()
    for first in range(0, len(lessons), 128):
        rows = range(first, min(first + 128, len(lessons)))
        pictures = MagvitV2.to_uint8(magvit.decode(before[first : first + 128]))
        wrong, repaired = [], []
        for row, picture in zip(rows, pictures):
            entry, found = parse(str(lessons.prompts[row])), read(picture)
            if not judge_reading(found, entry).strict:
                wrong.append(row)
                repaired.append(draw(repair(entry, found, rng)))
        if wrong:
            after[wrong] = magvit.encode(to_pixels(np.stack(repaired)))
    critiques = [str(text) or "there is nothing malformed" for text in lessons.critiques]
    return Corrections([str(prompt) for prompt in lessons.prompts], critiques, before, after)


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
        chance = torch.rand(recipe.batch, 2, generator=rng)
        prefixes, codes = [], []
        for row, other, (which, dropped) in zip(rows, others, chance.tolist()):
            if which < recipe.plain:
                prefixes.append(
                    vocabulary.prefix() if dropped < recipe.drop_words else vocabulary.prefix(ids(plain[0][other]))
                )
                codes.append(plain[1][other])
                continue
            before = data.before[row].tolist()
            said = ((), ()) if dropped < recipe.drop_words else (ids(data.prompts[row]), ids(data.critiques[row]))
            prefixes.append(vocabulary.prefix(said[0], before, said[1]))
            codes.append(data.after[row])
        target = torch.stack(codes)
        return masked_loss(model, prefixes, target, mask_codes(target, rng))

    return fit(base, step, recipe.schedule, work, **options)
