"""Traces that somebody has altered: the reader refuses them, or reflection does, or what comes of it can be read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import Encoded, Studio, Verdict

from cotdemo.errors import UserError
from cotdemo.run import trace
from cotdemo.run.events import MAX_EVENTS, StepDecoded
from cotdemo.run.trace import Trace
from cotdemo.search import entry, reflect, search

PROMPT = "a photo of two red apples"
CREATED = "2026-01-02T03:04:05+00:00"
MOST = 2_000  # events of a trace


@pytest.fixture(scope="module", autouse=True)
def fewer_events():
    """Traces of as many events as there may be take less time to be written and read where these are a tenth."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (entry, trace):
            patch.setattr(module, "MAX_EVENTS", MOST)
        yield


class Open(Studio):
    """Recalls nothing of images that others have painted, and judges them all the same."""

    def encode(self, images):
        return Encoded(self, [self.seen.get(image.tobytes(), (0, 0, 0)) for image in images])


def say(question, number, path, step):
    if question == "outcome":
        return "yes" if number else "no"
    return "no" if (question, path) == ("potential", 1) else "yes"


def studio(**options) -> Studio:
    return Open(say=say, check=lambda prompt, image: Verdict(False, False, "three apples"), **options)


def content_of(method: str, rounds: int = 0) -> dict:
    backend = studio()
    events = list(search(method, backend, PROMPT, paths=3, steps=3, seed=1))
    for _ in range(rounds):
        backend.first_round = 0
        events += reflect(backend, events, anyway=True)
    return json.loads(Trace.of(events, CREATED).to_json())


RUNS = {(method, rounds): content_of(method, rounds) for method in ("baseline", "orm", "prm", "parm", "parm++")
        for rounds in (0, 1)}  # fmt: skip
FIELDS = ("round", "path", "step", "paths", "steps", "codebook", "generator_passes", "judge_passes", "seconds", "p_yes")
PLACES = st.integers(0, 80)


def alterations(most: int):
    """Of a trace that may have so many events."""
    return st.one_of(
        st.tuples(st.just("remove"), PLACES),
        st.tuples(st.just("repeat"), PLACES, st.sampled_from([1, 2, most - 100])),
        st.tuples(st.just("move"), PLACES, PLACES),
        st.tuples(st.just("cut"), PLACES),
        st.tuples(st.just("set"), PLACES, st.sampled_from(FIELDS), st.sampled_from([0, 1, 2, 3, 1e9, 10**9])),
        st.tuples(st.just("method"), st.sampled_from(["baseline", "orm", "prm", "parm", "parm++"])),
    )


ALTERATIONS = alterations(MAX_EVENTS)


def altered(content: dict, changes) -> dict:
    events = [dict(event) for event in content["events"]]
    for kind, *how in changes:
        place = how[0] % len(events) if kind != "method" else 0
        match kind:
            case "remove" if len(events) > 1:
                del events[place]
            case "repeat":
                events[place:place] = [dict(events[place]) for _ in range(how[1])]
            case "move":
                events.insert(how[1], events.pop(place))
            case "cut":
                events = events[: place + 1]
            case "set" if how[1] in events[place]:
                events[place][how[1]] = how[2]
            case "method":
                events[0]["method"] = how[0]
    return {**content, "events": events}


def again(given: Trace) -> Trace:
    """What comes of reflection on a trace, written and read. Raises UserError where it is refused before."""
    more = reflect(studio(first_round=given.state.rounds_begun), given.events, anyway=True)
    text = Trace.of([*given.events, *more]).to_json()
    try:
        return Trace.from_json(text)
    except UserError as error:
        raise AssertionError(f"written, and cannot be read: {error}") from error


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.sampled_from(sorted(RUNS)), st.lists(alterations(MOST), min_size=1, max_size=4))
def test_what_reflection_writes_can_be_read_whatever_it_was_given(which, changes):
    try:
        given = Trace.from_json(json.dumps(altered(RUNS[which], changes)))
        read = again(given)
    except UserError:
        return
    assert read.finished is not None and len(read.events) > len(given.events)


def of(content: dict, kind: str) -> list[dict]:
    return [event for event in content["events"] if event["type"] == kind]


def last_step_gone(content):
    winner = of(content, "Winner")[0]["path"]
    return [e for e in content["events"] if (e.get("step"), e.get("path")) != (2, winner)]


def end_gone(content):
    return content["events"][:-1]


def many_ends(content):
    return content["events"] + (MOST - 50) * [content["events"][-1]]


@pytest.mark.parametrize(
    "method, change, words",
    [
        ("baseline", last_step_gone, "last step"),
        ("orm", end_gone, "another judge"),
        ("orm", many_ends, "events already"),
    ],
)
def test_a_run_that_could_not_be_continued_is_refused_before_anything_is_computed(method, change, words):
    content = RUNS[method, 0]
    given = Trace.from_json(json.dumps({**content, "events": change(content)}))
    backend = studio()
    with pytest.raises(UserError, match=words):
        reflect(backend, given.events)
    assert backend.log == []


def test_costs_that_a_trace_claims_do_not_grow_out_of_bounds():
    content = altered(RUNS["orm", 0], [])
    for name in ("seconds", "generator_passes", "judge_passes", "pictures_decoded", "passes_saved"):
        content["events"][-1][name] = 10**9
    assert again(Trace.from_json(json.dumps(content))).finished.generator_passes == 10**9


def test_a_trace_that_would_be_too_large_to_be_read_is_written_without_the_images_of_steps(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    given = Trace.from_json(json.dumps(RUNS["parm", 0]))
    events = [replace(event, picture=noise) if isinstance(event, StepDecoded) else event for event in given.events]
    whole = Trace.of(events, CREATED).to_json()
    monkeypatch.setattr("cotdemo.run.trace.MAX_BYTES", len(whole) - 1)
    small = Trace.from_json(Trace.of(events, CREATED).to_json())
    steps = [event for event in small.events if isinstance(event, StepDecoded)]
    assert len(steps) > 3 and all(step.codes and step.picture is None for step in steps)
    assert small.winner.picture is not None
