"""Searches on the prompts of an evaluation, a record each: painted live, or replayed on a pool.

A replay is the search itself: ``Recorded`` is a backend (``cotdemo.search.protocols.Backend``) whose generator and
judges answer from the pool. In place of codes and images it hands out where they are: rows of (path, step). The
search cannot tell, so what it yields here is what it would yield live, up to the rounding of kernels that depend on the
size of a batch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.metered import Instrumented, Prices
from ..errors import UserError
from ..generator.schedule import masked_counts
from ..generator.session import Step
from ..geneval.folder import Entry, image_file, write_image
from ..run.events import Question
from ..run.state import RunState
from ..search import perform
from ..search.protocols import Backend
from ..settings import Settings
from ..verifiers.llava import Answers as Said
from ..world.faults import Verdict
from .pool import NO, QUESTIONS, YES, Answers, Pool
from .records import Journal, Record, load

Rewrite = Callable[[str], str]
Order = Sequence[int] | None  # of the paths of a pool; None: as they are
CRITIQUES = ("real", "empty", "shuffled")


# -- one run


def recorded(
    entry: Entry, settings: Settings, metered: Instrumented, rewrite: Rewrite | None = None
) -> tuple[Record, RunState]:
    """One run and its record, with the operations it has cost."""
    before = dict(metered.meter.totals)
    run = RunState.of(perform(settings, metered, show="none", rewrite=rewrite))
    return Record.of(entry, run, metered.meter.since(before)), run


def finish_pruned(backend: Backend, settings: Settings, record: Record) -> None:
    """Paint the stopped paths of round 0 to their ends and check them; nothing of the run itself changes.

    A path depends on its seed and number alone, so painting it again without stopping it is what would have been.
    """
    paths = record.rounds[0].paths
    stopped = [number for number, path in enumerate(paths) if path.pruned is not None and path.correct is None]
    if not stopped or backend.check is None:
        return
    s = settings
    session = backend.generator(s.model).start(s.prompt, stopped, s.steps, s.guidance, s.temperature, s.seed)
    while not session.done:
        step = session.step()
    for number, image in zip(step.paths, np.asarray(session.decode(step.codes))):
        verdict = backend.check(s.prompt, image)
        if verdict is not None:
            path = paths[number]
            path.correct, path.strict, path.reason = verdict.correct, verdict.strict, verdict.reason
            path.finished_later = True


# -- live


@dataclass(frozen=True)
class Runner:
    """How entries are painted. ``base`` is what all runs share; its prompt and seed are replaced by each entry's.

    ``finish_pruned`` paints stopped paths to their ends afterwards, to learn whether they would have come out right.
    ``critique`` is "real", "empty" (repaint from no words) or "shuffled" (from the words on images of other prompts).
    ``out`` is a folder for the winners in GenEval's layout; ``kept`` is told of each that has been written there.

    ``beside`` is the file of a parm++ evaluation to be compared with. What it accepted without repainting would come
    out the same here, and is taken over. With parm, every other entry gets as many paths as it painted there in all
    rounds together; "shuffled" critiques are those that were said there.
    """

    backend: Backend
    base: Settings
    finish_pruned: bool = False
    critique: str = "real"
    out: Path | None = None
    beside: Path | None = None
    kept: Callable[[Entry, np.ndarray], None] | None = None

    def __post_init__(self) -> None:
        if self.critique not in CRITIQUES:
            raise UserError(f"There is no critique {ascii(self.critique)[:40]}; there are {', '.join(CRITIQUES)}.")
        if self.critique == "shuffled" and self.beside is None:
            raise UserError("Shuffled critiques are those of another evaluation: name it, --beside FILE.")
        if self.beside is not None and not self.base.method.startswith("parm"):
            raise UserError("Only parm and parm++ can be compared with a parm++ evaluation.")

    def settings(self, entry: Entry) -> Settings:
        """The checked settings of one entry. Raises UserError where ``beside`` does not hold it."""
        values = self.base.as_dict() | {"prompt": entry.prompt, "seed": entry.seed(self.base.seed)}
        if self.beside is not None:
            if entry.place not in self._other:
                raise UserError(f"{self.beside} does not hold prompt {entry.index}, {ascii(entry.prompt)[:80]}.")
            if self.base.method == "parm":
                values["paths"] = sum(len(one.paths) for one in self._other[entry.place].rounds)
        return Settings.from_dict(values)

    @cached_property
    def _other(self) -> dict[tuple[int, int], Record]:
        """The records of ``beside``. Raises UserError where it was asked for anything this one may not differ in."""
        asked, records = load(self.beside)
        expected = self.base.as_dict() | {"weights": dict(self.backend.weights)}
        differing = [
            name for name, value in expected.items()
            if name not in ("prompt", "method", "rounds") and asked.get(name) != value
        ]  # fmt: skip
        if asked.get("method") != "parm++" or differing:
            why = f"its {', '.join(differing)} differ" if differing else "it is not of parm++"
            raise UserError(f"{self.beside} cannot be compared with this evaluation: {why}.")
        return {record.place: record for record in records}

    def check(self, entries: Sequence[Entry]) -> None:
        """Raise UserError, before anything is painted, for a prompt that cannot be."""
        for entry in entries:
            try:
                self.backend.canonical(self.settings(entry).prompt)
            except UserError as error:
                raise UserError(f"Prompt {entry.index}, {ascii(entry.prompt)[:80]}: {error}") from None

    def left(self, entries: Sequence[Entry], journal: Journal) -> list[Entry]:
        """Those that the journal lacks, or whose images are missing."""
        return [
            entry
            for entry in entries
            if entry.place not in journal.records or (self.out is not None and not image_file(self.out, entry).exists())
        ]

    def run(self, entries: Sequence[Entry], journal: Journal) -> Iterator[Record]:
        """Paint what is left of ``entries``; yields each record once it is kept."""
        rewrites, metered = self._rewrites(), Instrumented(self.backend, Prices())
        for entry in self.left(entries, journal):
            record = self._other[entry.place] if self.beside is not None else None
            if record is None or len(record.rounds) > 1:
                settings = self.settings(entry)
                record, run = recorded(entry, settings, metered, rewrites(entry))
                if self.finish_pruned:
                    finish_pruned(self.backend, settings, record)
                if self.out is not None:
                    write_image(self.out, entry, run.answer.picture, settings)
                    if self.kept is not None:
                        self.kept(entry, run.answer.picture)
            journal.add(record)
            yield record

    def _rewrites(self) -> Callable[[Entry], Rewrite | None]:
        if self.critique == "real":
            return lambda entry: None
        if self.critique == "empty":
            return lambda entry: lambda words: ""
        said = [(r.prompt, one.critique) for r in self._other.values() for one in r.rounds if one.critique]
        if len({prompt for prompt, _ in said}) < 2:
            raise UserError(f"{self.beside} holds too few critiques: evaluate parm++ on more prompts first.")
        return lambda entry: _strangers(entry, said, entry.seed(self.base.seed))


def _strangers(entry: Entry, said: Sequence[tuple[str, str]], seed: int) -> Rewrite:
    """Critiques that were said about images of other prompts, one after another."""
    others = [words for prompt, words in said if prompt != entry.prompt]
    rng = random.Random(seed)
    return lambda words: rng.choice(others)


# -- on a pool


def replaying(pool: Pool, entry: Entry, knows: bool = False, order: Order = None) -> Instrumented:
    """A backend that replays the paths of one prompt, and meters what a run on it would have cost."""
    return Instrumented(Recorded(pool, entry, knows, order), pool.prices.meter(), pool.prices.alike)


def replay(pool: Pool, entry: Entry, method: str, paths: int, order: Order = None, **rules: object) -> Record:
    """The record of a run of ``method`` over the first ``paths`` paths, or those of ``order``, with what it would have
    cost.

    ``rules`` are settings of the method: ``judge_from`` and ``stopping`` of PARM, ``enough`` of waves. Stopped paths
    are known to the pool, so the record says what would have become of them. Seconds are those of the operations at
    the rate at which the pool was made.
    """
    settings = pool.settings_of(entry, method=method, paths=paths, **rules)
    backend = replaying(pool, entry, order=order)
    record, _ = recorded(entry, settings, backend)
    spent = pool.sampled(entry.index)
    rates = dict(zip(("generator", "decoder"), spent.seconds / spent.operations))
    if record.operations["judge"]:
        answers = backend.answers(settings.verifier)
        rates["judge"] = (answers.seconds / answers.operations)[0]
    record.seconds = round(float(sum(record.operations[part] * rate for part, rate in rates.items())), 4)
    finish_pruned(backend.backend, settings, record)
    return record


class SamplingSession:
    """Which paths are live, and how many steps each has taken (``cotdemo.search.protocols.SamplingSession``).

    In place of codes it hands out places in the pool (paths, 2): path, step; of masks only their size is kept. ``held``
    are the pool's paths in the order in which they are taken.
    """

    def __init__(self, paths: Sequence[int], masked: Sequence[int], held: Sequence[int]):
        self.live, self._masked, self._taken = tuple(paths), masked, dict.fromkeys(paths, 0)
        self._held = held

    @property
    def done(self) -> bool:
        return all(self._taken[path] == len(self._masked) for path in self.live)

    def step(self) -> Step:
        index = min(self._taken[path] for path in self.live)
        self._taken |= dict.fromkeys(self.live, index + 1)
        places = np.array([(self._held[path], index) for path in self.live])
        masked = np.ones((len(self.live), self._masked[index]), bool)
        return Step(index, self.live, places, masked, np.zeros((len(self.live), 0), np.float32))

    def drop(self, paths: Sequence[int]) -> None:
        self.live = tuple(path for path in self.live if path not in paths)

    def restore(self, path: int) -> None:
        self.live = tuple(sorted({*self.live, path}))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


class Recorded:
    """The paths of one prompt of a pool. With ``knows``, its judges are told of every path what comes of it; ``order``
    are the numbers of those that are taken, all by default.

    Raises UserError, from the call that asks, for what the pool does not hold: a path, other settings, a judge's
    answer, a repainting. Of the checker's verdicts it holds no reasons.
    """

    def __init__(self, pool: Pool, entry: Entry, knows: bool = False, order: Order = None):
        self.pool, self.entry, self.knows = pool, entry, knows
        self.order = range(pool.paths(entry.index)) if order is None else order
        self.settings = pool.settings_of(entry)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool.backend, name)

    def generator(self, model: str) -> Recorded:
        if model != self.settings.model:
            raise UserError(f"This pool holds paths of {self.settings.model}, not of {model}.")
        self.pool.prices.count_paths(self.settings)
        return self

    def start(self, prompt: str, paths: Sequence[int], *settings: Any, **more: Any) -> SamplingSession:
        s = self.settings
        if more or (prompt, *settings) != (s.prompt, s.steps, s.guidance, s.temperature, s.seed):
            raise UserError("This pool was painted by other settings, or holds no repaintings: evaluate live.")
        if max(paths) >= len(self.order):
            raise UserError(f"The pool {self.pool.folder} does not hold {max(paths) + 1} paths of {ascii(prompt)}.")
        rows, columns = self.grid
        return SamplingSession(paths, masked_counts("cosine", s.steps, rows * columns), self.order)

    def verifier(self, name: str) -> Judge:
        self.pool.prices.count_judge(name, QUESTIONS[name], self.settings)
        return Judge(self, name)

    def answers(self, verifier: str) -> Answers:
        """What a judge says about these paths."""
        answers = self.pool.answers(verifier, self.entry.index)
        if answers is None:
            raise UserError(f"The pool {self.pool.folder} holds no answers of {verifier} on {self.entry.prompt}.")
        return answers

    def check(self, prompt: str, image: np.ndarray) -> Verdict:
        paths = self.pool.sampled(self.entry.index)
        return Verdict(bool(paths.correct[image[0]]), bool(paths.strict[image[0]]), faults=())

    def canonical(self, prompt: str) -> str:
        """Whatever was painted could be."""
        return prompt

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


@dataclass(frozen=True)
class Judge:
    """A recorded judge (``cotdemo.search.protocols.Verifier``), and what it says of the images it was given."""

    recorded: Recorded
    name: str
    places: np.ndarray | None = None  # (images, 2): path, step

    def encode(self, images: Sequence[np.ndarray]) -> Judge:
        return replace(self, places=np.array(images))

    def ask(self, question: Question, prompt: str, rows: Sequence[int] | None = None) -> Said:
        answers, number = self.recorded.answers(self.name), QUESTIONS[self.name].index(question)
        paths, steps = self.places[slice(None) if rows is None else list(rows)].T
        if paths.max() >= answers.paths or np.isnan(answers.p[number, paths, steps]).any():
            raise UserError(f"{self.name} was not asked for {question} there when the pool was made.")
        said = answers.said[number, paths, steps]
        if self.recorded.knows and question == "potential":
            said = np.where(self.recorded.pool.sampled(self.recorded.entry.index).strict[paths], YES, NO)
        return Said(*answers.p[number, paths, steps].T, said == YES, said == NO)

    def explain(self, prompt: str, row: int) -> Iterator[str]:
        raise UserError("A pool holds no critiques: evaluate live.")
