"""Critiques and the checker's reasons are shown as written English to whoever reads; traces keep them raw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from page_double import Double

from cotdemo.run.narration import narrate
from cotdemo.run.prose import prose
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.keep import recorded_runs
from cotdemo.ui.learn import stops_of

HERE = Path(__file__).parent
CASES = json.loads((HERE / "prose.json").read_text())  # the page's own words are held to the same: viewer.test.js
RUNS = recorded_runs("mini", HERE.parent / "assets" / "runs")
PROMPT = "a photo of a red car and a blue bus"
RAW = "one apple , not two"


@pytest.mark.parametrize("raw, written", CASES)
def test_punctuation_is_set_close(raw, written):
    assert prose(raw) == written and prose(written) == written


@pytest.mark.parametrize("name", RUNS)
def test_neither_the_tour_nor_the_command_line_quotes_a_run_raw(name):
    lines: list[str] = []
    list(narrate(RUNS[name].events, lines.append, lambda message: None))
    for text in [*lines, *(stop.text for stop in stops_of(RUNS[name]))]:
        assert " ," not in text


def test_an_endpoint_gives_written_words_and_the_raw_ones_in_the_trace():
    endpoints = Endpoints(Handlers("mini", lambda: Double(pace=0, critique=RAW)))
    made = endpoints.painted(PROMPT, paths=2, steps=4, seed=9)
    again = endpoints.reflected(made.run.trace(), anyway=True).told(with_trace=True)
    assert again["critique"] == "one apple, not two"
    said = [event["text"] for event in again["trace"]["events"] if event["type"] == "Critiqued"]
    assert said == [RAW]


def test_the_verdict_of_an_endpoint_is_written():
    for seed in range(40):
        endpoints = Endpoints(Handlers("mini", lambda: Double(pace=0)))
        made = endpoints.painted(PROMPT, "baseline", steps=4, seed=seed).told(with_trace=True)
        reason = made["verdict"]["truth"]["reason"]
        raw = [event["reason"] for event in made["trace"]["events"] if event["type"] == "Checked"]
        assert reason == prose(raw[0])
        if " ," in raw[0]:
            return
    raise AssertionError("no such fault among these seeds")
