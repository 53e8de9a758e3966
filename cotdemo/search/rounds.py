"""What every strategy is made of: a run's settings and costs, one round of painting, and questions to the judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from ..run.events import (
    Checked,
    Event,
    Judged,
    Present,
    Progress,
    Question,
    RoundStarted,
    RunFinished,
    StepDecoded,
    Winner,
)
from ..settings import BACKENDS, METHODS, REPAINTING_GUIDANCE, Settings
from .checklist import Checklist, Place, probability
from .protocols import Backend, Context, Encoded, Step, Verifier
from .stopping import StoppingRule, rule_of
from .verdicts import draw_seed, likeliest

Show = Literal["all", "judged", "none"]


@dataclass
class Meter:
    """What a run has cost so far, counted as ``RunFinished`` reports it."""

    generator_passes: int = 0
    judge_passes: int = 0
    pictures_decoded: int = 0
    passes_saved: int = 0

    @classmethod
    def after(cls, finished: RunFinished | None) -> Meter:
        """What a run has cost that goes on after its end, or after none."""
        return cls(**{cost.name: getattr(finished, cost.name) for cost in fields(cls)}) if finished else cls()


@dataclass
class Run:
    """What the strategies share.

    ``show`` says which images ``StepDecoded`` carries: those of all steps, those that were decoded to be judged, or
    none; with "all", every guess is decoded. ``check`` tells whether final images go to the backend's checker.
    ``rewrite`` changes a critique before it is painted from (for ablations). ``checklist`` is what the judge is asked
    besides. ``rule`` is by default the one that the settings name. ``anew`` tells that they have another prompt than
    the run began with.
    """

    settings: Settings
    backend: Backend
    show: Show = "all"
    check: bool = True
    rewrite: Callable[[str], str] | None = None
    meter: Meter = field(default_factory=Meter)
    checklist: Checklist = field(default_factory=Checklist)
    anew: bool = False
    rule: StoppingRule = None  # type: ignore[assignment]  # follows from the settings

    def __post_init__(self) -> None:
        self.rule = self.rule or rule_of(self.settings)

    @property
    def judge(self) -> Verifier:
        return self.backend.verifier(self.settings.verifier)

    @property
    def watcher(self) -> Verifier:
        """Who is asked on the way, where that is another than ``judge``."""
        return self.backend.verifier(METHODS[self.settings.method].watcher)

    @property
    def critic(self) -> Verifier:
        """Who says in words what is wrong."""
        return self.backend.verifier(BACKENDS[self.settings.backend].critic)

    @property
    def truth(self) -> bool:
        return self.check and self.backend.check is not None

    def ask(self, encoded: Encoded, question: Question, places: Sequence[Place], rows: Sequence[int]) -> list[Judged]:
        """The judge's answers about ``rows`` of a look; ``places`` are the (round, path, step) of those rows."""
        answers = encoded.ask(question, self.settings.prompt, rows, **self._draws(question, places))
        self.meter.judge_passes += len(rows)
        values = (answers.p_yes.tolist(), answers.p_no.tolist(), answers.yes.tolist(), answers.no.tolist())
        return [self._judged(question, place, *row) for place, *row in zip(places, *values, strict=True)]

    def go_through(
        self, encoded: Encoded, places: Sequence[Place], doing: Callable[[str], Progress]
    ) -> Iterator[Event]:
        """The checklist about a look, row r of which is the guess of ``places[r]``; ``doing`` tells what is asked."""
        for event in self.checklist.ask(encoded, places, doing):
            if isinstance(event, Present):
                self.meter.judge_passes += len(event.p_yes)
            yield event

    def _draws(self, question: Question, places: Sequence[Place]) -> dict[str, list[int]]:
        """What a judge that draws its answers is told besides."""
        if self.settings.verdicts != "sampled":
            return {}
        return {"seeds": [draw_seed((self.settings.seed, *place), question) for place in places]}

    def _judged(self, question: Question, place: Place, p_yes: float, p_no: float, yes: bool, no: bool) -> Judged:
        return Judged(*place, question, probability(p_yes), probability(p_no), likeliest(yes, no))


@dataclass(frozen=True)
class Chosen:
    """The winner of a round and, where it was judged, the answer to "outcome" about it."""

    winner: Winner
    outcome: Judged | None = None


@dataclass(frozen=True)
class Beginning:
    """What a round begins with. The first one begins with nothing; a later one repaints ``picture``.

    Either another model is told the image and the critique (``context``), or the paths go on ``after`` a step that
    has left a part of the image as it was. Its paths are numbered from ``first`` on.
    """

    number: int = 0
    model: str | None = None  # by default that of the settings
    picture: np.ndarray | None = None
    critique: str = ""
    context: Context | None = None
    after: Step | None = None
    prompt: str = ""  # to paint from, where that is not the settings'
    first: int = 0
    tokens: tuple[int, ...] | None = None  # to paint anew, and no others
    spent: int = 0  # generator passes that it took to find these; counted with the first step of the first path

    @property
    def options(self) -> dict[str, Any]:
        """What the generator is given of it."""
        of = {"context": self.context, "after": self.after}
        return {name: value for name, value in of.items() if value is not None}


FIRST = Beginning()


class Round:
    """One round of painting: paths in one batch, and the latest guess of each.

    Its methods are generators of events, and yield before every forward pass, so that closing a search stops the work
    within one step.
    """

    def __init__(self, run: Run, beginning: Beginning = FIRST):
        self.run, self.settings, self.beginning = run, run.settings, beginning
        self.number, self.model = beginning.number, beginning.model or run.settings.model
        self.guidance = REPAINTING_GUIDANCE if beginning.context else run.settings.guidance
        self.passes_per_step = 2 if self.guidance > 0 else 1  # guidance adds the unconditional one
        self.paths = range(beginning.first, beginning.first + run.settings.paths)
        self.first_step = beginning.after.index + 1 if beginning.after else 0
        self.last_step = run.settings.steps - 1
        self.wave = 0  # that is painted, counted from 1 where paths begin in waves
        self.guesses: dict[int, StepDecoded] = {}  # latest of each path, with its image where that was decoded
        self._passes_before = run.meter.generator_passes

    def start(self) -> Iterator[Event]:
        """Begin to paint."""
        s, beginning = self.settings, self.beginning
        prompt = s.prompt if self.run.anew else ""
        yield RoundStarted(self.number, self.model, beginning.critique, beginning.picture, beginning.tokens, prompt)
        yield Progress("reading the prompt")
        generator = self.run.backend.generator(self.model)
        seed = round_seed(s.seed, self.number)
        self.session = generator.start(
            beginning.prompt or s.prompt, self.paths, s.steps, self.guidance, s.temperature, seed, **beginning.options,
        )  # fmt: skip

    def step(self, see: Collection[int]) -> Iterator[Event]:
        """One step of every live path, decoding the guesses of those in ``see`` (of all, where all are shown)."""
        yield self.progress("painting")
        step = self.session.step()
        rows = [row for row, path in enumerate(step.paths) if self.run.show == "all" or path in see]
        images = dict(zip(rows, self.session.decode(step.codes[rows]))) if rows else {}
        self.run.meter.pictures_decoded += len(rows)
        values = zip(step.paths, step.codes.tolist(), step.masked.tolist(), step.confidence.tolist(), strict=True)
        for row, (path, codes, masked, confidence) in enumerate(values):
            if not math.isfinite(sum(confidence)):
                raise FloatingPointError(
                    "The generator's probabilities are not finite: look at its weights and its dtype."
                )
            positions = tuple(position for position, again in enumerate(masked) if again)
            guess = StepDecoded(
                self.number, path, step.index, tuple(codes), positions, tuple(confidence), images.get(row),
                self.passes_per_step + (0 if self.guesses else self.beginning.spent),
            )  # fmt: skip
            self.run.meter.generator_passes += self.passes_per_step
            self.guesses[path] = guess
            yield replace(guess, picture=None) if self.run.show == "none" else guess

    @property
    def ending(self) -> bool:
        """The step to come is the last."""
        return self.next_step == self.last_step

    @property
    def judging(self) -> bool:
        """The step to come is one whose guesses are judged."""
        return self.next_step + 1 >= self.settings.judge_from

    @property
    def next_step(self) -> int:
        path = self.session.live[0]  # live paths are all at the same step
        return self.guesses[path].step + 1 if path in self.guesses else self.first_step

    def progress(self, doing: str, step: int | None = None) -> Progress:
        s, alive = self.settings, len(self.session.live)
        of_round = f"round {self.number} - " if self.number else f"wave {self.wave} - " if self.wave else ""
        at = self.next_step if step is None else step
        return Progress(f"{of_round}step {at + 1} of {s.steps} - {alive} of {s.paths} paths alive - {doing}")

    def encode(self, paths: Sequence[int], verifier: Verifier | None = None) -> Encoded:
        """The look of a verifier, by default the judge, at the latest guesses of ``paths``, a row each, in order."""
        return (verifier or self.run.judge).encode([self.guesses[path].picture for path in paths])

    def ask(
        self, encoded: Encoded, question: Question, seen: Sequence[int], paths: Sequence[int]
    ) -> Generator[Event, None, dict[int, Judged]]:
        """Ask about ``paths`` among those of a look (``seen``); returns the answers by path."""
        if not paths:
            return {}
        yield self.progress(f"judging {question}", self.guesses[paths[0]].step)
        judged = self.run.ask(encoded, question, self._places(paths), [seen.index(path) for path in paths])
        yield from judged
        return {answer.path: answer for answer in judged}

    def go_through(self, encoded: Encoded, seen: Sequence[int]) -> Iterator[Event]:
        """The checklist about the guesses of a look (``seen``)."""
        at = self.guesses[seen[0]].step
        return self.run.go_through(encoded, self._places(seen), lambda what: self.progress(what, at))

    def _places(self, paths: Sequence[int]) -> list[Place]:
        """Where the latest guesses of ``paths`` are."""
        return [(self.number, path, self.guesses[path].step) for path in paths]

    def best(self, paths: Sequence[int]) -> Generator[Event, None, tuple[int, Judged]]:
        """The path whose image is right with the highest P(yes); of equals the first."""
        yield self.progress("looking at the final images", self.last_step)
        encoded = self.encode(paths)
        outcomes = yield from self.ask(encoded, "outcome", paths, paths)
        yield from self.go_through(encoded, paths)
        path = max(paths, key=lambda path: self.run.rule.score(outcomes[path]))
        return path, outcomes[path]

    def finish(
        self, path: int, survivors: Sequence[int], outcome: Judged | None, fallback: bool = False
    ) -> Generator[Event, None, Chosen]:
        """Check the final images, crown ``path`` and settle the round's costs."""
        if self.run.truth:
            yield from self._check()
        meter, s = self.run.meter, self.settings
        spent = meter.generator_passes - self._passes_before
        meter.passes_saved += s.paths * (s.steps - self.first_step) * self.passes_per_step - spent
        guess, p_yes = self.guesses[path], outcome.p_yes if outcome else None
        winner = Winner(self.number, path, tuple(survivors), p_yes, fallback, guess.codes, guess.picture)
        yield winner
        return Chosen(winner, outcome)

    def _check(self) -> Iterator[Event]:
        """What the checker says of the final images."""
        if not BACKENDS[self.settings.backend].checked:  # by no exact checker, but by one that takes its time
            yield self.progress("checking the final images", self.last_step)
        finals = [guess for guess in self.guesses.values() if guess.step == self.last_step]
        for guess in sorted(finals, key=lambda guess: guess.path):
            verdict = self.run.backend.check(self.settings.prompt, guess.picture)
            if verdict is not None:
                by = getattr(verdict, "by", None)  # an exact checker is told by no name
                yield Checked(self.number, guess.path, verdict.correct, verdict.strict, verdict.reason, by)


def round_seed(seed: int, number: int) -> int:
    """The seed of a round: a later round draws afresh, and the same whether PARM++ or Reflect begins it."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
