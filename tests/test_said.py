"""What a chosen image is called, by the page and by what else shows a run: one wording, declared once."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cotdemo.run.animation import _said
from cotdemo.run.events import Judged, Winner
from cotdemo.run.said import BAD_LOT, CHOSEN, NOT_JUDGED, chances, standing
from cotdemo.run.trace import Trace
from cotdemo.ui.components import WEB
from cotdemo.ui.learn import stops_of

RUNS = sorted((Path(__file__).parents[1] / "assets" / "runs").glob("*.json"))


def answered(trace: Trace, answer: str | None) -> Trace:
    """The run with another answer to "outcome" about every image; with none where nobody is asked."""
    p_yes = {"yes": 0.8, "no": 0.3, "neither": 0.3, None: None}[answer]
    events = []
    for event in trace.events:
        if isinstance(event, Judged) and event.question == "outcome":
            if answer is None:
                continue
            event = replace(event, p_yes=p_yes, p_no=1 - p_yes, answer=answer)
        events.append(replace(event, p_yes=p_yes) if isinstance(event, Winner) else event)
    return Trace.of(events)


@pytest.mark.parametrize("answer, called", [("yes", CHOSEN), ("no", BAD_LOT), ("neither", BAD_LOT), (None, NOT_JUDGED)])
def test_the_judges_answer_decides_what_the_best_is_called(answer, called):
    trace = answered(Trace.load(RUNS[0]), answer)
    assert standing(trace.state.rounds[0]) == called
    told = _said(trace.state, None)
    assert [words in told for words in (BAD_LOT, NOT_JUDGED)] == [called == BAD_LOT, called == NOT_JUDGED]
    choosing = [stop.text for stop in stops_of(trace) if stop.title == "Best of what is left"]
    assert [BAD_LOT in text for text in choosing] == ([] if answer is None else [called == BAD_LOT])


def test_no_other_file_declares_these_words():
    shared = {"said.js"}
    for words in (BAD_LOT, NOT_JUDGED):
        found = {file.name for file in WEB.glob("*.js") if f'"{words}"' in file.read_text()}
        assert found == shared
    package = WEB.parents[1]
    assert [file for file in package.rglob("*.py") if BAD_LOT in file.read_text().replace("# ", "")] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_probability_is_told_as_the_page_does():
    shares = [0, 0.004, 0.0049, 0.005, 0.01, 0.125, 0.5, 0.985, 0.99, 0.991, 0.999, 1]
    code = (
        f"import({json.dumps(str(WEB / 'words.js'))}).then(w => console.log(JSON.stringify({shares}.map(w.chances))))"
    )
    told = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(told) == [chances(share) for share in shares]
