"""A run as a table: one row per path and step, for pandas, a spreadsheet, or any program that reads CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from .events import QUESTIONS, StepDecoded
from .state import PathState, RunState, StepState

RUN_COLUMNS = ("prompt", "method", "backend", "seed")  # in every row of a CSV file, so that files can be laid together
COLUMNS = (
    *("round", "model", "path", "step", "masked", "mask_ratio", "confidence", "passes"),
    *(name for question in QUESTIONS for name in (question, f"{question}_p_yes", f"{question}_p_no")),
    *("least_present", "least_present_p_yes"),
    *("pruned", "winner", "correct", "strict"),
)
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # their wide twins count as well


def rows_of(state: RunState) -> list[dict[str, Any]]:
    """One row per path and step, in the order they came; None stands for what did not happen.

    The columns are ``COLUMNS``, as docs/trace.md describes them.
    """
    return [_row(state, step) for step in state.steps.values()]


def _row(state: RunState, step: StepState) -> dict[str, Any]:
    event = step.event
    round, tokens = state.rounds[event.round], len(event.codes)
    path = round.paths[event.path]
    row = dict.fromkeys(COLUMNS)
    row.update(round=event.round, model=round.model, path=event.path, step=event.step)
    row.update(masked=len(event.masked), mask_ratio=len(event.masked) / tokens)
    row.update(confidence=sum(event.confidence) / tokens, passes=_passes(state, path, event))
    row.update(pruned=path.pruned is not None and path.pruned.step == event.step, winner=False)
    for judged in (*step.verdicts.values(), path.outcome):  # Reflect's word on it may be no verdict of the step
        if judged and judged.step == event.step:
            name = judged.question
            row.update({name: judged.answer, f"{name}_p_yes": judged.p_yes, f"{name}_p_no": judged.p_no})
    if step.present:
        least = step.present.least
        row.update(least_present=state.requirements[least], least_present_p_yes=step.present.p_yes[least])
    if step is path.last:
        row.update(winner=round.winner is not None and round.winner.path == event.path)
        if path.checked:
            row.update(correct=path.checked.correct, strict=path.checked.strict)
    return row


def _passes(state: RunState, path: PathState, event: StepDecoded) -> int:
    """Those of the event; in a trace of before they were counted there, by what was guided then.

    That were the first round, and repaintings of a region: they begin at a later step, as the others do not.
    """
    if event.passes is not None:
        return event.passes
    region = min(path.steps) > 0
    return 2 if state.settings.guidance > 0 and (event.round == 0 or region) else 1


def csv_of(state: RunState) -> str:
    """``rows_of`` as the text of a CSV file (RFC 4180), the run's own columns in front.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    run = {name: getattr(state.settings, name) for name in RUN_COLUMNS}
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, (*RUN_COLUMNS, *COLUMNS))
    table.writeheader()
    for row in rows_of(state):
        table.writerow({name: _cell(value) for name, value in (run | row).items()})
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULAS) else value
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 6) if isinstance(value, float) else value
