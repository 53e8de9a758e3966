"""Run a search on every entry, one winner each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..events import Winner
from ..search import perform
from ..search.protocols import Backend
from ..settings import Settings
from ..trace import answer
from . import geneval
from .entries import Entry
from .journal import Journal, load
from .records import Record

Rewrite = Callable[[str], str]


@dataclass(frozen=True)
class Runner:
    """How entries are painted. ``base`` is what all runs share; its prompt and seed are replaced by each entry's.

    ``finish_pruned`` paints stopped paths to their ends afterwards, to learn whether they would have come out right.
    ``critique`` is "real", "empty" (repaint from no words), or the file of an evaluation, whose critiques of other
    prompts are taken instead. ``out`` is a folder for the winners in GenEval's layout. ``paths_of`` is the file of an
    evaluation: each entry gets as many paths as it painted there in all rounds together, so that a method that
    repaints can be compared with one that does not.
    """

    backend: Backend
    base: Settings
    finish_pruned: bool = False
    critique: str = "real"
    out: Path | None = None
    paths_of: Path | None = None

    def settings(self, entry: Entry) -> Settings:
        """The checked settings of one entry. Raises UserError where ``paths_of`` does not hold it."""
        values = self.base.as_dict() | {"prompt": entry.prompt, "seed": entry.seed(self.base.seed)}
        if self.paths_of is not None:
            place = (entry.index, entry.sample)
            if place not in self._painted:
                raise UserError(f"{self.paths_of} does not hold prompt {entry.index}, {ascii(entry.prompt)[:80]}.")
            values["paths"] = self._painted[place]
        return Settings.from_dict(values)

    @cached_property
    def _painted(self) -> dict[tuple[int, int], int]:
        """Paths painted in the evaluation ``paths_of``, by place."""
        _, records = load(self.paths_of)
        return {record.place: sum(len(one.paths) for one in record.rounds) for record in records}

    def check(self, entries: Sequence[Entry]) -> None:
        """Raise UserError, before anything is painted, for a prompt that cannot be."""
        for entry in entries:
            try:
                self.backend.check_prompt(self.settings(entry).prompt)
            except UserError as error:
                raise UserError(f"Prompt {entry.index}, {ascii(entry.prompt)[:80]}: {error}") from None

    def run(self, entries: Sequence[Entry], journal: Journal) -> Iterator[Record]:
        """Paint what the journal lacks; yields each record once it is kept."""
        rewrites = self._rewrites()
        for entry in entries:
            painted = self.out is None or geneval.picture_file(self.out, entry).exists()
            if (entry.index, entry.sample) in journal.records and painted:
                continue
            record, winner = self._paint(entry, rewrites(entry))
            if self.out is not None:
                geneval.write(self.out, entry, winner.picture, self.settings(entry))
            journal.add(record)
            yield record

    def _paint(self, entry: Entry, rewrite: Rewrite | None) -> tuple[Record, Winner]:
        settings = self.settings(entry)
        events = list(perform(settings, self.backend, show="none", rewrite=rewrite))
        record = Record.of(entry, settings.seed, settings.paths, events)
        if self.finish_pruned:
            finish_pruned(self.backend, settings, record)
        return record, answer(events)

    def _rewrites(self) -> Callable[[Entry], Rewrite | None]:
        if self.critique == "real":
            return lambda entry: None
        if self.critique == "empty":
            return lambda entry: lambda words: ""
        _, records = load(Path(self.critique))
        said = [(r.prompt, one.critique) for r in records for one in r.rounds if one.critique]
        if len({prompt for prompt, _ in said}) < 2:
            raise UserError(f"{self.critique} holds too few critiques: evaluate parm++ on more prompts first.")
        return lambda entry: _strangers(entry, said, entry.seed(self.base.seed))


def _strangers(entry: Entry, said: Sequence[tuple[str, str]], seed: int) -> Rewrite:
    """Critiques that were said about pictures of other prompts, one after another."""
    others = [words for prompt, words in said if prompt != entry.prompt]
    rng = random.Random(seed)
    return lambda words: rng.choice(others)


def finish_pruned(backend: Backend, settings: Settings, record: Record) -> None:
    """Paint the stopped paths of round 0 to their ends and check them; nothing of the run itself changes.

    A path depends on its seed and number alone, so painting it again without stopping it is what would have been.
    """
    paths = record.rounds[0].paths
    stopped = [number for number, path in enumerate(paths) if path.pruned is not None and path.correct is None]
    if not stopped or backend.check is None:
        return
    s = settings
    painting = backend.painter(s.model).start(s.prompt, stopped, s.steps, s.guidance, s.temperature, s.seed)
    while not painting.done:
        step = painting.step()
    for number, picture in zip(step.paths, np.asarray(painting.decode(step.codes))):
        verdict = backend.check(s.prompt, picture)
        if verdict is not None:
            path = paths[number]
            path.correct, path.strict, path.reason = verdict.correct, verdict.strict, verdict.reason
            path.finished_later = True
