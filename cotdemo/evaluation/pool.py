"""A pool: whole paths of one generator for the prompts of a split, painted once, with the truth and every judge's word.

Path i of a prompt's pool is path i of a live run on that prompt, so whatever a search would have done can be read off a
pool (``cotdemo.evaluation.replay``). It is kept in a folder named by what its paths depend on, which ``pool.json`` in
it spells out; in that, ``paintings/0123.npz`` has the paths of prompt 123, and ``JUDGE-HASH/0123.npz`` what one judge
says about them. New weights of a judge so leave the paintings as they are, and a killed command loses one prompt.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..backends import MiniBackend
from ..errors import UserError
from ..events import Question
from ..settings import BACKENDS, Settings
from .entries import Entry, fingerprint, of_split, select
from .journal import write_json
from .prices import JudgePrices, PaintingPrices

FOLDER = Path("runs/pools")
# what each judge is asked: PARM all questions, the others what they have learnt
QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "parm": ("clarity", "potential", "outcome"), "orm": ("outcome",), "zero-shot": ("outcome",), "prm": ("outcome",),
}  # fmt: skip
YES, NO, NEITHER = 1, 0, -1
UNKNOWN = -1
MAX_PART = 64_000_000  # bytes of one file, unpacked


def _array(shape: str, kind: Any, adds: bool = False) -> Any:
    """A field of a part: its axes by name, its type, and whether more paths add to it (seconds do, prices do not)."""
    return field(metadata={"axes": shape.split(), "dtype": np.dtype(kind), "adds": adds})


@dataclass(frozen=True)
class Paintings:
    """Paths of one prompt; the first is path 0."""

    codes: np.ndarray = _array("paths steps tokens", np.int16)  # the guess of every step
    correct: np.ndarray = _array("paths", bool)  # what the checker says of the final pictures
    strict: np.ndarray = _array("paths", bool)
    start: np.ndarray = _array("", np.int64)  # prices, see PaintingPrices
    step: np.ndarray = _array("steps 2", np.int64)
    decode: np.ndarray = _array("", np.int64)
    seconds: np.ndarray = _array("2", np.float64, adds=True)  # spent by generator and decoder on
    operations: np.ndarray = _array("2", np.int64, adds=True)  # so many operations
    elapsed: np.ndarray = _array("", np.float64, adds=True)  # seconds in all, the checker's included

    @property
    def paths(self) -> int:
        return len(self.correct)

    @property
    def prices(self) -> PaintingPrices:
        return PaintingPrices(int(self.start), self.step, int(self.decode))


@dataclass(frozen=True)
class Answers:
    """What one judge says about the guesses of one prompt's paths."""

    p: np.ndarray = _array("questions paths steps 2", np.float32)  # P(yes) and P(no); NaN where it was not asked
    said: np.ndarray = _array("questions paths steps", np.int8)  # YES, NO or NEITHER
    clear: np.ndarray = _array("paths steps", np.int8)  # truth: the guess shows what the final picture shows, 1 or 0
    look: np.ndarray = _array("", np.int64)  # prices, see JudgePrices
    ask: np.ndarray = _array("questions 2", np.int64)
    seconds: np.ndarray = _array("1", np.float64, adds=True)
    operations: np.ndarray = _array("1", np.int64, adds=True)
    elapsed: np.ndarray = _array("", np.float64, adds=True)

    @property
    def paths(self) -> int:
        return self.said.shape[1]

    @property
    def prices(self) -> JudgePrices:
        return JudgePrices(int(self.look), self.ask)


Part = TypeVar("Part", Paintings, Answers)


def joined(before: Part, more: Part) -> Part:
    """``before`` with further paths."""
    values = {}
    for one in fields(before):
        a, b = getattr(before, one.name), getattr(more, one.name)
        if "paths" in one.metadata["axes"]:
            a = np.concatenate([a, b], axis=one.metadata["axes"].index("paths"))
        values[one.name] = a + b if one.metadata["adds"] else a
    return type(before)(**values)


class Pool:
    """The pool of ``model`` for a split and a seed, as far as it is there. Reads and keeps; paints nothing.

    ``steps`` are the backend's own unless given; guidance and temperature are its own. Raises UserError for a model or
    a split that is not offered, and where weights are missing.
    """

    def __init__(
        self,
        backend: MiniBackend,
        model: str,
        split: str = "test",
        seed: int = 0,
        steps: int | None = None,
        folder: Path = FOLDER,
    ):
        self.backend, self.split = backend, split
        self.entries = select(of_split(split))
        self.settings = Settings.checked("a pool", "baseline", backend.name, model, steps=steps, seed=seed)
        s = self.settings
        self.weights = backend.weights_of(model)
        self.identity = {
            "model": model,
            "prompts": f"{split} {fingerprint(of_split(split))}",
            "seed": seed,
            "steps": s.steps,
            "guidance": s.guidance,
            "temperature": s.temperature,
            "annealing": BACKENDS[backend.name].annealing,
            "weights": self.weights,
        }
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = folder / f"{model}-{split}-seed{seed}-{digest}"
        self._parts: dict[Path, Paintings | Answers] = {}

    def paintings(self, index: int) -> Paintings | None:
        """The paths of prompt ``index``; None where none are painted. Raises UserError for a damaged file."""
        return self._part(Paintings, self.folder / "paintings" / f"{index:04}.npz")

    def answers(self, verifier: str, index: int) -> Answers | None:
        """What a judge says about the paths of prompt ``index``. Raises UserError also where its weights miss."""
        return self._part(
            Answers, self.folder / self._layer(verifier) / f"{index:04}.npz", questions=len(QUESTIONS[verifier])
        )

    def keep(self, index: int, part: Paintings | Answers, verifier: str | None = None) -> None:
        """Write a part in one move, so that a kill leaves the one before."""
        layer = self._layer(verifier) if verifier else "paintings"
        file = self.folder / layer / f"{index:04}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "pool.json").exists():
            write_json(self.folder / "pool.json", self.identity)
        beside = file.with_suffix(".part")
        with beside.open("wb") as stream:
            np.savez_compressed(stream, **{one.name: getattr(part, one.name) for one in fields(part)})
        beside.replace(file)
        self._parts[file] = part

    def paths(self, index: int, verifier: str | None = None) -> int:
        """How many paths of a prompt are painted, or judged."""
        part = self.answers(verifier, index) if verifier else self.paintings(index)
        return part.paths if part else 0

    def seed(self, entry: Entry) -> int:
        return entry.seed(self.settings.seed)

    def settings_of(self, entry: Entry, **rest: object) -> Settings:
        """The settings of a run on the pool's paths of one prompt: the pool's own but for ``rest``."""
        return Settings.from_dict(self.settings.as_dict() | {"prompt": entry.prompt, "seed": self.seed(entry)} | rest)

    def weights_with(self, verifier: str | None) -> dict[str, str]:
        """Hashes of all weights that a search with this judge depends on."""
        return self.weights | (self.backend.weights_of(verifier=verifier) if verifier else {})

    @cached_property
    def by_prompt(self) -> Mapping[tuple[str, int], Entry]:
        """Entries by prompt and seed, which is how a run names them."""
        return {(entry.prompt, self.seed(entry)): entry for entry in self.entries}

    def _layer(self, verifier: str) -> str:
        (hash,) = self.backend.weights_of(verifier=verifier).values()
        return f"{verifier}-{hash}"

    def _part(self, kind: type[Part], file: Path, **sizes: int) -> Part | None:
        if file not in self._parts:
            if not file.exists():
                return None
            sizes |= {"steps": self.settings.steps, "tokens": self.backend.grid[0] * self.backend.grid[1]}
            self._parts[file] = _read(kind, file, sizes)
        return self._parts[file]


def _read(kind: type[Part], file: Path, sizes: dict[str, int]) -> Part:
    """The part in a file. Raises UserError unless it is complete and every array is what it must be."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_PART:
                raise ValueError("it is too large")
        with np.load(file, allow_pickle=False) as saved:
            part = kind(**{one.name: saved[one.name] for one in fields(kind)})
        for one in fields(kind):
            value, axes = getattr(part, one.name), one.metadata["axes"]
            # the first array with paths says how many there are
            known = sizes | ({"paths": value.shape[axes.index("paths")]} if "paths" in axes[: value.ndim] else {})
            sizes = known if "paths" not in sizes else sizes
            expected = tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in axes)
            if (value.dtype, value.shape) != (one.metadata["dtype"], expected):
                raise ValueError(f"{one.name} is {value.dtype} {value.shape}")
        _check(part)
    except (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip
        raise UserError(f"{file} is damaged ({error}): delete it, and the same command makes it again.") from None
    return part


def _check(part: Paintings | Answers) -> None:
    """Raise ValueError for values that no judge, checker or clock gives."""
    for name in ("seconds", "operations", "elapsed"):
        if not (np.isfinite(getattr(part, name)).all() and (getattr(part, name) > 0).all()):
            raise ValueError(f"{name} must be positive")
    if isinstance(part, Answers):
        asked = ~np.isnan(part.p)
        if not ((part.p[asked] >= 0) & (part.p[asked] <= 1 + 1e-6)).all():
            raise ValueError("a probability is out of range")
        if not np.isin(part.said, (YES, NO, NEITHER)).all():
            raise ValueError("an answer is none")
