"""A run in words, for a terminal: one line for each path, the critiques, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .events import (
    Checked,
    Critiqued,
    Event,
    Judged,
    PathPruned,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)
from .prose import prose

Say = Callable[[str], None]


def narrate(events: Iterable[Event], say: Say, status: Say) -> Iterator[Event]:
    """Pass ``events`` on while telling them: lines to keep to ``say``, what is happening just now to ``status``."""
    story = _Story()
    for event in events:
        if isinstance(event, Progress):
            status(event.message)
        for line in story.lines(event):
            say(line)
        yield event


class _Story:
    """The run so far, as far as later lines need it."""

    def __init__(self) -> None:
        self.steps = 0
        self.painted: dict[int, int] = {}  # path of this round -> steps painted
        self.pruned: dict[int, PathPruned] = {}
        self.outcomes: dict[tuple[int, int], Judged] = {}  # (round, path)
        self.truths: dict[tuple[int, int], Checked] = {}

    def lines(self, event: Event) -> Iterator[str]:
        if isinstance(event, RunStarted):
            asked = event.settings
            self.steps = asked.steps
            yield f"“{asked.prompt}”: {asked.method} on {asked.backend}, {', '.join(asked.in_words())}"
        elif isinstance(event, RoundStarted):
            self.painted, self.pruned = {}, {}
            if event.round:
                yield f"round {event.round}: {event.model} repaints it"
        elif isinstance(event, StepDecoded):
            self.painted[event.path] = self.painted.get(event.path, 0) + 1
        elif isinstance(event, PathPruned):
            self.pruned[event.path] = event
        elif isinstance(event, Judged) and event.question == "outcome":
            self.outcomes[event.round, event.path] = event
        elif isinstance(event, Checked):
            self.truths[event.round, event.path] = event
        elif isinstance(event, Winner):
            for path in sorted(self.painted):
                yield self._path(event, path)
        elif isinstance(event, Critiqued) and event.done:
            yield f"the judge says what is wrong: {prose(event.text)}"
        elif isinstance(event, RunFinished):
            yield from self._end(event)

    def _path(self, winner: Winner, path: int) -> str:
        words = []
        if path in self.pruned:
            stopped = self.pruned[path]
            words.append(f"stopped after step {stopped.step + 1} of {self.steps} with P(no) {stopped.p_no:.2f}")
        if self.painted[path] == self.steps:
            words.append("painted to the end" if path not in self.pruned else "finished all the same, as none survived")
        line = f"  path {path:<2} {', '.join(words)}"
        line += self._verdict(winner.round, path)
        return line + ("  <- chosen" if path == winner.path else "")

    def _verdict(self, round: int, path: int) -> str:
        outcome, truth = self.outcomes.get((round, path)), self.truths.get((round, path))
        said = f"; the judge: {outcome.answer}, P(yes) {outcome.p_yes:.2f}" if outcome else ""
        return said + (f"; the truth (checker): {_truth(truth)}" if truth else "")

    def _end(self, event: RunFinished) -> Iterator[str]:
        of_round = f" of round {event.round}" if event.round else ""
        yield f"The answer is path {event.path}{of_round}{self._verdict(event.round, event.path)}."
        yield (
            f"{event.seconds:.2f} s, {event.generator_passes} generator passes ({event.passes_saved} saved by stopping "
            f"paths), {event.judge_passes} questions, {event.pictures_decoded} pictures decoded"
        )


def _truth(checked: Checked) -> str:
    if checked.strict:
        return "right"
    reason = prose(checked.reason)
    return f"right, but {reason}" if checked.correct else f"wrong: {reason}"
