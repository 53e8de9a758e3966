"""The tour: its stops are what happened in the run, in numbers of the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from page_double import Double

from cotdemo.run.events import Critiqued, Judged, PathPruned, Winner
from cotdemo.run.prose import prose
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.ui.keep import recorded_runs
from cotdemo.ui.learn import stops_of, tour_of

RUNS = recorded_runs("mini", Path(__file__).parents[1] / "assets" / "runs")
PROMPT = "a photo of a red car and a blue bus"


def titles(trace: Trace) -> list[str]:
    return [stop.title for stop in stops_of(trace)]


def test_the_tour_is_of_a_run_that_shows_everything():
    tour = tour_of(RUNS)
    shown = [stop["title"] for stop in tour["stops"]]
    assert tour["prompt"] == RUNS[tour["run"]].started.settings.prompt
    assert shown[:2] == ["An image is a grid of tokens", "Every row is an attempt"]
    for title in ("Clear enough to judge?", "Can it still come out right?", "Best of what is left", "Reflection"):
        assert title in shown
    assert tour_of({}) == {}


@pytest.mark.parametrize("name", RUNS)
def test_stops_are_at_what_happened_and_say_its_numbers(name):
    trace = RUNS[name]
    events = trace.events
    stops = {stop.title: stop for stop in stops_of(trace)}

    def of(kind):
        return [event for event in events if isinstance(event, kind)]

    clear = [one for one in of(Judged) if one.question == "clarity" and one.answer == "yes" and one.round == 0]
    assert ("Clear enough to judge?" in stops) == bool(clear)
    if clear:
        stop = stops["Clear enough to judge?"]
        assert stop.place == (0, clear[0].path, clear[0].step) and f"attempt {clear[0].path + 1} " in stop.text
        assert f'[data-path="{clear[0].path}"][data-step="{clear[0].step}"]' in stop.target
    winner = of(Winner)[0]
    stopped = [one for one in of(PathPruned) if one.round == 0 and one.path != winner.path]
    assert ("Hopeless attempts stop" in stops) == bool(stopped)
    if stopped:
        text = stops["Hopeless attempts stop"].text
        assert (
            f"after step {stopped[0].step + 1}:" in text
            and f"{trace.started.settings.steps - stopped[0].step - 1} steps" in text
        )
    assert ("Reflection" in stops) == (len(of(Winner)) > 1)
    if len(of(Winner)) > 1:
        assert prose([one for one in of(Critiqued) if one.done][0].text) in stops["Reflection"].text
    assert ("Best of what is left" in stops) == (winner.p_yes is not None)
    if winner.fallback:
        assert "No attempt passed" in stops["Best of what is left"].text


def changed(trace: Trace, kind: type, **values) -> Trace:
    """The trace with other values in all of its events of one kind."""
    return Trace.of([replace(event, **values) if isinstance(event, kind) else event for event in trace.events])


@pytest.mark.parametrize(
    "answer, p_yes, said, unsaid",
    [
        ("yes", 0.93, "93% sure that it matches the prompt: yes, it does", "does not"),
        ("no", 0.0, "less than 1% sure that it matches the prompt: it does not", "it does."),
        ("neither", 0.4, "40% sure that it matches the prompt: neither", "it does."),
    ],
)
def test_of_the_only_path_left_is_said_what_the_judge_answered(answer, p_yes, said, unsaid):
    trace = changed(RUNS["2-one-left"], Winner, p_yes=p_yes)
    winner = trace.winner
    outcome = next(
        e for e in trace.events if isinstance(e, Judged) and (e.question, e.path) == ("outcome", winner.path)
    )
    events = [replace(e, answer=answer, p_yes=p_yes) if e is outcome else e for e in trace.events]
    text = {stop.title: stop.text for stop in stops_of(Trace.of(events))}["Best of what is left"]
    assert "is all that is left" in text and said in text and unsaid not in text


def test_the_tour_says_what_the_judge_said_even_where_it_gave_no_answer_or_was_not_heeded():
    potential = [e for e in RUNS["2-one-left"].events if isinstance(e, Judged) and e.question == "potential"][0]
    events = [replace(e, answer="neither") if e is potential else e for e in RUNS["2-one-left"].events]
    text = {stop.title: stop.text for stop in stops_of(Trace.of(events))}["Can it still come out right?"]
    assert "neither yes nor no" in text
    right = changed(RUNS["3-critique-helped"], Judged, answer="yes")
    assert "finds it wrong" not in {stop.title: stop.text for stop in stops_of(right)}["Reflection"]


@pytest.mark.parametrize("left, words", [(0, "It was its last."), (1, "The step that it had left was never painted")])
def test_the_steps_that_a_stopped_path_had_left_are_counted_in_words(left, words):
    trace = RUNS["1-some-stopped"]
    stopped = changed(trace, PathPruned, step=trace.started.settings.steps - 1 - left)
    assert words in {stop.title: stop.text for stop in stops_of(stopped)}["Hopeless attempts stop"]


def test_what_did_not_happen_is_no_stop():
    plain = Trace.of(search("baseline", Double(pace=0), PROMPT, seed=3))
    assert titles(plain) == ["An image is a grid of tokens", "Look for yourself", "The truth"]
    parm = Trace.of(search("parm", Double(pace=0), PROMPT, seed=3, paths=4))
    assert "Reflection" not in titles(parm)
    unchecked = Trace.of(search("parm", Double(pace=0), PROMPT, seed=3, paths=4, check=False))
    assert "The truth" not in titles(unchecked)
