"""A run as a table: its rows, and the CSV file that a spreadsheet opens without harm."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import Studio, Verdict

from cotdemo.run.events import StepDecoded
from cotdemo.run.table import COLUMNS, RUN_COLUMNS
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.settings import METHODS
from cotdemo.ui.recording import RUNS

PROMPT = "a photo of two red apples"
RECORDED = sorted(RUNS.glob("*.json"))


def a_trace(prompt: str = PROMPT, **settings) -> Trace:
    studio = Studio(check=lambda prompt, image: Verdict(False, False, "three apples"))
    events = list(search("parm++", studio, PROMPT, **{"paths": 2, "steps": 3, "seed": 1, "rounds": 1} | settings))
    return Trace.of([replace(events[0], settings=replace(events[0].settings, prompt=prompt)), *events[1:]])


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def older(trace: Trace) -> Trace:
    """The trace as it was before steps counted their passes."""
    return Trace.of(replace(e, passes=None) if isinstance(e, StepDecoded) else e for e in trace.events)


def passes(trace: Trace) -> int:
    return sum(row["passes"] for row in trace.to_rows())


@pytest.mark.parametrize("guidance", [0.0, 1.75])
@pytest.mark.parametrize("method", METHODS)
def test_rows_add_up_to_the_passes_of_the_run(method, guidance):
    studio = Studio(say=lambda question, number, path, step: "no" if path == 1 or question == "outcome" else "yes")
    events = list(search(method, studio, PROMPT, paths=3, steps=4, seed=1, guidance=guidance, rounds=1))
    for _ in range(2):
        trace = Trace.of(events)
        assert passes(trace) == trace.finished.generator_passes
        assert passes(older(trace)) == passes(trace) or method == "repair"  # which no older trace is of
        assert {row["passes"] for row in trace.to_rows() if row["round"] == 0} == {2 if guidance else 1}
        events += reflect(studio, events, anyway=True)


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_rows_of_a_recorded_run_add_up_too(file):
    trace = Trace.load(file)
    assert passes(trace) == passes(older(trace)) == trace.finished.generator_passes


def test_the_mask_ratio_falls_to_nothing():
    rows = [row for row in a_trace().to_rows() if (row["round"], row["path"]) == (0, 0)]
    ratios = [row["mask_ratio"] for row in rows]
    assert ratios == sorted(ratios, reverse=True) and 0 < ratios[0] < 1 and ratios[-1] == 0


def test_a_csv_file_holds_the_rows_and_what_was_run():
    trace = a_trace()
    table = read(trace.to_csv())
    assert len(table) == sum(isinstance(event, StepDecoded) for event in trace.events)
    assert list(table[0]) == [*RUN_COLUMNS, *COLUMNS]
    for line, row in zip(table, trace.to_rows()):
        assert (line["prompt"], line["seed"], line["model"]) == (PROMPT, "1", row["model"])
        assert int(line["step"]) == row["step"] and float(line["mask_ratio"]) == pytest.approx(row["mask_ratio"])
        assert line["outcome"] == (row["outcome"] or "") and line["pruned"] == str(row["pruned"]).lower()


@pytest.mark.parametrize("prompt", ['=HYPERLINK("http://x","y")', "+1", "-2+3", "@SUM(A1)", "\uff1d1+1"])
def test_no_cell_of_a_csv_file_is_a_formula(prompt):
    cells = [cell for row in csv.reader(io.StringIO(a_trace(prompt).to_csv(), newline="")) for cell in row]
    assert f"'{prompt}" in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\uff1d", "\t", "\r")) for cell in cells)


@pytest.mark.parametrize("prompt", ['a "b", c;', "ein Hase für Zoë 🍎", "a,b'c", "</script>"])
def test_other_texts_come_back_as_they_were(prompt):
    assert {row["prompt"] for row in read(a_trace(prompt).to_csv())} == {prompt}


def test_a_stopped_run_has_a_table_too():
    trace = a_trace()
    assert [len(read(Trace.of(trace.events[:length]).to_csv())) for length in (1, 2, 3)] == [0, 0, 1]


def test_the_documentation_names_every_column():
    page = (Path(__file__).parents[1] / "docs" / "trace.md").read_text(encoding="utf-8")
    table = page.split("# The table")[1].split("\n# ")[0]
    named = set(re.findall(r"`(\w+)`", table))
    assert set(RUN_COLUMNS) | {name for name in COLUMNS if "_p_" not in name} <= named
