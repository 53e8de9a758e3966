"""A painter and a judge that follow a script, to test what a search asks, in which order, and what it chooses.

``Studio`` is a backend: its painter draws codes that depend on (seed, path, step) alone, or those of ``codes``; its
judge answers what ``say`` tells about the (round, path, step) of the image it is shown. ``log`` notes every forward
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cotdemo.errors import UserError
from cotdemo.settings import MODELS

TOKENS, CODEBOOK = 16, 64


def decode(codes) -> np.ndarray:
    """Codes (P, 16) -> grey images (P, 4, 4, 3): the fake decoder of the reference run of the search."""
    grey = np.trunc(np.asarray(codes) / 63 * 255).astype(np.uint8).reshape(-1, 4, 4, 1)
    return np.repeat(grey, 3, axis=3)


@dataclass
class Step:
    index: int
    paths: tuple[int, ...]
    codes: np.ndarray
    masked: np.ndarray
    confidence: np.ndarray


@dataclass
class Answers:
    p_yes: np.ndarray
    p_no: np.ndarray
    yes: np.ndarray
    no: np.ndarray


class SamplingSession:
    def __init__(self, studio: Studio, number: int, paths: Sequence[int], steps: int, seed: int):
        self.studio, self.number, self.steps, self.seed = studio, number, steps, seed
        self.taken = dict.fromkeys(paths, 0)
        self.live = tuple(paths)

    @property
    def done(self) -> bool:
        return all(self.taken[path] == self.steps for path in self.live)

    def step(self) -> Step:
        index = min(self.taken[path] for path in self.live)
        assert all(self.taken[path] == index for path in self.live), "live paths must be at one step"
        self.studio.log.append(("step", self.live))
        codes = np.array([self.studio.draw(self.number, self.seed, path, index) for path in self.live])
        for path, row in zip(self.live, codes):
            self.taken[path] += 1
            self.studio.seen[decode(row).tobytes()] = (self.number, path, index)
        left = TOKENS * (self.steps - index - 1) // self.steps
        masked = np.broadcast_to(np.arange(TOKENS) < left, codes.shape)
        return Step(index, self.live, codes, masked, np.where(masked, 0.2, 1.0))

    def drop(self, paths: Sequence[int]) -> None:
        self.studio.log.append(("drop", tuple(paths)))
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.studio.log.append(("restore", path))
        self.live = tuple(sorted({*self.live, path}))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        self.studio.log.append(("decode", len(codes)))
        return decode(codes)


@dataclass
class ImageGenerator:
    studio: Studio
    model: str

    def start(self, prompt, paths, steps, guidance, temperature, seed, *, context=None, after=None) -> SamplingSession:
        self.studio.started.append((self.model, seed, context))
        return SamplingSession(self.studio, len(self.studio.started) - 1 + self.studio.first_round, paths, steps, seed)

    def belief(self, prompt, codes, guidance) -> tuple[np.ndarray, int]:
        return np.linspace(0, 1, len(codes)), 4

    def masked_at(self, codes, marked, steps, most=None) -> None:
        """What a marked image is painted from; here everything is painted, from the beginning."""


class Encoded:
    def __init__(self, studio: Studio, places: list[tuple[int, int, int]]):
        self.studio, self.places = studio, places

    def ask(self, question, prompt, rows=None, *, seeds=None) -> Answers:
        rows = range(len(self.places)) if rows is None else rows
        self.studio.log.append((question, tuple(self.places[row] for row in rows)))
        if question == "present":
            said = [("yes", p := self.studio.shows(prompt, *self.places[row]), 1 - p) for row in rows]
        else:
            said = [self.studio.answer(question, *self.places[row]) for row in rows]
        answers, p_yes, p_no = zip(*said)
        if seeds is not None:
            draws = [np.random.default_rng(seed).random() for seed in seeds]
            answers = ["yes" if d < y else "no" if d < y + n else "neither" for d, y, n in zip(draws, p_yes, p_no)]
        yes, no = (np.array([answer == word for answer in answers]) for word in ("yes", "no"))
        return Answers(np.array(p_yes), np.array(p_no), yes, no)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        self.studio.log.append(("explain", self.places[row]))
        yield from ("three apples", ",\n not ", f"two in round {self.places[row][0]}")


@dataclass
class Verdict:
    correct: bool
    strict: bool
    reason: str


@dataclass(frozen=True)
class Requirement:
    """Critiques name it by its last word."""

    words: str

    def named_by(self, critique: str) -> bool:
        return self.words.split()[-1] in critique.split()


Say = Callable[[str, int, int, int], "str | tuple[str, float, float]"]


@dataclass
class Studio:
    """``say(question, round, path, step)`` returns "yes", "no", "neither", or that with P(yes) and P(no).

    ``asks`` are the words of the prompt's requirements; ``shows(words, round, path, step)`` is P(yes) of one.
    """

    say: Say = lambda question, number, path, step: "yes"
    codes: Callable[[int, int], Sequence[int]] | None = None  # (path, step) -> 16 codes
    check: Callable[[str, np.ndarray], Verdict] | None = None
    asks: Sequence[str] = ()
    shows: Callable[[str, int, int, int], float] = lambda words, *place: 0.9
    name: str = "mini"
    first_round: int = 0  # number of the round that is painted first: 1 where a reflection begins
    log: list = field(default_factory=list)
    started: list = field(default_factory=list)  # (model, seed, context) of every painting
    seen: dict = field(default_factory=dict)  # image -> (round, path, step)
    grid = (4, 4)
    codebook = CODEBOOK
    picture_size = (4, 4)
    weights = {"generator": "0123abcd"}
    models = MODELS

    def generator(self, model: str) -> ImageGenerator:
        return ImageGenerator(self, model)

    def verifier(self, name: str) -> Studio:
        return self

    def encode(self, images: Sequence[np.ndarray]) -> Encoded:
        self.log.append(("look", len(images)))
        return Encoded(self, [self.seen[image.tobytes()] for image in images])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return decode(codes)

    def canonical(self, prompt: str) -> str:
        if "unicorn" in prompt:
            raise UserError("This backend does not know the word unicorn.")
        return prompt

    def requirements(self, prompt: str) -> list[Requirement]:
        return [Requirement(words) for words in self.asks]

    def draw(self, number: int, seed: int, path: int, step: int) -> np.ndarray:
        if self.codes is not None:
            return np.asarray(self.codes(path, step))
        return np.random.default_rng([seed, path, step]).integers(0, CODEBOOK, TOKENS)

    def answer(self, question: str, *place: int) -> tuple[str, float, float]:
        said = self.say(question, *place)
        if not isinstance(said, str):
            return said
        return {"yes": ("yes", 0.9, 0.05), "no": ("no", 0.1, 0.8), "neither": ("neither", 0.2, 0.3)}[said]

    def questions(self, question: str) -> list[tuple[int, int, int]]:
        """Places (round, path, step) that were asked about, in order."""
        return [place for kind, places in self.log if kind == question for place in places]
