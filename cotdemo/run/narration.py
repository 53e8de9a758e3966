"""A run in words, for a terminal: one line for each path, the critiques, the verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from .events import Checked, Critiqued, Event, Progress, RoundStarted, RunFinished, RunStarted, Winner
from .prose import prose
from .said import chances, ending
from .state import PathState, RunState

Say = Callable[[str], None]


def narrate(events: Iterable[Event], say: Say, status: Say) -> Iterator[Event]:
    """Pass ``events`` on while telling them: lines to keep to ``say``, what is happening just now to ``status``."""
    state = RunState()
    for event in events:
        state.apply(event)
        if isinstance(event, Progress):
            status(event.message)
        for line in _lines(state, event):
            say(line)
        yield event


def _lines(state: RunState, event: Event) -> Iterator[str]:
    if isinstance(event, RunStarted):
        asked = state.settings
        yield f"“{asked.prompt}”: {asked.method} on {asked.backend}, {', '.join(asked.in_words())}"
    elif isinstance(event, RoundStarted) and event.round:
        marked = f", {len(event.tokens)} tokens of it" if event.tokens else ""
        anew = f", as “{event.prompt}”" if event.prompt else ""
        yield f"round {event.round}: {event.model} repaints it{marked}{anew}"
    elif isinstance(event, Winner):
        for path in state.rounds[event.round].paths:
            if path.steps:
                yield _path(path) + ("  <- chosen" if path.path == event.path else "")
        if event.withheld:
            yield "its image was flagged by the safety checker, and is withheld: a grey one stands in for it"
    elif isinstance(event, Critiqued) and event.done:
        yield f"the judge says what is wrong: {prose(event.text)}{_agreement(state, event.round)}"
    elif isinstance(event, RunFinished):
        of_round = f" of round {event.round}" if event.round else ""
        yield f"The answer is path {event.path}{of_round}{_verdict(state.path_of(event))}."
        yield from filter(None, [ending(state)])
        yield (
            f"{event.seconds:.2f} s, {event.generator_passes} generator passes ({event.passes_saved} saved by stopping "
            f"early), {event.judge_passes} questions, {event.pictures_decoded} images decoded"
        )


def _agreement(state: RunState, round: int) -> str:
    """What the checklist says to a critique; nothing where they differ."""
    of = state.rounds[round]
    if of.agreed is None:
        return ""
    p_yes = of.paths[of.winner.path].last.present.p_yes[of.agreed]
    return f"; so does the checklist: {state.requirements[of.agreed]}, {chances(p_yes)}"


def _path(path: PathState) -> str:
    words, stopped = [], path.pruned
    if stopped:
        words.append(f"stopped after step {stopped.step + 1} of {path.asked} with P(no) {stopped.p_no:.2f}")
        if stopped.outdone:
            words.append("as others of its wave were likelier to come out right")
    if path.asked - 1 in path.steps:  # a region is painted in the last of them
        words.append("finished all the same, as none survived" if stopped else "painted to the end")
    return f"  path {path.path:<2} {', '.join(words)}{_verdict(path)}"


def _verdict(path: PathState) -> str:
    outcome, truth = path.outcome, path.checked
    said = f"; the judge: {outcome.answer}, P(yes) {outcome.p_yes:.2f}" if outcome else ""
    return said + (f"; {_witness(truth)}: {truth_words(truth)}" if truth else "")


def _witness(checked: Checked) -> str:
    """Who says what is true, as checkers are called within a sentence."""
    return f"the checker ({checked.by}, which errs)" if checked.by else "the truth (checker)"


def truth_words(checked: Checked) -> str:
    """What the checker found, in words."""
    if checked.strict:
        return "right"
    reason = prose(checked.reason)
    return f"right, but {reason}" if checked.correct else f"wrong: {reason}"


def say(text: str) -> None:
    """Tell how far something is, apart from what it prints."""
    print(text, file=sys.stderr, flush=True)
