"""What happened in a run, in a few words: by these a recorded run is chosen when it is made, and told apart later."""

from __future__ import annotations

from ..registry import METHODS
from .said import NOT_JUDGED
from .trace import Trace

PLAIN = f"one attempt, {NOT_JUDGED}"
RANKED = "all painted to the end"
SURE = "some attempts never begun"
NONE_STOPPED = "no attempt stopped"
SOME_STOPPED = "some attempts stopped"
ONE_LEFT = "one attempt left"
ALL_STOPPED = "no attempt passed"
APPROVED = "no word against it"
MENDED = "the critique helped"
NOT_MENDED = "the critique did not help"
UNFINISHED = "not finished"


def story_of(trace: Trace) -> str:
    """Which of the above a run is; the checker says whether a critique helped."""
    state, answer = trace.state, trace.winner
    if answer is None or state.finished is None:
        return UNFINISHED
    if state.rounds_begun > 1:
        return MENDED if is_right(trace) and not is_right(trace, of_round=0) else NOT_MENDED
    asked = state.settings
    if asked.method == "parm++":
        return APPROVED
    if not METHODS[asked.method].judged:
        return PLAIN
    if asked.verifier != "parm":
        if len(state.rounds[0].tried) < len(state.rounds[0].paths):
            return SURE
        return SOME_STOPPED if any(path.pruned for path in state.rounds[0].paths) else RANKED
    if answer.fallback:
        return ALL_STOPPED
    pruned = [path.pruned is not None for path in state.rounds[0].paths]
    return NONE_STOPPED if not any(pruned) else ONE_LEFT if pruned.count(False) == 1 else SOME_STOPPED


def is_right(trace: Trace, of_round: int | None = None) -> bool:
    """Whether the checker finds nothing wrong with the answer, or with the image that a round chose."""
    state = trace.state
    winner = state.answer if of_round is None else state.rounds[of_round].winner
    checked = state.path_of(winner).checked
    return checked is not None and checked.strict
