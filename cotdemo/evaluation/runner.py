"""Run a search on every entry, one winner each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..run.state import RunState
from ..search import perform
from ..search.protocols import Backend
from ..settings import Settings
from .cost import Instrumented, Prices
from .entries import Entry, picture_file, write_picture
from .records import Journal, Record, load

Rewrite = Callable[[str], str]
CRITIQUES = ("real", "empty", "shuffled")


@dataclass(frozen=True)
class Runner:
    """How entries are painted. ``base`` is what all runs share; its prompt and seed are replaced by each entry's.

    ``finish_pruned`` paints stopped paths to their ends afterwards, to learn whether they would have come out right.
    ``critique`` is "real", "empty" (repaint from no words) or "shuffled" (from the words on pictures of other prompts).
    ``out`` is a folder for the winners in GenEval's layout.

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
        """Those that the journal lacks, or whose pictures are missing."""
        return [
            entry
            for entry in entries
            if entry.place not in journal.records
            or (self.out is not None and not picture_file(self.out, entry).exists())
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
                    write_picture(self.out, entry, run.answer.picture, settings)
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
    """Critiques that were said about pictures of other prompts, one after another."""
    others = [words for prompt, words in said if prompt != entry.prompt]
    rng = random.Random(seed)
    return lambda words: rng.choice(others)


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
    for number, picture in zip(step.paths, np.asarray(session.decode(step.codes))):
        verdict = backend.check(s.prompt, picture)
        if verdict is not None:
            path = paths[number]
            path.correct, path.strict, path.reason = verdict.correct, verdict.strict, verdict.reason
            path.finished_later = True
