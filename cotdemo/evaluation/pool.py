"""A pool: whole paths of one generator for the prompts of a split, painted once, with the truth and every judge's word.

Path i of a prompt's pool is path i of a live run on that prompt, so whatever a search would have done can be read off a
pool (``cotdemo.evaluation.runner``). It is kept in a folder named by what its paths depend on, which ``pool.json`` in
it spells out; in that, ``paintings/0123.npz`` has the paths of prompt 123, and ``JUDGE-HASH/0123.npz`` what one judge
says about them. New weights of a judge so leave the paintings as they are, and a killed command loses one prompt.

``python -m cotdemo pool`` makes one, prompt by prompt; what is there already is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..backends import MINI, MiniBackend, load_backend
from ..backends.metered import Instrumented, PriceList, Timed, started
from ..errors import UserError
from ..files import whole_file, write_json
from ..geneval.folder import Entry
from ..run.events import Question
from ..run.narration import say
from ..settings import BACKENDS, MODELS, PATHS, VERIFIERS, Settings, whole
from .entries import fingerprint, inventory, of_split, read, select

FOLDER = Path("runs/pools")
PAINTED = ("backend", "model", "paths", "steps", "guidance", "temperature")  # settings of whoever painted it
# what each judge is asked: PARM all questions, the others what they have learnt
QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "parm": ("clarity", "potential", "outcome"), "orm": ("outcome",), "zero-shot": ("outcome",), "prm": ("outcome",),
}  # fmt: skip
YES, NO, NEITHER = 1, 0, -1
UNKNOWN = -1
MAX_PART = 64_000_000  # bytes of one file, unpacked
CHECKED = 8  # paths of a prompt whose guesses are checked too: enough to know how good clarity is
EVERY_STEP = ("clarity", "potential")  # the others are asked about final images, but for ``prm``
DEFAULT_JUDGES = ("parm", "orm", "zero-shot")
Status = Callable[[str], None]


# -- what is kept


def _array(shape: str, kind: Any) -> Any:
    """A field of a part: its axes by name, and its type. Arrays without paths add up when paths are added."""
    return field(metadata={"axes": shape.split(), "dtype": np.dtype(kind)})


@dataclass(frozen=True)
class SampledPaths:
    """Paths of one prompt; the first is path 0."""

    codes: np.ndarray = _array("paths steps tokens", np.int16)  # the guess of every step
    correct: np.ndarray = _array("paths", bool)  # what the checker says of the final images
    strict: np.ndarray = _array("paths", bool)
    seconds: np.ndarray = _array("2", np.float64)  # spent by generator and decoder on
    operations: np.ndarray = _array("2", np.int64)  # so many operations
    elapsed: np.ndarray = _array("", np.float64)  # seconds in all, the checker's included

    @property
    def paths(self) -> int:
        return len(self.correct)


@dataclass(frozen=True)
class Answers:
    """What one judge says about the guesses of one prompt's paths."""

    p: np.ndarray = _array("questions paths steps 2", np.float32)  # P(yes) and P(no); NaN where it was not asked
    said: np.ndarray = _array("questions paths steps", np.int8)  # YES, NO or NEITHER
    clear: np.ndarray = _array("paths steps", np.int8)  # truth: the guess shows what the final image shows, 1 or 0
    seconds: np.ndarray = _array("1", np.float64)
    operations: np.ndarray = _array("1", np.int64)
    elapsed: np.ndarray = _array("", np.float64)

    @property
    def paths(self) -> int:
        return self.said.shape[1]


Part = TypeVar("Part", SampledPaths, Answers)


def joined(before: Part, more: Part) -> Part:
    """``before`` with further paths."""
    values = {}
    for one in fields(before):
        a, b, axes = getattr(before, one.name), getattr(more, one.name), one.metadata["axes"]
        values[one.name] = np.concatenate([a, b], axis=axes.index("paths")) if "paths" in axes else a + b
    return type(before)(**values)


def _read(kind: type[Part], file: Path, sizes: dict[str, int]) -> Part:
    """The part in a file. Raises UserError unless it is complete and every array is what it must be."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_PART:
                raise ValueError("it is too large")
        with np.load(file, allow_pickle=False) as saved:
            part = kind(**{one.name: saved[one.name] for one in fields(kind)})
        sizes["paths"] = part.paths
        for one in fields(kind):
            value = getattr(part, one.name)
            expected = tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in one.metadata["axes"])
            if (value.dtype, value.shape) != (one.metadata["dtype"], expected):
                raise ValueError(f"{one.name} is {value.dtype} {value.shape}")
        _check(part)
    except (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, NotImplementedError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise UserError(f"{file} is damaged ({error}): delete it, and the same command makes it again.") from None
    return part


def _check(part: SampledPaths | Answers) -> None:
    """Raise ValueError for values that no judge, checker or clock gives."""
    for name in ("seconds", "operations", "elapsed"):
        if not (np.isfinite(getattr(part, name)).all() and (getattr(part, name) > 0).all()):
            raise ValueError(f"{name} must be positive")
    if isinstance(part, Answers):
        asked = part.p[~np.isnan(part.p)]
        if not ((asked >= 0) & (asked <= 1 + 1e-6)).all():
            raise ValueError("a probability is out of range")
        if not np.isin(part.said, (YES, NO, NEITHER)).all():
            raise ValueError("an answer is none")


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
        self.backend, self.entries = backend, select(of_split(split))
        self.settings = Settings.checked("a pool", "baseline", backend.name, model, steps=steps, seed=seed)
        self.weights, self.prices = backend.weights_of(model), PriceList(backend)
        self.identity = {
            "model": model,
            "prompts": f"{split} {fingerprint(of_split(split))}",
            "seed": seed,
            **{name: getattr(self.settings, name) for name in ("steps", "guidance", "temperature")},
            "annealing": BACKENDS[backend.name].annealing,
            "weights": self.weights,
        }
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = folder / f"{model}-{split}-seed{seed}-{digest}"
        # folders by judge; a hash takes a read of all weights
        self._layers: dict[str | None, str] = {None: "paintings"}
        self._parts: dict[Path, SampledPaths | Answers] = {}

    def sampled(self, index: int) -> SampledPaths | None:
        """The paths of prompt ``index``; None where none are painted. Raises UserError for a damaged file."""
        return self._part(SampledPaths, self._file(index))

    def answers(self, verifier: str, index: int) -> Answers | None:
        """What a judge says about the paths of prompt ``index``. Raises UserError also where its weights miss."""
        return self._part(Answers, self._file(index, verifier), questions=len(QUESTIONS[verifier]))

    def keep(self, index: int, part: SampledPaths | Answers, verifier: str | None = None) -> None:
        """Write a part in one move, so that a kill leaves the one before."""
        file = self._file(index, verifier)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "pool.json").exists():
            write_json(self.folder / "pool.json", self.identity)
        with whole_file(file) as stream:
            np.savez_compressed(stream, **vars(part))
        self._parts[file] = part

    def paths(self, index: int, verifier: str | None = None) -> int:
        """How many paths of a prompt are painted, or judged."""
        part = self.answers(verifier, index) if verifier else self.sampled(index)
        return part.paths if part else 0

    def truths(self, entries: Sequence[Entry]) -> dict[str, list[np.ndarray]]:
        """By both rules, whether each path is right, prompt by prompt."""
        found = [self.sampled(entry.index) for entry in entries]
        return {"geneval": [part.correct for part in found], "strict": [part.strict for part in found]}

    def p_yes(self, entries: Sequence[Entry], verifier: str, question: str, paths: int) -> np.ndarray:
        """P(yes) ``(prompts, paths, steps)`` of a judge; NaN where it was not asked."""
        number = QUESTIONS[verifier].index(question)
        return np.stack([self.answers(verifier, entry.index).p[number, :paths, :, 0] for entry in entries])

    def said(self, entries: Sequence[Entry], verifier: str, question: str, paths: int) -> np.ndarray:
        """Its answers ``(prompts, paths, steps)``: YES, NO or NEITHER."""
        number = QUESTIONS[verifier].index(question)
        return np.stack([self.answers(verifier, entry.index).said[number, :paths] for entry in entries])

    def clear(self, entries: Sequence[Entry], paths: int) -> np.ndarray:
        """Whether guesses ``(prompts, paths, steps)`` show what their paths end with: 1, 0 or UNKNOWN."""
        return np.stack([self.answers("parm", entry.index).clear[:paths] for entry in entries])

    def settings_of(self, entry: Entry, **rest: object) -> Settings:
        """The settings of a run on the pool's paths of one prompt: what painted them, and for the method its defaults
        and ``rest``. No pool holds answers to the checklist."""
        painted = {name: getattr(self.settings, name) for name in PAINTED}
        own = {"prompt": entry.prompt, "seed": entry.seed(self.settings.seed), "checklist": False}
        return Settings.checked(**painted | own | rest)

    def weights_with(self, verifier: str | None) -> dict[str, str]:
        """Hashes of all weights that a search with this judge depends on."""
        return self.weights | (self.backend.weights_of(verifier=verifier) if verifier else {})

    def _file(self, index: int, verifier: str | None = None) -> Path:
        if verifier not in self._layers:
            (hash,) = self.backend.weights_of(verifier=verifier).values()
            self._layers[verifier] = f"{verifier}-{hash}"
        return self.folder / self._layers[verifier] / f"{index:04}.npz"

    def _part(self, kind: type[Part], file: Path, **sizes: int) -> Part | None:
        if file not in self._parts:
            if not file.exists():
                return None
            sizes |= {"steps": self.settings.steps, "tokens": self.backend.grid[0] * self.backend.grid[1]}
            self._parts[file] = _read(kind, file, sizes)
        return self._parts[file]


# -- making one


@dataclass
class Maker:
    """Makes the parts of one pool: ``paths`` paths a prompt, judged by ``verifiers``."""

    pool: Pool
    paths: int
    verifiers: Sequence[str]

    def __post_init__(self) -> None:
        for verifier in self.verifiers:
            self.pool.weights_with(verifier)  # missing weights are reported before anything is painted

    def missing(self, entry: Entry) -> dict[str, int]:
        """What this entry still lacks: "paintings" or a judge's name -> paths."""
        have = {"paintings": self.pool.paths(entry.index)}
        have |= {verifier: self.pool.paths(entry.index, verifier) for verifier in self.verifiers}
        return {what: self.paths - paths for what, paths in have.items() if paths < self.paths}

    def make(self, entry: Entry) -> None:
        """Paint and judge what the entry lacks, keeping each part as soon as it is made."""
        pool, index = self.pool, entry.index
        for what, missing in self.missing(entry).items():
            first = self.paths - missing
            verifier = None if what == "paintings" else what
            if verifier:
                before = pool.answers(verifier, index)
                more = self._judge(entry, verifier, pool.sampled(index).codes[first : self.paths], first)
            else:
                before, more = pool.sampled(index), self._sample(entry, range(first, self.paths))
            pool.keep(index, joined(before, more) if before else more, verifier)

    def _metered(self) -> Instrumented:
        prices = self.pool.prices
        return Instrumented(self.pool.backend, Timed(prices), prices.alike)

    def _sample(self, entry: Entry, paths: Sequence[int]) -> SampledPaths:
        settings, metered = self.pool.settings_of(entry), self._metered()
        self.pool.prices.count_paths(settings)
        begun = time.perf_counter()
        session, codes = started(metered, settings, paths), []
        while not session.done:
            codes.append(session.step().codes)
        truth = [metered.check(entry.prompt, image) for image in session.decode(codes[-1])]
        return SampledPaths(
            codes=torch.stack(codes, 1).numpy().astype(np.int16),
            correct=np.array([one.correct for one in truth]),
            strict=np.array([one.strict for one in truth]),
            **metered.meter.spent("generator", "decoder"),
            elapsed=np.float64(time.perf_counter() - begun),
        )

    def _judge(self, entry: Entry, verifier: str, codes: np.ndarray, first: int) -> Answers:
        """What a judge says about ``codes`` (paths, steps, tokens); ``first`` is the number of their first path."""
        metered, questions = self._metered(), QUESTIONS[verifier]
        self.pool.prices.count_judge(verifier, questions, self.pool.settings_of(entry))
        judge, (paths, steps, _), begun = metered.verifier(verifier), codes.shape, time.perf_counter()
        p = np.full((len(questions), paths, steps, 2), np.nan, np.float32)
        said = np.full((len(questions), paths, steps), NEITHER, np.int8)
        shown: dict[int, np.ndarray] = {}  # step -> images, of the paths whose guesses are checked
        for step in range(steps):
            asked = [number for number, question in enumerate(questions) if _asks(verifier, question, step, steps)]
            if not asked:
                continue
            images = metered.backend.decode(codes[:, step].astype(np.int64))
            shown[step] = images[: max(CHECKED - first, 0)]
            encoded = judge.encode(list(images))
            for number in asked:
                answers = encoded.ask(questions[number], entry.prompt)
                p[number, :, step] = np.stack([answers.p_yes, answers.p_no], axis=1)
                said[number, :, step] = np.select([answers.yes, answers.no], [YES, NO], NEITHER)
        return Answers(
            p=p,
            said=said,
            clear=_clear(shown if "clarity" in questions else {}, paths, steps),
            **metered.meter.spent("judge"),
            elapsed=np.float64(time.perf_counter() - begun),
        )


def _asks(verifier: str, question: str, step: int, steps: int) -> bool:
    """Whether a judge is asked this about the guess of that step."""
    return step == steps - 1 or question in EVERY_STEP or verifier == "prm"


def _clear(shown: Mapping[int, np.ndarray], paths: int, steps: int) -> np.ndarray:
    """Whether the guesses show the things and colours of the final images (paths, steps)."""
    clear = np.full((paths, steps), UNKNOWN, np.int8)
    things = {step: [inventory(read(image)) for image in images] for step, images in shown.items()}
    for step, those in things.items():
        clear[: len(those), step] = [one == final for one, final in zip(those, things[steps - 1])]
    return clear


# -- how long it takes


@dataclass(frozen=True)
class Budget:
    """What is missing, and how long it takes by a sample of the same work."""

    paths: Mapping[str, int]  # "paintings" or a judge -> paths
    seconds: Mapping[str, float]  # of one path

    @property
    def hours(self) -> float:
        return sum(paths * self.seconds[what] for what, paths in self.paths.items()) / 3600

    def __str__(self) -> str:
        parts = [f"{what} {paths} paths x {self.seconds[what]:.3f} s" for what, paths in self.paths.items()]
        return f"{self.hours:.2f} hours of one process ({', '.join(parts)})" if parts else "nothing is missing"


def budget(maker: Maker, entries: Sequence[Entry], sample: int = 4) -> Budget:
    """How long the rest takes. Up to ``sample`` paths of one unfinished prompt are made for it, and kept."""
    unfinished = [entry for entry in entries if maker.missing(entry)]
    if not unfinished:
        return Budget({}, {})
    one = unfinished[len(unfinished) // 2]
    Maker(maker.pool, min(sample, maker.paths), maker.verifiers).make(one)
    parts = {"paintings": maker.pool.sampled(one.index)}
    parts |= {verifier: maker.pool.answers(verifier, one.index) for verifier in maker.verifiers}
    missing = sum((Counter(maker.missing(entry)) for entry in unfinished), Counter())
    return Budget(dict(missing), {what: float(parts[what].elapsed) / parts[what].paths for what in missing})


def fill(maker: Maker, entries: Sequence[Entry], status: Status) -> None:
    """Make what is missing, telling before how long it takes, and now and then how far it is."""
    unfinished = [entry for entry in entries if maker.missing(entry)]
    if not unfinished:
        return
    status(f"{maker.pool.folder}: {budget(maker, entries)}")
    begun = told = time.monotonic()
    for number, entry in enumerate(unfinished, 1):
        maker.make(entry)
        now = time.monotonic()
        if now - told > 30:
            told, left = now, (now - begun) / number * (len(unfinished) - number) / 60
            status(f"{number} of {len(unfinished)} prompts, {left:.0f} min left")


# -- the command


def pool_options(parser: argparse.ArgumentParser) -> None:
    """Which pool a command is about."""
    parser.add_argument("--model", default="base", choices=MODELS, help="what paints (base)")
    parser.add_argument("--split", default="test", help="embedded prompts: dev | test, GenEval's 553 (default)")
    parser.add_argument("--paths", type=int, default=PATHS[1], metavar="N", help="paths a prompt (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of which every prompt's own is made (0)")
    parser.add_argument("--limit", type=int, metavar="K", help="the first K prompts of each kind (%(default)s)")
    parser.add_argument("--threads", type=int, metavar="K", help="processor cores to use")
    parser.add_argument("--assets", type=Path, default=MINI, metavar="DIR", help="other weights than the shipped ones")
    parser.add_argument("--pools", type=Path, default=FOLDER, metavar="DIR", help=f"where pools are kept ({FOLDER})")


def pool_of(
    options: argparse.Namespace, backend: MiniBackend, steps: int | None = None, folder: Path = FOLDER
) -> tuple[Pool, list[Entry]]:
    """The pool that a command is about, and the entries that are meant: the first ``--limit`` prompts of each kind."""
    pool = Pool(backend, options.model, options.split, options.seed, steps, folder)
    limit = None if options.limit is None else whole("limit", options.limit, 1, len(pool.entries))
    return pool, select(of_split(options.split), limit)


def opened(options: argparse.Namespace, steps: int | None = None) -> tuple[Pool, list[Entry]]:
    """``pool_of`` by ``pool_options``."""
    if options.threads is not None:
        torch.set_num_threads(whole("threads", options.threads, 1, 1024))
    return pool_of(options, load_backend("mini", root=options.assets), steps, options.pools)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pool_options(parser)
    parser.add_argument("--judges", nargs="*", default=DEFAULT_JUDGES, choices=VERIFIERS, help="who judges them")
    parser.add_argument("--share", default="1/1", metavar="I/M", help="the I-th of M shares, for M processes at once")
    parser.add_argument("--dry-run", action="store_true", help="tell how long it takes, by four paths, and stop")


def main(options: argparse.Namespace) -> None:
    """``python -m cotdemo pool``."""
    pool, entries = opened(options)
    entries = _share(entries, options.share)
    maker = Maker(pool, whole("paths", options.paths, *PATHS), options.judges)
    if options.dry_run:
        print(budget(maker, entries))
        return
    try:
        fill(maker, entries, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped; whole prompts are kept. The same command goes on.") from None
    print(f"{pool.folder} holds {maker.paths} paths of {len(entries)} prompts")
    for rule, truths in pool.truths(entries).items():  # the second is what a perfect judge would reach
        right = [truth[: maker.paths] for truth in truths]
        one, any_one = np.mean([row.mean() for row in right]), np.mean([row.any() for row in right])
        name = {"geneval": "GenEval"}.get(rule, rule)
        print(f"{name}: a path is right on {one:.3f} of the prompts, any of {maker.paths} on {any_one:.3f}")


def _share(entries: Sequence[Entry], share: str) -> Sequence[Entry]:
    number, _, of = share.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1000):
        raise UserError("A share is written I/M, the I-th of M: 1/2.")
    return entries[int(number) - 1 :: int(of)]
