"""``python -m cotdemo pool``: paint a pool and have it judged, prompt by prompt; what is there already is kept."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ..backends import MINI, MiniBackend, load_backend
from ..errors import UserError
from ..settings import MODELS, PATHS, VERIFIERS, whole
from ..training.judge_data import inventory
from ..world import checker_b, prompts
from .entries import Entry, select
from .pool import FOLDER, NEITHER, NO, QUESTIONS, UNKNOWN, YES, Answers, Paintings, Pool, joined
from .prices import JudgePrices, PaintingPrices, of_judge, of_painting, starting

CHECKED = 8  # paths of a prompt whose guesses are checked too: enough to know how good clarity is
EVERY_STEP = ("clarity", "potential")  # the others are asked about final pictures, but for ``prm``
DEFAULT_JUDGES = ("parm", "orm", "zero-shot")
Status = Callable[[str], None]
Prices = TypeVar("Prices", PaintingPrices, JudgePrices)


@dataclass
class Maker:
    """Makes the parts of one pool: ``paths`` paths a prompt, judged by ``verifiers``."""

    pool: Pool
    paths: int
    verifiers: Sequence[str]

    def __post_init__(self) -> None:
        self._prices: dict[tuple[str, int], PaintingPrices | JudgePrices] = {}
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
        before = pool.paintings(index)
        have = before.paths if before else 0
        if have < self.paths:
            more = self._paint(entry, range(have, self.paths))
            pool.keep(index, joined(before, more) if before else more)
        for verifier in self.verifiers:
            answers = pool.answers(verifier, index)
            have = answers.paths if answers else 0
            if have < self.paths:
                more = self._judge(entry, verifier, pool.paintings(index).codes[have : self.paths], have)
                pool.keep(index, joined(answers, more) if answers else more, verifier)

    def _paint(self, entry: Entry, paths: Sequence[int]) -> Paintings:
        backend, settings = self.pool.backend, self.pool.settings_of(entry)
        start = starting(backend.painter(settings.model), settings)
        prices = self._priced("paintings", entry, lambda: of_painting(start))
        begun = time.perf_counter()
        painting, codes = start(paths), []
        while not painting.done:
            codes.append(painting.step().codes)
        painted = time.perf_counter()
        pictures = painting.decode(codes[-1])
        decoded = time.perf_counter()
        truth = [backend.check(entry.prompt, picture) for picture in pictures]
        return Paintings(
            torch.stack(codes, 1).numpy().astype(np.int16),
            np.array([one.correct for one in truth]),
            np.array([one.strict for one in truth]),
            np.int64(prices.start),
            prices.steps,
            np.int64(prices.decode),
            np.array([painted - begun, decoded - painted]),
            np.array([prices.of_whole_paths(len(paths)), prices.decode * len(paths)]),
            np.float64(time.perf_counter() - begun),
        )

    def _judge(self, entry: Entry, verifier: str, codes: np.ndarray, first: int) -> Answers:
        """What a judge says about ``codes`` (paths, steps, tokens); ``first`` is the number of their first path."""
        backend, questions = self.pool.backend, QUESTIONS[verifier]
        judge, (paths, steps, _) = backend.verifier(verifier), codes.shape
        prices = self._priced(verifier, entry, lambda: _judge_prices(backend, verifier, entry.prompt))
        begun, judging, operations = time.perf_counter(), 0.0, 0
        p = np.full((len(questions), paths, steps, 2), np.nan, np.float32)
        said = np.full((len(questions), paths, steps), NEITHER, np.int8)
        shown: dict[int, np.ndarray] = {}  # step -> pictures, of the paths whose guesses are checked
        for step in range(steps):
            asked = [number for number, question in enumerate(questions) if _asks(verifier, question, step, steps)]
            if not asked:
                continue
            pictures = backend.decode(codes[:, step].astype(np.int64))
            shown[step] = pictures[: max(CHECKED - first, 0)]
            since = time.perf_counter()
            look = judge.look(list(pictures))
            for number in asked:
                answers = look.ask(questions[number], entry.prompt)
                p[number, :, step] = np.stack([answers.p_yes, answers.p_no], axis=1)
                said[number, :, step] = np.select([answers.yes, answers.no], [YES, NO], NEITHER)
            judging += time.perf_counter() - since
            words = prices.ask[asked[0], 0] + prices.ask[asked[1:], 1].sum()
            operations += paths * int(prices.look + words)
        return Answers(
            p,
            said,
            _clear(shown, paths, steps) if "clarity" in questions else np.full((paths, steps), UNKNOWN, np.int8),
            np.int64(prices.look),
            prices.ask,
            np.array([judging]),
            np.array([operations]),
            np.float64(time.perf_counter() - begun),
        )

    def _priced(self, what: str, entry: Entry, count: Callable[[], Prices]) -> Prices:
        """Prices of prompts of this length."""
        key = what, len(prompts.words(entry.prompt))
        if key not in self._prices:
            self._prices[key] = count()
        return self._prices[key]


def _asks(verifier: str, question: str, step: int, steps: int) -> bool:
    """Whether a judge is asked this about the guess of that step."""
    return step == steps - 1 or question in EVERY_STEP or verifier == "prm"


def _judge_prices(backend: MiniBackend, verifier: str, prompt: str) -> JudgePrices:
    blank = np.zeros((2, *backend.picture_size, 3), np.uint8)
    return of_judge(backend.verifier(verifier), QUESTIONS[verifier], blank, prompt)


def _clear(shown: Mapping[int, np.ndarray], paths: int, steps: int) -> np.ndarray:
    """Whether the guesses show the objects and colours of the final pictures (paths, steps)."""
    clear = np.full((paths, steps), UNKNOWN, np.int8)
    final = [inventory(checker_b.read(picture)) for picture in shown[steps - 1]]
    for step, pictures in shown.items():
        for path, picture in enumerate(pictures):
            clear[path, step] = inventory(checker_b.read(picture)) == final[path]
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
    parts = {"paintings": maker.pool.paintings(one.index)}
    parts |= {verifier: maker.pool.answers(verifier, one.index) for verifier in maker.verifiers}
    missing: dict[str, int] = {}
    for entry in unfinished:
        for what, paths in maker.missing(entry).items():
            missing[what] = missing.get(what, 0) + paths
    return Budget(missing, {what: float(parts[what].elapsed) / parts[what].paths for what in missing})


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", choices=MODELS, help="what paints (base)")
    parser.add_argument("--split", default="test", help="prompts of the embedded world: dev | test (default)")
    parser.add_argument("--paths", type=int, default=PATHS[1], metavar="N", help=f"paths a prompt ({PATHS[1]})")
    parser.add_argument("--judges", nargs="*", default=DEFAULT_JUDGES, choices=VERIFIERS, help="who judges them")
    parser.add_argument("--seed", type=int, default=0, help="of which every prompt's own is made (0)")
    parser.add_argument("--limit", type=int, metavar="K", help="the first K prompts of each kind")
    parser.add_argument("--share", default="1/1", metavar="I/M", help="the I-th of M shares, for M processes at once")
    parser.add_argument("--threads", type=int, metavar="K", help="processor cores to use")
    parser.add_argument("--assets", type=Path, default=MINI, metavar="DIR", help="other weights than the shipped ones")
    parser.add_argument("--pools", type=Path, default=FOLDER, metavar="DIR", help=f"where pools are kept ({FOLDER})")
    parser.add_argument("--dry-run", action="store_true", help="tell how long it takes, by four paths, and stop")


def main(options: argparse.Namespace) -> None:
    """``python -m cotdemo pool``."""
    if options.threads is not None:
        torch.set_num_threads(whole("threads", options.threads, 1, 1024))
    backend = load_backend("mini", root=options.assets)
    pool = Pool(backend, options.model, options.split, options.seed, folder=options.pools)
    limit = None if options.limit is None else whole("limit", options.limit, 1, len(pool.entries))
    entries = _share(select([entry.metadata for entry in pool.entries], limit), options.share)
    maker = Maker(pool, whole("paths", options.paths, *PATHS), options.judges)
    if options.dry_run:
        print(budget(maker, entries))
        return
    try:
        fill(maker, entries, _say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped; whole prompts are kept. The same command goes on.") from None
    print(f"{pool.folder} holds {maker.paths} paths of {len(entries)} prompts")
    print(diversity(pool, entries, maker.paths))


def diversity(pool: Pool, entries: Sequence[Entry], paths: int) -> str:
    """How often one path is right, and how often any of ``paths`` is, which is what a perfect judge would reach."""
    lines = []
    for rule, name in (("GenEval", "correct"), ("strict", "strict")):
        right = [getattr(pool.paintings(entry.index), name)[:paths] for entry in entries]
        one, any_one = np.mean([row.mean() for row in right]), np.mean([row.any() for row in right])
        lines.append(f"{rule}: a path is right on {one:.3f} of the prompts, any of {paths} on {any_one:.3f}")
    return "\n".join(lines)


def _share(entries: Sequence[Entry], share: str) -> Sequence[Entry]:
    number, _, of = share.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1000):
        raise UserError("A share is written I/M, the I-th of M: 1/2.")
    return entries[int(number) - 1 :: int(of)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
