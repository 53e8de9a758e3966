"""A backend for the page's tests: real images and real searches, no weights, at a real pace.

It stands in for generator and judge only (``cotdemo.search.protocols``). Its tokenizer is a table of all patches that
the embedded world can show, its painter approaches a scene that it has made up beforehand, right or wrong by the path's
random number, and its judge recalls what was painted: how near the guess is to that scene, and whether it is right.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np

from cotdemo.errors import UserError
from cotdemo.geneval.prompts import CLASSES, COLOURS
from cotdemo.settings import MODELS
from cotdemo.world import prompts
from cotdemo.world.checker_a import read
from cotdemo.world.faults import judge_reading
from cotdemo.world.requirements import Requirement, requirements
from cotdemo.world.scenes import CANVAS, PITCH, Scene, Thing, draw, place
from cotdemo.world.sheet import NATURAL, TINTS
from cotdemo.world.words import PROMPT_WORDS

SIDE = CANVAS // PITCH
TOKENS = SIDE * SIDE


class Patches:
    """Codes for patches of one token, in order of first appearance."""

    def __init__(self):
        self.codes: dict[bytes, int] = {}
        self.table: list[np.ndarray] = []
        for kind in CLASSES:
            for tint in TINTS:
                self.encode(draw(Scene((Thing(kind, tint, 0, 0),))))

    def encode(self, image: np.ndarray) -> np.ndarray:
        rows = image.reshape(SIDE, PITCH, SIDE, PITCH, 3).swapaxes(1, 2).reshape(TOKENS, PITCH, PITCH, 3)
        return np.array([self._code(patch) for patch in rows])

    def _code(self, patch: np.ndarray) -> int:
        code = self.codes.setdefault(patch.tobytes(), len(self.table))
        if code == len(self.table):
            self.table.append(patch.copy())
        return code

    def decode(self, codes: np.ndarray) -> np.ndarray:
        patches = np.stack([np.stack([self.table[code] for code in row]) for row in codes])
        return patches.reshape(-1, SIDE, SIDE, PITCH, PITCH, 3).swapaxes(2, 3).reshape(-1, CANVAS, CANVAS, 3)


@cache
def all_patches() -> Patches:
    return Patches()


def scene(metadata: dict | None, rng: np.random.Generator, right: bool) -> np.ndarray:
    """An image of the prompt, or one with a fault; of anything, where the prompt is none of the world's."""
    include = metadata["include"] if metadata else [{"class": str(rng.choice(CLASSES)), "count": 2}]
    wanted = [(item["class"], item.get("color", NATURAL)) for item in include for _ in range(item["count"])]
    relation = (1, include[1]["position"][0], 0) if "position" in include[-1] else None
    if not right:
        fault = rng.integers(3)
        if fault == 0 and len(wanted) < 4:
            wanted.append(wanted[0])
        elif fault == 1 and relation:
            relation = (0, relation[1], 1)
        else:
            wanted[-1] = (wanted[-1][0], str(rng.choice([name for name in COLOURS if name != wanted[-1][1]])))
            wanted[0] = (str(rng.choice(CLASSES)), wanted[0][1])
    spots = place(len(wanted), rng, relation)
    return draw(Scene(tuple(Thing(kind, tint, *spot) for (kind, tint), spot in zip(wanted, spots))))


@dataclass(frozen=True)
class Step:
    index: int
    paths: tuple[int, ...]
    codes: np.ndarray
    masked: np.ndarray
    confidence: np.ndarray


class SamplingSession:
    def __init__(self, backend: Double, prompt: str, paths, steps: int, seed: int, context, after=None):
        self.backend, self.steps, self.live = backend, steps, tuple(paths)
        self.index = dict.fromkeys(paths, after.index + 1 if after else 0)
        self.rest = {path: (after.codes[row], ~after.masked[row]) for row, path in enumerate(paths)} if after else {}
        self.paths = {}
        metadata = backend.metadata(prompt)
        for path in paths:
            rng = np.random.default_rng([seed, path])
            right = rng.random() < (0.75 if context else 0.4)
            final = backend.patches.encode(scene(metadata, rng, right))
            others = np.stack([backend.patches.encode(scene(metadata, rng, False)) for _ in range(3)])
            self.paths[path] = (rng, final, others, rng.permutation(TOKENS), right)

    @property
    def done(self) -> bool:
        return all(self.index[path] >= self.steps for path in self.live)

    def step(self) -> Step:
        while self.backend.steps_painted >= self.backend.until:
            time.sleep(0.01)
        self.backend.steps_painted += 1
        time.sleep(self.backend.pace * (0.4 + 0.6 * len(self.live) / 8))
        rows = [self._one(path) for path in self.live]
        index = self.index[self.live[0]]
        for path in self.live:
            self.index[path] += 1
        return Step(index, self.live, *(np.stack(column) for column in zip(*rows)))

    def _one(self, path: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng, final, others, order, right = self.paths[path]
        before, kept = self._kept(self.index[path]), self._kept(self.index[path] + 1)
        masked = np.ones(TOKENS, bool)
        masked[order[:kept]] = False
        sure = rng.random(TOKENS) < 0.3 + 1.2 * self.index[path] / self.steps
        guess = np.where(sure, final, others[rng.integers(3, size=TOKENS), np.arange(TOKENS)])
        guess[order[:kept]] = final[order[:kept]]
        if path in self.rest:  # of the image that is painted anew in part
            codes, known = self.rest[path]
            guess, masked = np.where(known, codes, guess), masked & ~known
        self.backend.painted[guess.tobytes()] = ((guess == final).mean(), right)
        confidence = rng.beta(2 + 6 * self.index[path] / self.steps, 2, TOKENS)
        confidence[order[:before]] = 1.0
        return guess, masked, confidence

    def _kept(self, steps: int) -> int:
        return TOKENS - math.floor(TOKENS * math.cos(math.pi / 2 * min(1, steps / self.steps)))

    def drop(self, paths) -> None:
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.live = tuple(sorted({*self.live, path}))

    def decode(self, codes) -> np.ndarray:
        return self.backend.decode(np.asarray(codes))


@dataclass(frozen=True)
class Answers:
    p_yes: np.ndarray
    p_no: np.ndarray
    yes: np.ndarray
    no: np.ndarray


class Encoded:
    def __init__(self, backend: Double, images):
        self.backend = backend
        codes = [backend.patches.encode(image).tobytes() for image in images]
        self.painted = [backend.painted.get(code, (1.0, True)) for code in codes]

    def ask(self, question: str, prompt: str, rows=None) -> Answers:
        time.sleep(self.backend.pace / 4)
        rows = range(len(self.painted)) if rows is None else rows
        p_yes = np.array([self._p_yes(question, prompt, *self.painted[row]) for row in rows])
        return Answers(p_yes, 1 - p_yes, p_yes >= 0.5, p_yes < 0.5)

    def _p_yes(self, question: str, asked: str, near: float, right: bool) -> float:
        if question == "present":  # what is there is seen soon, and what a wrong image lacks a little later
            lacking = not right and asked == self.backend.lacking
            return float(np.clip((1.9 - 2 * near if lacking else 2 * near - 0.9), 0.02, 0.97))
        good = near > 0.93 if question == "clarity" else right
        return float(np.clip((0.9 if good else 0.12) + 0.08 * math.sin(1000 * near), 0.01, 0.99))

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        for word in (self.backend.critique or "there is a dog too many").split(" "):
            time.sleep(self.backend.pace / 2)
            yield word + " "


class Verifier:
    def __init__(self, backend: Double):
        self.backend = backend

    def encode(self, images) -> Encoded:
        time.sleep(self.backend.pace / 4)
        return Encoded(self.backend, images)


class Double:
    """``pace`` is the time of one step of 8 paths in seconds; ``critique`` replaces the judge's words; ``any_words``
    lets prompts through that the world does not know."""

    name = "mini"
    grid = (SIDE, SIDE)
    codebook = 8192
    picture_size = (CANVAS, CANVAS)
    weights = {"generator": "5c41b7e09a12", "judge": "aa07d3f1c4e8", "tokenizer": "0f9e8d7c6b5a"}
    words = PROMPT_WORDS
    models = MODELS

    def __init__(self, pace: float = 0.04, critique: str = "", any_words: bool = False):
        self.pace, self.critique, self.any_words = pace, critique, any_words
        self.patches = all_patches()
        self.painted: dict[bytes, tuple[float, bool]] = {}  # codes -> (nearness to the scene, whether that is right)
        self._judge = Verifier(self)
        self.lacking = ""  # the requirement that wrong images do not meet
        self.steps_painted = 0
        self.until = math.inf

    @contextmanager
    def held(self, after: int):
        """Paints that many steps more, and the next one when the block ends: however slow the machine is, a run is
        still under way in it."""
        self.until = self.steps_painted + after
        try:
            yield
        finally:
            self.until = math.inf

    def generator(self, model: str) -> Double:
        return self

    def start(self, prompt, paths, steps, guidance, temperature, seed, *, context=None, after=None) -> SamplingSession:
        return SamplingSession(self, prompt, paths, steps, seed, context, after)

    def belief(self, prompt, codes, guidance) -> tuple[np.ndarray, int]:
        return np.linspace(0, 1, len(codes)), 2

    def masked_at(self, codes, marked, steps, most=None) -> Step:
        left = min(int(marked[0].sum()), steps - 1, most or steps)
        codes = np.broadcast_to(codes, marked.shape)
        return Step(steps - 1 - left, tuple(range(len(marked))), codes, marked, np.ones(marked.shape))

    def decode(self, codes) -> np.ndarray:
        return self.patches.decode(codes)

    def metadata(self, prompt: str) -> dict | None:
        try:
            return prompts.parse(prompt)
        except UserError:
            return None

    def check(self, prompt: str, image: np.ndarray):
        return judge_reading(read(image), self.metadata(prompt) or {"include": []})

    def requirements(self, prompt: str) -> tuple[Requirement, ...]:
        metadata = self.metadata(prompt)
        found = requirements(metadata) if metadata else ()
        self.lacking = found[-1].words if found else ""
        return found

    def verifier(self, name: str) -> Verifier:
        return self._judge

    def canonical(self, prompt: str) -> str:
        return prompt if self.any_words else prompts.canonical(prompt)
