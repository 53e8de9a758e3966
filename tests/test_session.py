"""The page's machinery without a browser: loading, streaming, stopping, messages, handlers, endpoints."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from page_double import Double

from cotdemo.errors import UserError
from cotdemo.run.events import Progress, RoundStarted, RunStarted, StepDecoded
from cotdemo.run.png import read_png_settings
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.settings import Settings
from cotdemo.ui.components import joined
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.form import filled
from cotdemo.ui.handlers import OUT_OF_MEMORY, UNEXPECTED, Handlers
from cotdemo.ui.keep import NOT_YET
from cotdemo.ui.session import Loader, Run, Runs, batches

DATA = Path(__file__).parent / "data"
PROMPT = "a photo of a red car and a blue bus"
FORM = (PROMPT, {"method": "parm", "model": "base"}, 3, 5, 0.5, 1.0, 7, False)


@pytest.fixture
def handlers():
    return Handlers("mini", lambda: Double(pace=0))


def messages(updates):
    return [json.loads(update["viewer"]) for update in updates if "viewer" in update]


def run_id(updates):
    return next(update["run_id"] for update in updates if "run_id" in update)


def test_building_the_page_imports_no_torch_and_loads_nothing_and_leaves_no_import_to_the_first_call():
    code = (
        "import sys, threading; from cotdemo.ui.page import build_demo\n"
        "def load(): raise SystemExit('loaded')\n"
        "build_demo('mini', load); assert 'torch' not in sys.modules\n"
        "for one in threading.enumerate(): one.name == 'plots' and one.join(60)\n"
        "from gradio.utils import MatplotlibBackendMananger; before = set(sys.modules)\n"
        "with MatplotlibBackendMananger(): assert set(sys.modules) == before and 'matplotlib' in before"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, env=environment)


# -- loading


def test_a_backend_is_loaded_once_however_often_it_is_asked_for():
    calls = []
    loader = Loader(lambda: calls.append(1) or Double())
    for _ in range(3):
        loader.start()
        assert loader.wait(10)
    assert loader.result().name == "mini" and calls == [1]


def test_a_backend_is_loaded_once_though_many_ask_while_it_loads():
    calls, may_end = [], threading.Event()

    def load():
        calls.append(1)
        may_end.wait(60)
        return Double()

    loader = Loader(load)
    for _ in range(5):
        loader.start()
    may_end.set()
    assert loader.wait(10) and loader.result().name == "mini" and calls == [1]


def test_a_load_that_failed_is_tried_again_next_time():
    outcomes = [UserError("weights.safetensors is missing"), Double()]

    def load():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    loader = Loader(load)
    loader.start()
    loader.wait(10)
    with pytest.raises(UserError, match="missing"):
        loader.result()
    loader.start()
    loader.wait(10)
    assert loader.result().name == "mini"


def test_a_load_is_tried_again_though_the_thread_of_the_failed_one_is_still_alive(monkeypatch):
    outcomes = [UserError("weights.safetensors is missing"), Double()]
    ending = threading.Event()

    def load():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    work = Loader._work

    def lingering(self):
        work(self)
        ending.wait(60)

    monkeypatch.setattr(Loader, "_work", lingering)
    loader = Loader(load)
    for _ in range(2):
        loader.start()
        assert loader.wait(10)
    ending.set()
    assert loader.result().name == "mini"


# -- streaming


def test_batches_hold_every_event_in_its_order():
    events = [Progress(str(number)) for number in range(200)]

    def search():
        yield from events

    got = [event for batch in batches(search(), threading.Event()) for event in batch]
    assert got == events


def test_events_that_come_together_are_sent_together():
    def search():
        for number in range(300):
            yield Progress(str(number))
            time.sleep(0.001)

    sent = list(batches(search(), threading.Event()))
    assert 2 <= len(sent) < 60


def test_a_search_that_never_pauses_is_sent_as_it_goes_and_can_be_closed():
    def search():
        while True:
            yield Progress("step")

    stream = batches(search(), threading.Event())
    for _ in range(2):
        assert next(stream)
    stream.close()


def test_an_event_does_not_wait_for_the_next_step():
    step_done = threading.Event()

    def search():
        yield Progress("first")
        step_done.wait(60)
        yield Progress("second")

    stream = batches(search(), threading.Event())
    assert next(stream) == [Progress("first")]
    step_done.set()
    assert next(stream) == [Progress("second")]


def endless(closed: threading.Event):
    """A search without an end; ``closed`` is set once it is."""
    try:
        while True:
            time.sleep(0.01)
            yield Progress("step")
    finally:
        closed.set()


@pytest.mark.parametrize("how", ["close", "stop"])
def test_stopping_closes_the_search_before_it_returns(how):
    closed, stop = threading.Event(), threading.Event()
    stream = batches(endless(closed), stop)
    next(stream)
    if how == "close":
        stream.close()
    else:
        stop.set()
        list(stream)
    assert closed.is_set()


def test_a_stopped_search_is_closed_though_somebody_still_holds_it():
    closed = threading.Event()
    held, stop = endless(closed), threading.Event()
    stream = batches(held, stop)
    next(stream)
    stop.set()
    list(stream)
    assert closed.is_set() and list(held) == []


def test_an_error_of_the_search_is_raised_after_what_came_before_it():
    def search():
        yield Progress("before")
        raise RuntimeError("broken")

    stream = batches(search(), threading.Event())
    assert next(stream) == [Progress("before")]
    with pytest.raises(RuntimeError, match="broken"):
        next(stream)


def test_messages_are_numbered_and_can_be_had_again():
    run = Run()
    sent = [run.message([Progress(str(number))]) for number in range(4)]
    assert [json.loads(message)["seq"] for message in sent] == [0, 1, 2, 3]
    assert run.resend([2, 0, 99]) == [sent[2], sent[0]]


def test_a_snapshot_that_is_given_again_is_what_it_was():
    """Though the run has gone on since: a page that has missed one reads them in their order."""
    events = list(search("orm", Double(pace=0), PROMPT, paths=2, steps=3, seed=1))
    run = Run()
    run.message(events[:5])
    snapshot = run.snapshot()
    run.message(events[5:])
    assert run.resend([1]) == [snapshot] and len(json.loads(snapshot)["events"]) < len(run.events)


def test_a_run_that_was_stopped_can_go_on():
    run, events = Run(), list(search("orm", Double(pace=0), PROMPT, paths=2, steps=3, seed=1))
    run.stop.set()
    told = [json.loads(message) for message in run.stream(event for event in events)]
    assert sum(len(message["events"]) for message in told) == len(events)


def test_the_oldest_runs_are_dropped_when_they_take_too_much():
    runs = Runs(most_bytes=100)
    kept = [Run() for _ in range(3)]
    for run in kept:
        run.held = 60
        runs.add(run)
    assert [runs.get(run.id) is run for run in kept] == [False, False, True]


def test_the_run_that_was_looked_at_last_is_dropped_last():
    runs = Runs(most=3)
    first, second, third, fourth = kept = [Run() for _ in range(4)]
    for run in (first, second, third):
        runs.add(run)
    assert runs.get(first.id)
    runs.add(second)  # it has gone on
    runs.add(fourth)
    assert [runs.get(run.id) is run for run in kept] == [True, True, False, True]


def test_messages_are_given_again_once_each_and_no_more_bytes_than_sensible(monkeypatch):
    run = Run()
    sent = [run.message([Progress("x" * 900)]) for _ in range(30)]
    assert run.resend([3] * 500 + [4, 3, 29]) == [sent[3], sent[4], sent[29]]
    monkeypatch.setattr("cotdemo.ui.session.RESEND_BYTES", 5 * len(sent[0]))
    assert run.resend(range(30)) == sent[:5]
    monkeypatch.setattr("cotdemo.ui.session.RESEND_BYTES", 1)
    assert run.resend([7, 8]) == [sent[7]]  # asked again, a page gets one by one


def test_repeated_numbers_cannot_make_a_small_request_a_large_answer(handlers):
    run = run_id(list(handlers.paint(*FORM)))
    whole = sum(map(len, handlers.resend({"run": run, "missing": list(range(200))})))
    assert sum(map(len, handlers.resend({"run": run, "missing": [0, 1, 2] * 600}))) <= whole


def large_trace(tokens: int = 64, paths: int = 4, steps: int = 18) -> Trace:
    """Without images, on a grid far above the embedded one: what its records take is all in tuples."""
    settings = Settings.checked(PROMPT, "orm", paths=paths, steps=steps, seed=1)
    rng = np.random.default_rng(0)
    events: list = [RunStarted(settings, (tokens, tokens), 60_000, (64, 64)), RoundStarted(0, "base")]
    for step in range(steps):
        for path in range(paths):
            codes = tuple(rng.integers(300, 60_000, tokens**2).tolist())
            shares = tuple((rng.integers(0, 256, tokens**2) / 255).tolist())
            events.append(StepDecoded(0, path, step, codes, tuple(range(0, tokens**2, 2)), shares))
    return Trace.of(events)


def test_an_opened_trace_is_held_in_little_more_than_its_file_and_counted_in_full(handlers, tmp_path):
    large_trace().save(tmp_path / "large.json")
    size = (tmp_path / "large.json").stat().st_size
    opened = []
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(3):
        opened.append(handlers.keep.open_file(str(tmp_path / "large.json"), None)["run_id"])
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted = sum(handlers.runs.get(id).held for id in opened)
    assert size < counted / 3 < 1.1 * size
    assert taken < 1.2 * counted


def test_what_a_finished_run_holds_is_what_is_counted(handlers):
    list(handlers.paint(*FORM))  # what is loaded once, and what the double remembers
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ids = [run_id(list(handlers.paint(*FORM))) for _ in range(3)]
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 1.5 * sum(handlers.runs.get(id).held for id in ids)


def test_a_run_at_rest_holds_none_of_its_records_whoever_has_looked_at_it(handlers):
    def records() -> int:
        gc.collect()
        return sum(type(one) is StepDecoded for one in gc.get_objects())

    endpoints, before = Endpoints(handlers), records()
    made = json.loads(endpoints.generate(PROMPT, paths=3, steps=5, seed=3)[1])
    again = json.loads(endpoints.reflect(made["run"], anyway=True)[1])
    painted = run_id(list(handlers.paint(*FORM)))
    handlers.stop(painted)
    for id in (made["run"], again["run"], painted):
        assert handlers.runs.get(id).state.answer
    assert records() == before


def test_a_kept_run_gives_the_trace_that_its_events_give(handlers):
    updates = list(handlers.paint(*FORM))
    content = json.loads(handlers.keep.trace(run_id(updates)))
    alone = Trace.of(search("parm", Double(pace=0), PROMPT, paths=3, steps=5, guidance=0.5, temperature=1.0, seed=7))
    theirs = json.loads(alone.to_json())
    for events in (content["events"], theirs["events"]):
        events[-1].pop("seconds")
    assert content["events"] == theirs["events"] and content.keys() == theirs.keys()


# -- handlers


def test_a_run_streams_deltas_and_ends_with_a_snapshot_without_thumbnails(handlers):
    updates = list(handlers.paint(*FORM))
    *deltas, last = messages(updates)
    steps = [event for message in deltas for event in message["events"] if event["type"] == "StepDecoded"]
    assert len({(step["path"], step["step"]) for step in steps}) == len(steps) >= 5
    assert all("picture" in step for step in steps)
    assert last["snapshot"] and [m["seq"] for m in (*deltas, last)] == list(range(len(deltas) + 1))
    again = [event for event in last["events"] if event["type"] == "StepDecoded"]
    assert len(again) == len(steps) and not any("picture" in step for step in again)


def test_a_run_of_8_paths_and_18_steps_sends_less_than_1_5_mb(handlers):
    updates = list(handlers.paint(PROMPT, {"method": "orm", "model": "base"}, 8, 18, 0.5, 1.0, 7, False))
    assert sum(len(update.get("viewer", "")) for update in updates) + len(updates[-1]["viewer"]) < 1_500_000


def test_the_winner_comes_as_an_image_with_its_settings_inside(handlers, tmp_path):
    image = list(handlers.paint(*FORM))[-1]["picture"]
    image.save(tmp_path / "winner.png", pnginfo=None)
    assert image.info["cotdemo"] and json.loads(image.info["cotdemo"])["seed"] == 7


def test_a_new_seed_is_drawn_and_shown_where_one_is_asked_for(handlers):
    seeds = {next(u["seed"] for u in handlers.paint(*FORM[:-1], True) if "seed" in u) for _ in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(
    "change, words",
    [
        ({0: ""}, "empty"),
        ({0: "a photo of a unicorn"}, "unicorn"),
        ({0: "x" * 301}, "300"),
        ({0: 5}, "text"),
        ({1: None}, "method"),
        ({1: {"method": "parm", "model": "../../etc/passwd"}}, "model"),
        ({2: 99}, "paths"),
        ({3: float("nan")}, "steps"),
        ({4: "much"}, "guidance"),
        ({6: -1}, "seed"),
    ],
)
def test_bad_input_is_told_in_words_and_starts_nothing(handlers, change, words):
    form = [change.get(place, value) for place, value in enumerate(FORM)]
    updates = list(handlers.paint(*form))
    (message,) = messages(updates)
    assert message["notice"]["type"] == "Failed" and words in message["notice"]["message"]
    assert not any("run_id" in update for update in updates)
    assert updates[-1]["run"]["interactive"] is True


@pytest.mark.parametrize(
    "prompt, words",
    [(PROMPT, ""), ("", ""), ("a photo of a unicorn", "unicorn"), ("x" * 3_000_000, "300"), ("a\0b", "line")],
)
def test_what_is_typed_is_told_of_once_the_model_is_there_and_is_bounded_before_it_reads_it(handlers, prompt, words):
    told = lambda: handlers.heard(prompt)["estimate"]["refused"]  # noqa: E731
    assert told() == {"prompt": prompt, "words": ""} and not handlers.loader.ready  # nothing is loaded for it
    handlers.loader.start()
    handlers.loader.wait(10)
    backend, read = handlers.loader.result(), []
    canonical, backend.canonical = backend.canonical, lambda text: read.append(len(text)) or canonical(text)
    assert words in told()["words"] and bool(told()["words"]) == bool(words)
    assert max(read, default=0) <= 300


def test_what_was_not_foreseen_is_a_short_message_and_the_next_run_works(handlers, caplog):
    handlers.loader.start()
    handlers.loader.wait(10)
    backend = handlers.loader.result()
    decode, backend.decode = backend.decode, lambda codes: 1 / 0
    *_, failed = messages(handlers.paint(*FORM))
    assert failed["events"][-1] == {"type": "Failed", "message": UNEXPECTED}
    assert "ZeroDivisionError" in caplog.text
    backend.decode = decode
    *_, last = messages(handlers.paint(*FORM))
    assert last["events"][-1]["type"] == "RunFinished"


def test_out_of_memory_says_what_to_do(handlers):
    class OutOfMemoryError(RuntimeError):
        pass

    def decode(codes):
        raise OutOfMemoryError("CUDA out of memory")

    handlers.loader.start()
    handlers.loader.wait(10)
    handlers.loader.result().decode = decode
    *_, failed = messages(handlers.paint(*FORM))
    assert failed["events"][-1]["message"] == OUT_OF_MEMORY


def test_a_backend_that_cannot_be_loaded_is_told_in_words():
    def load():
        raise UserError("assets/mini/generator is damaged: remake it with `python -m cotdemo train generator`.")

    *_, message = messages(Handlers("mini", load).paint(*FORM))
    assert "remake it" in message["notice"]["message"]


def test_stop_ends_the_run_within_a_step_and_keeps_what_was_painted(handlers):
    handlers.loader.start()
    handlers.loader.wait(10)
    handlers.loader.result().pace = 0.1
    updates = handlers.paint(*FORM)
    seen = []
    while not any("viewer" in update for update in seen):
        seen.append(next(updates))
    consumer = threading.Thread(target=lambda: seen.extend(updates))
    consumer.start()
    started = time.perf_counter()
    update = handlers.stop(run_id(seen))
    stopped = json.loads(update["viewer"])
    consumer.join()
    assert time.perf_counter() - started < 5
    assert update["reflect"]["interactive"] is False  # nothing was chosen
    assert stopped["snapshot"] and stopped["events"][-1]["type"] == "Stopped"
    assert not any(event["type"] == "RunFinished" for event in stopped["events"])


def test_stop_before_a_run_has_begun_says_no_more_than_that(handlers):
    for run in (None, "nobody's"):
        update = handlers.stop(run)
        assert json.loads(update["viewer"])["notice"] == {"type": "Stopped", "message": ""}
        assert update["run"]["interactive"] is True


# -- reflection


def painted(handlers, right: bool):
    """A finished run whose winner the judge calls right or wrong."""
    for seed in range(40):
        updates = list(handlers.paint(*FORM[:6], seed, False))
        outcome = handlers.runs.get(run_id(updates))
        if (Trace.of(outcome.events).winner.p_yes > 0.5) is right:
            return run_id(updates)
    raise AssertionError("no such run")


def test_reflect_before_a_run_says_what_to_do(handlers):
    (message,) = messages(handlers.reflect(None))
    assert message["notice"]["message"] == NOT_YET


def test_reflect_on_first_paint_is_on_the_recorded_run_that_is_shown_and_leaves_it_to_others():
    recorded = Trace.of(search("parm", Double(pace=0), PROMPT, paths=3, steps=5, seed=7))
    handlers = Handlers("mini", lambda: Double(pace=0), {"one": recorded})
    visits = [list(handlers.reflect_anyway(None)) for _ in range(2)]
    runs = [run_id(updates) for updates in visits]
    assert len({*runs, handlers.keep.first.id}) == 3
    for updates in visits:
        first, *_, last = messages(updates)
        assert first["recorded"]["title"] == "A recorded run" and first["events"][0]["seed"] == 7
        kinds = [event["type"] for event in last["events"]]
        assert kinds.count("RunStarted") == 1 and kinds.count("RoundStarted") == 2 and kinds[-1] == "RunFinished"
        assert {message["run"] for message in messages(updates)} == {run_id(updates)}
    assert handlers.keep.trace(handlers.keep.first.id) == handlers.keep.trace("recorded")
    assert len(handlers.keep.first.events) == len(recorded.events)
    again = list(handlers.reflect_anyway(runs[0]))  # and so on from there
    assert [event["type"] for event in messages(again)[-1]["events"]].count("RoundStarted") == 3


def test_a_wrong_image_is_criticised_and_repainted(handlers):
    *_, last = messages(handlers.reflect(painted(handlers, right=False)))
    kinds = [event["type"] for event in last["events"]]
    assert kinds.count("RunStarted") == 1 and kinds.count("RoundStarted") == 2 and kinds.count("Winner") == 2
    assert kinds.count("Critiqued") == 1 and kinds[-1] == "RunFinished"


def test_an_image_the_judge_calls_right_is_left_alone_unless_asked(handlers):
    run = painted(handlers, right=True)
    updates = list(handlers.reflect(run))
    last = messages(updates)[-1]
    assert last["events"][-1]["type"] == "Approved" and last["events"][-1]["p_yes"] > 0.5
    assert updates[-1]["anyway"]["visible"] is True
    updates = list(handlers.reflect_anyway(run))
    assert any(event["type"] == "Critiqued" for event in messages(updates)[-1]["events"])
    assert updates[-1]["anyway"]["visible"] is False


# -- traces and links


def test_a_saved_trace_opens_again_and_can_be_reflected_on(handlers, tmp_path):
    text = handlers.keep.trace(painted(handlers, right=False))
    (tmp_path / "trace.json").write_text(text)
    opened = handlers.keep.open_file(str(tmp_path / "trace.json"), None)
    message = json.loads(opened["viewer"])
    assert message["recorded"]["title"] == "An opened trace" and message["seq"] == 0
    assert any(event["type"] == "StepDecoded" and event["picture"] for event in message["events"])
    *_, last = messages(handlers.reflect(opened["run_id"]))
    assert last["events"][-1]["type"] in ("RunFinished", "Approved")


def test_a_trace_that_is_none_is_refused_in_words(handlers, tmp_path):
    (tmp_path / "bad.json").write_text('{"format": "<script>alert(1)</script>"}')
    update = handlers.keep.open_file(str(tmp_path / "bad.json"), None)
    assert json.loads(update["viewer"])["notice"]["type"] == "Failed" and "run_id" not in update


def test_a_stopped_run_can_be_saved_and_is_shown_as_stopped(handlers, tmp_path):
    events = list(search("parm", Double(pace=0), PROMPT, paths=2, steps=4, seed=1))
    cut = next(place for place, event in enumerate(events) if isinstance(event, StepDecoded)) + 1
    Trace.of(events[:cut]).save(tmp_path / "cut.json")
    message = json.loads(handlers.keep.open_file(str(tmp_path / "cut.json"), None)["viewer"])
    assert message["events"][-1]["type"] == "Stopped"


@pytest.mark.parametrize("request_", [None, {}, {"run": 5, "missing": [0]}, {"run": "x", "missing": "all"}, [1], "x"])
def test_a_forged_request_for_messages_gets_nothing(handlers, request_):
    assert handlers.resend(request_) == []


@pytest.mark.parametrize("run", [None, 5, {"a": 1}, "nobody's", "recorded"])
def test_a_forged_request_for_a_trace_gets_nothing(handlers, run):
    assert handlers.keep.trace(run) == ""


class Address:
    def __init__(self, **query: str):
        self.query_params = query


def test_settings_in_the_address_fill_the_form(handlers):
    update = handlers.prefill(Address(prompt="a photo of a dog", method="orm", paths="4", guidance="2.5", seed="11"))
    assert update == {
        "prompt": "a photo of a dog", "paths": 4, "guidance": 2.5, "seed": 11, "fresh": False,
        "choice": {"method": "orm", "model": "base"}, "viewer": update["viewer"],
    }  # fmt: skip
    told = json.loads(update["viewer"])["notice"]
    assert told["type"] == "Offered" and told["message"].startswith("This link asks for “a photo of a dog”")


def test_a_run_in_the_address_is_shown_as_long_as_it_is_kept(handlers):
    updates = list(handlers.paint(*FORM))
    (run_id,) = {update["run_id"] for update in updates if "run_id" in update}
    update = handlers.prefill(Address(run=run_id, prompt=PROMPT))
    message = json.loads(update["viewer"])
    assert message["recorded"]["title"] == "A run" and message["events"][-1]["type"] == "RunFinished"
    assert update["run_id"] not in (None, run_id) and update["prompt"] == PROMPT
    for unknown in ("nonsense", "", "../..", "recorded"):
        told = json.loads(handlers.prefill(Address(run=unknown, prompt=PROMPT, seed="3"))["viewer"])["notice"]
        assert told["type"] == "Offered" and "no longer kept" in told["message"] and "same image" in told["message"]
        assert json.loads(handlers.prefill(Address(run=unknown))["viewer"])["notice"]["type"] == "Failed"


def test_a_run_under_way_is_not_shown_to_whoever_has_its_address(handlers, monkeypatch):
    monkeypatch.setattr("cotdemo.ui.keep.PATIENCE", 0.05)
    handlers.loader.start()
    assert handlers.loader.wait(60)
    handlers.loader.backend.pace = 0.3
    updates = handlers.paint(*FORM)
    run_id = next(update["run_id"] for update in updates if "run_id" in update)
    next(updates)
    told = json.loads(handlers.prefill(Address(run=run_id, prompt=PROMPT))["viewer"])["notice"]
    assert told["type"] == "Offered"
    updates.close()
    assert json.loads(handlers.prefill(Address(run=run_id))["viewer"])["events"][-1]["type"] == "Stopped"


def test_a_run_that_was_stopped_is_not_said_to_have_been_left(handlers):
    handlers.loader.start()
    assert handlers.loader.wait(60)
    with handlers.loader.backend.held(after=2):
        updates = handlers.paint(*FORM)
        run_id = next(update["run_id"] for update in updates if "run_id" in update)
        next(updates)
        stopping = threading.Thread(target=handlers.stop, args=[run_id])
        stopping.start()
        while not handlers.runs.get(run_id).stopped:
            pass
    list(updates)
    stopping.join()
    last = json.loads(handlers.prefill(Address(run=run_id))["viewer"])["events"][-1]
    assert (last["type"], last["message"]) == ("Stopped", "")


def test_what_does_not_concern_the_method_of_a_run_stays_in_the_form_when_it_is_opened():
    opened = filled(Settings.checked(PROMPT, "parm", judge_from=3))
    assert opened["judge_from"] == 3 and "enough" not in opened and "repaint" not in opened
    opened = filled(Settings.checked(PROMPT, "think", enough=0.7))
    assert opened["enough"] == 0.7 and not opened.keys() & {"judge_from", "stopping"}


def test_rules_of_stopping_come_with_an_address_and_go_into_the_run(handlers):
    update = handlers.prefill(Address(judge_from="3", stopping="lenient"))
    assert update == {"judge_from": 3, "stopping": "lenient"}
    updates = list(handlers.paint(*FORM, 3, "lenient"))
    started = messages(updates)[-1]["events"][0]
    assert (started["judge_from"], started["stopping"]) == (3, "lenient")


@pytest.mark.parametrize(
    "query", [{"paths": "many"}, {"paths": "1e999"}, {"model": "http://x"}, {"seed": "nan"}, {"prompt": "\0"}]
)
def test_settings_in_the_address_that_cannot_be_used_are_refused_in_words(handlers, query):
    update = handlers.prefill(Address(**query))
    assert list(update) == ["viewer"] and "cannot be used" in update["viewer"]


def test_an_address_without_settings_changes_nothing(handlers):
    assert handlers.prefill(Address(__theme="dark", utm_source="x")) == {}


# -- endpoints


def test_the_endpoints_give_image_verdict_and_trace(handlers, tmp_path):
    endpoints = Endpoints(handlers)
    image, said = endpoints.generate(PROMPT, paths=3, steps=5, seed=3)
    made = json.loads(said)
    assert made["settings"]["seed"] == 3 and made["verdict"]["path"] in range(3) and "trace" not in made
    assert read_png_settings(image["path"]).seed == 3
    again = json.loads(endpoints.reflect(made["run"], anyway=True, with_trace=True)[1])
    assert again["critique"] and again["before"] == made["verdict"]
    first = handlers.runs.get(made["run"]).trace()
    assert len(again["trace"]["events"]) > len(first.events)
    by_trace = json.loads(endpoints.reflect(trace=json.loads(first.to_json()), anyway=True)[1])
    assert by_trace["verdict"] == again["verdict"]


def test_an_answer_without_its_trace_is_small_however_large_the_run(handlers):
    _, said = Endpoints(handlers).generate(PROMPT, paths=16, steps=40, seed=3)
    assert len(said) < 2_000


def test_an_endpoint_refuses_bad_input_in_words(handlers):
    with pytest.raises(gr.Error, match="paths must be"):
        Endpoints(handlers).generate(PROMPT, paths=1000)
    with pytest.raises(gr.Error, match="not a trace"):
        Endpoints(handlers).reflect(trace={"format": "other"})
    for unknown in ("", "nonsense"):
        with pytest.raises(gr.Error, match="no such run"):
            Endpoints(handlers).reflect(unknown)


def test_an_endpoint_refuses_a_trace_with_codes_that_the_backend_has_not(handlers):
    trace = json.loads((DATA / "reflect_codebook.json").read_text())  # says of itself that it has 65536 codes
    with pytest.raises(gr.Error, match="65536 codes"):
        Endpoints(handlers).reflect(trace=trace)


# -- JavaScript


def test_modules_are_joined_after_what_they_import_without_import_and_export():
    text = joined("viewer.js", "mount();")
    assert "\nimport " not in text and "\nexport " not in text
    assert text.index("function reduce(") < text.index("class Matrix") < text.index("class Viewer")
    assert text.endswith("mount();\n")


def test_no_module_writes_markup():
    from cotdemo.ui.components import WEB

    markup = re.compile(r"(inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|setHTML|\beval\(")
    for file in WEB.glob("*.js"):
        assert not markup.search(file.read_text()), file
