"""A run as tables for people's eyes: ``python -m cotdemo trace FILE``.

The rows are those of ``table.py``, which the page saves as CSV. What is the same in every row is told once, above.
Below stands the checklist, where there is one: each path at its last look, requirement by requirement.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .events import QUESTIONS
from .narration import narrate
from .state import RunState
from .table import COLUMNS, rows_of
from .trace import Trace

_SEEN = tuple(name for name in COLUMNS if not name.endswith(("_p_yes", "_p_no")))  # a verdict stands in one cell
_PLACE = ("path", "step")  # of a row
_MARKS = ("pruned", "winner")  # of few rows: the others stay blank


def listed(state: RunState) -> str:
    """The rows of a run under the names of their columns, a line each.

    A verdict is its answer, P(yes) and P(no). Columns that nothing stands in are left out; those in which one thing
    stands all over are told in a line above.
    """
    rows = [_cells(row) for row in rows_of(state)]
    columns = {name: [row[name] for row in rows] for name in _SEEN}
    same = {name: cells[0] for name, cells in columns.items() if len(set(cells)) == 1 and name not in _PLACE}
    shown = {name: cells for name, cells in columns.items() if name not in same}
    constant = [f"{name} {cell}" for name, cell in same.items() if cell]
    above = [f"in every row: {', '.join(constant)}"] if constant else []
    return "\n".join([*above, *_lines([list(shown), *zip(*shown.values())])])


def checklist(state: RunState) -> str:
    """What the judge says of each requirement at its last look at each path: P(yes), and the step since which it is so,
    to be there or not; "" where it was not asked."""
    rows = [["round", "path", "step", *state.requirements]]
    for round in state.rounds:
        for path in round.paths:
            if looks := [step for step in path.steps.values() if step.present]:
                said = zip(looks[-1].present.p_yes, map(path.decided, count()))
                place = (round.round, path.path, looks[-1].event.step)
                rows.append([*map(str, place), *(f"{p_yes:.2f} since {since}" for p_yes, since in said)])
    if len(rows) == 1:
        return ""
    return "\n".join(["of what the prompt asks for, the judge sees, with P(yes) and since which step:", *_lines(rows)])


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns, the names of the columns in the first row."""
    wide = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, wide)).rstrip() for row in rows]


def _cells(row: dict[str, Any]) -> dict[str, str]:
    cells = {name: _cell(name, row[name]) for name in _SEEN}
    for name in QUESTIONS:
        if row[name] is not None:
            cells[name] = f"{row[name]} {row[f'{name}_p_yes']:.2f} {row[f'{name}_p_no']:.2f}"
    if row["least_present"] is not None:
        cells["least_present"] += f" {row['least_present_p_yes']:.2f}"
    return cells


def _cell(name: str, value: object) -> str:
    if value is None or value is False and name in _MARKS:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main(arguments: argparse.Namespace, say: Callable[[str], None] = print) -> None:
    """Tell a trace file: its story and its table, or the table as CSV."""
    trace = Trace.load(arguments.trace)
    if arguments.csv:
        return say(trace.to_csv().replace("\r\n", "\n").rstrip("\n"))
    for _ in narrate(trace.events, say, lambda message: None):
        pass
    if trace.state.steps:
        say(f"\n{listed(trace.state)}")
    if of_it := checklist(trace.state):
        say(f"\n{of_it}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", type=Path, metavar="TRACE", help="a trace.json, as generate and the page save it")
    parser.add_argument("--csv", action="store_true", help="the table as CSV, all columns, for other programs")
