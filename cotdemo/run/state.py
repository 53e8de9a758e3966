"""A run as far as it has come: the one fold of its events, which trace, table, terminal, page and Reflect consume.

``state.apply(event)`` takes events in the order a search yields them; what it keeps are the events themselves, each at
its place: round, path, step. Whatever else is known of a run is derived from them here. ``ui/web/reducer.js`` is the
twin of this module, by the same names; tests/data/run_states.json holds both to the same states.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..settings import Settings, verifier_of
from .events import (
    Checked,
    Critiqued,
    Event,
    Judged,
    PathPruned,
    Present,
    Progress,
    Question,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)

Phase = Literal["empty", "running", "finished"]
Status = Literal["waiting", "alive", "painted", "judged", "pruned", "won", "spared"]

REFLECTING = verifier_of("parm++")  # the verifier that answers after the end of a run, whoever answered before
EVEN = 0.5  # P(yes) from which on the judge rather says yes
_PROCESS = verifier_of("prm")  # is asked for the outcome at every step, and ranks by the mean


@dataclass
class StepState:
    """One step of one path, the latest answer to each question about its x0 guess, and what of the prompt it has."""

    event: StepDecoded
    verdicts: dict[Question, Judged] = field(default_factory=dict)
    present: Present | None = None


@dataclass
class PathState:
    """One path of one round; ``asked`` is the number of steps it was to take.

    Paths begin all at once, which is wave 0, or in waves: each after the judge has seen the final images of the one
    before.
    """

    path: int
    asked: int
    steps: dict[int, StepState] = field(default_factory=dict)  # by number, in the order they were painted
    wave: int | None = None  # None before its first step
    pruned: PathPruned | None = None
    outcome: Judged | None = None  # the latest answer to "outcome" about it
    outcome_by: str = ""  # the verifier that gave it
    checked: Checked | None = None

    @property
    def last(self) -> StepState | None:
        """The latest step; None before the first."""
        return next(reversed(self.steps.values()), None)

    @property
    def hope(self) -> float:
        """P(yes) of its outcome, the mean where it is ranked by that; before that of the latest answer on its
        potential, 0 without any."""
        if self.mean is not None:
            return self.mean
        if self.outcome:
            return self.outcome.p_yes
        said = [step.verdicts["potential"].p_yes for step in self.steps.values() if "potential" in step.verdicts]
        return said[-1] if said else 0.0

    @property
    def mean(self) -> float | None:
        """The mean P(yes) to "outcome" over the guesses, where a process reward model ranks by it; otherwise None."""
        if self.outcome_by != _PROCESS:
            return None
        said = [step.verdicts["outcome"].p_yes for step in self.steps.values() if "outcome" in step.verdicts]
        return sum(said) / len(said)

    def decided(self, requirement: int) -> int | None:
        """The step from which on the judge has said the same of a requirement, yes or no; None where it was not asked.

        Between looks that say the same it is taken to be so.
        """
        since, said = None, None
        for number, step in sorted(self.steps.items()):
            if step.present is None:
                continue
            says = step.present.p_yes[requirement] >= EVEN
            if says is not said:
                since, said = number, says
        return since


@dataclass
class RoundState:
    """One round of painting; from round 1 on it repaints from ``critique``, or ``tokens`` of the image that was the
    answer then."""

    round: int
    model: str
    paths: list[PathState]
    critique: str = ""
    tokens: tuple[int, ...] = ()  # that were marked to be painted anew
    before: int | None = None  # the round whose image they were marked in
    prompt: str = ""  # what it paints, where that is not the run's own prompt
    winner: Winner | None = None
    criticised: Critiqued | None = None  # what the verifier says is wrong with its winner
    begun: bool = False  # round 0 is here from the start of the run on

    @property
    def tried(self) -> list[PathState]:
        """The paths that have begun, in the order of their numbers."""
        return [path for path in self.paths if path.wave is not None]

    @property
    def wave(self) -> int:
        """The latest wave."""
        return max((path.wave for path in self.tried), default=0)

    @property
    def next_wave(self) -> int:
        """That of a path which begins now: another one, where the judge has told the outcome of the latest."""
        return self.wave + any(path.outcome is not None for path in self.tried if path.wave == self.wave)

    @property
    def leading(self) -> PathState:
        """The winner's path; before there is one, whichever of those that go on looks best."""
        if self.winner is not None:
            return self.paths[self.winner.path]
        return max([path for path in self.paths if not path.pruned] or self.paths, key=lambda path: path.hope)

    @property
    def agreed(self) -> int | None:
        """The requirement that the winner misses by both the judge's checklist and its critique; None without one.

        It is the least likely one, if the judge rather says no of it and the critique speaks of it.
        """
        last = self.paths[self.winner.path].last if self.winner else None
        if last is None or last.present is None or self.criticised is None:
            return None
        least = last.present.least
        return least if last.present.p_yes[least] < EVEN and least in self.criticised.about else None

    def status(self, path: int) -> Status:
        """What has become of a path: "painted" to its end and not judged, or "judged" on its outcome, or "spared",
        as the round was over before it was begun."""
        of = self.paths[path]
        if self.winner is not None and self.winner.path == path:
            return "won"
        if of.pruned:
            return "pruned"
        if of.last is None:
            return "waiting" if self.winner is None else "spared"
        if of.last.event.step + 1 < of.asked:  # a process reward model judges outcomes on the way, too
            return "alive"
        return "judged" if of.outcome else "painted"


@dataclass
class RunState:
    """What ``apply`` has made of the events so far. Without a ``RunStarted`` all others but Progress are left out."""

    phase: Phase = "empty"
    message: str = ""  # what is happening, in words
    started: RunStarted | None = None
    rounds: list[RoundState] = field(default_factory=list)
    steps: dict[tuple[int, int, int], StepState] = field(default_factory=dict)  # all, in the order they were painted
    finished: RunFinished | None = None  # the last one: reflections go on from there

    @classmethod
    def of(cls, events: Iterable[Event]) -> RunState:
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> None:
        """Take in the next event. Raises IndexError or KeyError for one of a path or step that there is not."""
        if self.started is None and not isinstance(event, (RunStarted, Progress)):
            return
        match event:
            case RunStarted():
                self.phase, self.message, self.started = "running", "", event
                self._round(0)
            case RoundStarted():
                before = self.answer.round if event.tokens and self.answer else None
                self.phase, round = "running", self._round(event.round)
                round.model, round.critique, round.begun = event.model, event.critique, True
                round.tokens, round.before, round.prompt = event.tokens or (), before, event.prompt
            case StepDecoded():
                step, path = StepState(event), self._path(event)
                path.wave = self._round(event.round).next_wave if path.wave is None else path.wave
                self.steps[event.round, event.path, event.step] = path.steps[event.step] = step
            case Judged():
                self._judged(event)
            case Present():
                self.steps[event.round, event.path, event.step].present = event
            case PathPruned():
                self._path(event).pruned = event
            case Winner():
                self._round(event.round).winner = event
            case Critiqued():
                self._round(event.round).criticised = event
            case Checked():
                self._path(event).checked = event
            case Progress():
                self.phase, self.message = "running", event.message
            case RunFinished():
                self.phase, self.message, self.finished = "finished", "", event

    def _judged(self, event: Judged) -> None:
        path, verdicts = self._path(event), self.steps[event.round, event.path, event.step].verdicts
        # of a guess that a process reward model has judged, Reflect's word on the outcome is no verdict of the step
        if not (self.finished and self.judges_every_step(event.round) and event.question == "outcome"):
            verdicts[event.question] = event
        if event.question == "outcome":
            path.outcome, path.outcome_by = event, self.verifier

    def _round(self, number: int) -> RoundState:
        while len(self.rounds) <= number:
            paths = [PathState(path, self.settings.steps) for path in range(self.settings.paths)]
            self.rounds.append(RoundState(len(self.rounds), self.settings.model, paths))
        return self.rounds[number]

    def _path(self, event: StepDecoded | Judged | PathPruned | Checked) -> PathState:
        return self._round(event.round).paths[event.path]

    @property
    def settings(self) -> Settings | None:
        """What was asked for; None before the start."""
        return self.started.settings if self.started else None

    @property
    def prompt(self) -> str:
        """What the answer was painted from and is judged by: the run's prompt, or that of its marked tokens."""
        own = self.rounds[self.answer.round].prompt if self.answer else ""
        return own or self.settings.prompt

    @property
    def requirements(self) -> tuple[str, ...]:
        """What the prompt asks for, in words; nothing where that is not known."""
        return self.started.requirements if self.started else ()

    def judges_every_step(self, round: int) -> bool:
        """Whether a process reward model judges this round; repaintings are judged at their end, by another."""
        return round == 0 and verifier_of(self.settings.method) == _PROCESS

    @property
    def rounds_begun(self) -> int:
        return sum(round.begun for round in self.rounds)

    @property
    def verifier(self) -> str:
        """Whose answers the next ones are."""
        return REFLECTING if self.finished else verifier_of(self.settings.method)

    @property
    def answer(self) -> Winner | None:
        """The winner that the last ``RunFinished`` names; before the end the latest round's. None without a winner."""
        winners = {round.round: round.winner for round in self.rounds if round.winner}
        return winners.get(self.finished.round if self.finished else max(winners, default=0))

    @property
    def answer_path(self) -> PathState | None:
        """The path of ``answer``, with what was said of it."""
        return self.path_of(self.answer) if self.answer else None

    def path_of(self, winner: Winner | RunFinished) -> PathState:
        return self.rounds[winner.round].paths[winner.path]
