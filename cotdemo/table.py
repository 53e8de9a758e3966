"""A run as a table: one row per path and step, for pandas, a spreadsheet, or any program that reads CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from .events import QUESTIONS, Checked, Event, Judged, PathPruned, RoundStarted, RunStarted, StepDecoded, Winner

RUN_COLUMNS = ("prompt", "method", "backend", "seed")  # in every row of a CSV file, so that files can be laid together
COLUMNS = (
    *("round", "model", "path", "step", "masked", "mask_ratio", "confidence", "passes"),
    *(name for question in QUESTIONS for name in (question, f"{question}_p_yes", f"{question}_p_no")),
    *("pruned", "winner", "correct", "strict"),
)
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # their wide twins count as well


def rows_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """One row per path and step, in the order they came; None stands for what did not happen.

    The columns are ``COLUMNS``, as docs/trace.md describes them.
    """
    rows: dict[tuple[int, int, int], dict[str, Any]] = {}
    last: dict[tuple[int, int], dict[str, Any]] = {}  # the latest row of each path
    models: dict[int, str] = {}
    guided = False
    for event in events:
        if isinstance(event, RunStarted):
            guided = event.settings.guidance > 0
        elif isinstance(event, RoundStarted):
            models[event.round] = event.model
        elif isinstance(event, StepDecoded):
            tokens = len(event.codes)
            row = dict.fromkeys(COLUMNS)
            row.update(round=event.round, model=models[event.round], path=event.path, step=event.step)
            row.update(masked=len(event.masked), mask_ratio=len(event.masked) / tokens)
            row.update(confidence=sum(event.confidence) / tokens, passes=2 if guided and event.round == 0 else 1)
            row.update(pruned=False, winner=False)
            rows[event.round, event.path, event.step] = last[event.round, event.path] = row
        elif isinstance(event, Judged):
            name = event.question
            verdict = {name: event.answer, f"{name}_p_yes": event.p_yes, f"{name}_p_no": event.p_no}
            rows[event.round, event.path, event.step].update(verdict)
        elif isinstance(event, PathPruned):
            rows[event.round, event.path, event.step]["pruned"] = True
        elif isinstance(event, Winner):
            last[event.round, event.path]["winner"] = True
        elif isinstance(event, Checked):
            last[event.round, event.path].update(correct=event.correct, strict=event.strict)
    return list(rows.values())


def csv_of(events: Sequence[Event]) -> str:
    """``rows_of`` as the text of a CSV file (RFC 4180), the run's own columns in front.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    asked = events[0].settings
    run = {name: getattr(asked, name) for name in RUN_COLUMNS}
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, (*RUN_COLUMNS, *COLUMNS))
    table.writeheader()
    for row in rows_of(events):
        table.writerow({name: _cell(value) for name, value in (run | row).items()})
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULAS) else value
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 6) if isinstance(value, float) else value
