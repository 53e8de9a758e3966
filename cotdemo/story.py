"""What happened in a run, in a few words: by these a recorded run is chosen when it is made, and told apart later."""

from __future__ import annotations

from .events import PathPruned, RoundStarted, Winner
from .trace import Trace, truth

PLAIN = "one path, unjudged"
RANKED = "all painted to the end"
NONE_STOPPED = "no path stopped"
SOME_STOPPED = "some paths stopped"
ONE_LEFT = "one path left"
ALL_STOPPED = "every path stopped"
APPROVED = "no word against it"
MENDED = "the critique helped"
NOT_MENDED = "the critique did not help"
UNFINISHED = "not finished"


def story_of(trace: Trace) -> str:
    """Which of the above a run is; the checker says whether a critique helped."""
    asked, answer = trace.started.settings, trace.winner
    if answer is None or trace.finished is None:
        return UNFINISHED
    if any(isinstance(event, RoundStarted) and event.round for event in trace.events):
        return MENDED if is_right(trace) and not is_right(trace, of_round=0) else NOT_MENDED
    if asked.method == "parm++":
        return APPROVED
    if asked.method == "baseline":
        return PLAIN
    if asked.verifier != "parm":
        return RANKED
    if answer.fallback:
        return ALL_STOPPED
    stopped = {event.path for event in trace.events if isinstance(event, PathPruned)}
    left = asked.paths - len(stopped)
    return NONE_STOPPED if not stopped else ONE_LEFT if left == 1 else SOME_STOPPED


def is_right(trace: Trace, of_round: int | None = None) -> bool:
    """Whether the checker finds nothing wrong with the answer, or with the picture that a round chose."""
    winners = {event.round: event for event in trace.events if isinstance(event, Winner)}
    winner = trace.winner if of_round is None else winners[of_round]
    checked = truth(trace.events, winner)
    return checked is not None and checked.strict
