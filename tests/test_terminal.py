"""A run in a terminal: drawn while it is painted, and listed as the table of its trace."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from scripted import Studio
from test_cli import PROMPT, use

from cotdemo import cli
from cotdemo.run.events import StepDecoded
from cotdemo.run.listing import checklist, listed
from cotdemo.run.state import RunState
from cotdemo.run.terminal import SIDE, Screen, drawn, in_lines, tiles
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.ui.recording import RUNS

RECORDED = sorted(RUNS.glob("*.json"))
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def a_run(**settings):
    say = settings.pop("say", lambda question, *place: "yes")
    return list(search("parm", Studio(say=say), PROMPT, **{"paths": 3, "steps": 4, "seed": 1} | settings))


def painted(trace: Trace) -> list[str]:
    """The lines of its table below the head."""
    lines = listed(trace.state).split("\n")
    return lines[1 + next(at for at, line in enumerate(lines) if {"path", "step"} <= set(line.split())) :]


# -- the table


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_the_table_holds_every_row_of_the_trace_and_every_verdict(file):
    trace = Trace.load(file)
    lines, rows = painted(trace), trace.to_rows()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows):
        said = [f"{row[name]} {row[f'{name}_p_yes']:.2f}" for name in ("clarity", "potential", "outcome") if row[name]]
        assert all(words in line for words in said) and f"{row['confidence']:.3f}" in line


def test_what_is_the_same_all_over_is_told_once_and_what_nothing_stands_in_not_at_all():
    table = listed(RunState.of(a_run()))
    head = table.split("\n")[1].split()
    assert table.startswith("in every row: round 0, model base")
    assert head[:2] == ["path", "step"] and "model" not in head and "correct" not in head and "pruned" not in head


def test_a_run_of_one_row_keeps_its_place():
    assert listed(RunState.of(a_run(paths=1, steps=1))).split("\n")[1].split() == ["path", "step"]


def test_the_command_tells_story_and_table_of_a_file(capsys):
    assert cli.main(["trace", str(RECORDED[0])]) == 0
    story, table, looks = capsys.readouterr().out.split("\n\n")
    assert story.startswith("“a photo of") and "<- chosen" in story
    state = Trace.load(RECORDED[0]).state
    assert table == listed(state) and looks.rstrip("\n") == checklist(state)


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_of_every_attempt_the_story_says_how_it_ended(file, capsys):
    assert cli.main(["trace", str(file)]) == 0
    told = re.findall(r"^  path \d+ +(.*)$", capsys.readouterr().out, re.MULTILINE)
    assert told and all(re.match("painted to the end|stopped after step", words) for words in told)


def test_the_command_writes_the_very_table_that_the_page_saves(capsys):
    assert cli.main(["trace", str(RECORDED[0]), "--csv"]) == 0
    assert capsys.readouterr().out == Trace.load(RECORDED[0]).to_csv().replace("\r\n", "\n")


def test_what_is_no_trace_is_refused_in_words(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert cli.main(["trace", str(tmp_path / "a.json")]) == 2
    assert "not a trace of this app" in capsys.readouterr().err
    assert cli.main(["trace", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_run_that_was_stopped_at_once_has_a_story_and_no_table(tmp_path, capsys):
    Trace.of(a_run()[:1]).save(tmp_path / "a.json")
    assert cli.main(["trace", str(tmp_path / "a.json")]) == 0
    assert capsys.readouterr().out.count("\n") == 1


# -- the run while it is painted


def test_without_a_terminal_every_step_is_a_line(monkeypatch, tmp_path, capsys):
    use(monkeypatch, Studio(say=lambda question, number, path, step: "no" if path == 1 else "yes"))
    asked = ["generate", PROMPT, "--method", "parm", "--paths", "3", "--steps", "4", "--seed", "1", "--watch"]
    assert cli.main([*asked, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.split("\n") if line.startswith("  step")]
    assert [line.split(":")[0] for line in lines] == [f"  step {step} of 4" for step in (1, 2, 3, 4)]
    assert lines[0] == "  step 1 of 4: 4 of 16 tokens kept; clear: 0 (0.90), 2 (0.90); can work: 0 (0.90), 2 (0.90)"
    assert "matches: 0 (0.90), 2 (0.90)" in lines[3]
    assert "\x1b" not in printed and printed.index("  step 4") < printed.index("  path 0")


def test_in_a_terminal_the_paths_are_drawn_above_their_story(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    use(monkeypatch, Studio())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    asked = ["generate", PROMPT, "--paths", "2", "--steps", "3", "--seed", "1", "--watch", "--out", str(tmp_path)]
    assert cli.main(asked) == 0
    printed = capsys.readouterr().out
    drawings, story = printed.rsplit("\x1b[J", 1)
    assert "\x1b[38;2;" in drawings and "step 3 of 3" in drawings and "\x1b" not in story
    assert story.startswith("  path 0") and "<- chosen" in story and story.rstrip().endswith("trace.json.")


def test_a_step_that_stops_paths_says_which():
    lines: list[str] = []
    no = a_run(say=lambda question, number, path, step: "no" if (question, path) == ("potential", 1) else "yes")
    list(in_lines(no, lines.append))
    assert lines[0].endswith("stopped: 1") and not any("stopped" in line for line in lines[1:])


def test_a_drawing_goes_over_the_one_before_until_a_line_is_said(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen(out := io.StringIO())
    events = a_run()
    assert list(drawn(events, screen)) == events
    text = out.getvalue()
    frames = text.split("\x1b[J")[:-1]
    assert len(frames) > 4 and not frames[0].startswith("\x1b[")
    heights = [frame.count("\n") for frame in frames]
    assert all(frame.startswith(f"\x1b[{height}F") for height, frame in zip(heights, frames[1:]))
    screen.say("a line")
    screen.draw(RunState.of(events))
    assert "a line\n" in out.getvalue() and not out.getvalue().split("a line\n")[1].startswith("\x1b[")


def test_a_tile_shows_what_is_kept_and_the_last_step_all():
    events = a_run()
    first = [event for event in events if not isinstance(event, StepDecoded) or event.step == 0]
    begun = RunState.of(first[: 1 + [type(event) for event in first].index(StepDecoded)])
    for state, kept in ((begun, 0.25), (RunState.of(events), 1.0)):
        tile = "".join(line[:SIDE] for line in tiles(state, state.rounds[0], 80, 24, False)[: SIDE // 2])
        assert sum({"█": 2, "▀": 1, "▄": 1}.get(mark, 0) for mark in tile) / (2 * len(tile)) == kept


def test_colours_are_those_of_the_image():
    red = np.broadcast_to(np.uint8([250, 10, 20]), (4, 4, 3))
    state = RunState.of(replace(e, picture=red) if isinstance(e, StepDecoded) else e for e in a_run(paths=1))
    line = tiles(state, state.rounds[0], 80, 24, True)[0]
    assert line.count("\x1b[38;2;250;10;20;48;2;250;10;20m▀") == SIDE


@pytest.mark.parametrize(("columns", "lines", "shown"), [(80, 24, 8), (40, 24, 4), (10, 5, 1), (200, 50, 32)])
def test_no_drawing_is_larger_than_the_terminal_and_says_what_it_leaves_out(columns, lines, shown):
    state = RunState.of(a_run(paths=32, steps=1))
    text = tiles(state, state.rounds[0], columns, lines, True)
    plain = [ANSI.sub("", line) for line in text]
    assert all(len(line) <= max(columns, SIDE) for line in plain)
    assert sum("matches" in word or "chosen" in word for line in plain for word in line.split()) == shown
    assert (plain[-1] == f"and {32 - shown} more") == (shown < 32)
