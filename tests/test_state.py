"""The state of a run: what the fold makes of events, the same as the page's reducer does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from run_states import FILE, cases, events_of, shown
from scripted import Studio, Verdict

from cotdemo.run.events import Critiqued, Event, Judged, PathPruned, Progress, RoundStarted, StepDecoded, Winner
from cotdemo.run.state import RunState
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.settings import Settings
from cotdemo.ui.recording import RUNS

CASES = json.loads(FILE.read_text(encoding="utf-8"))
PROMPT = "a photo of two red apples"


def run(method="parm", say=lambda *_: "yes", **settings) -> tuple[Studio, list[Event]]:
    studio = Studio(say=say, check=lambda prompt, image: Verdict(True, False, "there is a bus too many"))
    settings = {"paths": 3, "steps": 4, "seed": 7} | settings
    return studio, list(search(method, studio, PROMPT, **settings))


def place_of(events, kind) -> int:
    return next(place for place, event in enumerate(events) if isinstance(event, kind))


# -- the page's twin


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_package_and_the_page_come_to_the_same_state(case):
    assert shown(RunState.of(events_of(case, CASES))) == case["state"]


def test_the_cases_are_those_that_the_searches_make():
    assert {case["run"] for case in CASES if "run" in case} == {file.name for file in RUNS.glob("*.json")}
    assert [case["name"] for case in CASES] == [case["name"] for case in cases()]


# -- what is asked of it


def test_before_anything_happens_there_is_nothing():
    state = RunState()
    assert (state.phase, state.rounds, state.answer, state.answer_path, state.finished) == (
        "empty",
        [],
        None,
        None,
        None,
    )
    state.apply(Progress("loading"))
    state.apply(StepDecoded(0, 0, 0, (1,), (), (1.0,)))  # of no run
    assert (state.phase, state.message, state.steps) == ("running", "loading", {})


def test_a_started_run_has_its_settings_and_a_place_for_every_path():
    _, events = run("orm", guidance=2.5)
    state = RunState.of(events[:1])
    assert state.settings == Settings.checked(PROMPT, "orm", paths=3, steps=4, seed=7, guidance=2.5)
    assert [path.asked for path in state.rounds[0].paths] == [4, 4, 4] and state.rounds_begun == 0
    assert [state.rounds[0].status(path) for path in range(3)] == ["waiting"] * 3


def test_a_path_goes_from_waiting_to_won():
    hopeless = {("potential", 1), ("outcome", 0)}
    _, events = run(say=lambda question, number, path, step: "no" if (question, path) in hopeless else "yes")
    state, seen = RunState(), [[] for _ in range(3)]
    for event in events:
        state.apply(event)
        for path in range(len(state.rounds and state.rounds[0].paths)):
            status = state.rounds[0].status(path)
            if status not in seen[path][-1:]:
                seen[path].append(status)
    assert seen == [
        ["waiting", "alive", "painted", "judged"],
        ["waiting", "alive", "pruned"],
        ["waiting", "alive", "painted", "judged", "won"],
    ]
    assert state.answer_path.checked.reason == "there is a bus too many"


def test_a_restored_path_is_pruned_until_it_wins_and_has_all_its_steps():
    _, events = run(say=lambda question, *_: "no" if question == "potential" else "yes")
    state = RunState.of(events[: place_of(events, Winner)])
    assert [state.rounds[0].status(path) for path in range(3)] == ["pruned"] * 3
    assert [list(path.steps) for path in state.rounds[0].paths] == [[0, 1, 2, 3], [0], [0]]
    assert list(state.steps)[-3:] == [(0, 0, step) for step in (1, 2, 3)]
    state.apply(events[place_of(events, Winner)])
    winner = state.rounds[0].winner
    assert state.rounds[0].status(0) == "won" and winner.fallback and winner.survivors == ()


def test_a_process_reward_model_ranks_by_the_mean_until_another_judge_has_its_say():
    def say(question, number, path, step):
        return ("yes", 0.5 + step / 10, 0.1)

    studio, events = run("prm", say=say)
    state = RunState.of(events)
    path = state.answer_path
    assert path.mean == pytest.approx(0.65) and path.outcome.p_yes == 0.8
    studio.say = lambda *_: ("no", 0.2, 0.7)
    for event in reflect(studio, events):
        state.apply(event)
    path = state.rounds[0].paths[path.path]
    assert (path.mean, path.outcome.p_yes, path.outcome_by) == (None, 0.2, "parm")
    assert path.steps[3].verdicts["outcome"].p_yes == 0.8


def test_the_answer_stays_while_a_reflection_is_under_way():
    studio, events = run("orm", say=lambda question, number, *_: ("yes", 0.9, 0.1) if number else ("no", 0.2, 0.7))
    more = list(reflect(studio, events))
    begun, won = place_of(more, RoundStarted), place_of(more, Winner)
    under_way = RunState.of([*events, *more[: won + 1]])
    assert (under_way.phase, under_way.answer.round, under_way.rounds[1].winner.round) == ("running", 0, 1)
    assert under_way.verifier == "parm" and RunState.of(events[:-1]).verifier == "orm"
    assert under_way.rounds[0].criticised == Critiqued(0, more[begun].critique)
    done = RunState.of([*events, *more])
    assert (done.phase, done.answer.round, done.finished) == ("finished", 1, more[-1])


def test_a_stopped_run_answers_with_its_latest_winner():
    _, events = run("parm++", say=lambda question, *_: "no" if question == "outcome" else "yes", rounds=2)
    winners = [place for place, event in enumerate(events) if isinstance(event, Winner)]
    for number, place in enumerate(winners):
        state = RunState.of(events[: place + 1])
        assert (state.answer.round, state.finished, state.rounds_begun) == (number, None, number + 1)


def test_an_event_of_a_path_that_there_is_not_is_a_fault():
    _, events = run()
    state = RunState.of(events)
    for event in (PathPruned(0, 3, 0, 0.5), Judged(0, 0, 4, "outcome", 0.5, 0.5, "yes")):
        with pytest.raises(LookupError):
            state.apply(event)


def test_a_trace_has_the_state_of_the_stream_it_was_made_of():
    _, events = run("parm++", say=lambda question, *_: "no" if question == "outcome" else "yes", rounds=1)
    assert Trace.of(events).state == RunState.of(events)
    assert replace(Trace.of(events), events=tuple(events[:1])).state.phase == "running"
