"""Opening, saving, waiting: recorded runs, traces and images; the line of those who wait; how long it will take."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
from page_double import Double

from cotdemo.errors import UserError
from cotdemo.run.events import RunFinished
from cotdemo.run.png import write_png
from cotdemo.run.story import ALL_STOPPED, MENDED, NOT_MENDED, ONE_LEFT, is_right, story_of
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.settings import Settings
from cotdemo.ui.components import Gallery
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.eta import Pace
from cotdemo.ui.form import FIELDS
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.keep import recorded_runs
from cotdemo.ui.page import ASSETS, build_demo
from cotdemo.ui.queue import Line
from cotdemo.ui.recording import RECORDINGS
from cotdemo.world.prompts import parse

PROMPT = "a photo of a red car and a blue bus"
RUNS = ASSETS / "runs"
FORM = (PROMPT, {"method": "orm", "model": "base"}, 2, 4, 0.5, 1.0, 7, False)
SETTINGS = Settings.checked(
    "ein Hase für Zoë 🍎", "parm++", paths=3, steps=7, guidance=1.33, temperature=0.7, seed=5, judge_from=2,
    stopping="lenient", repaint="region",
)  # fmt: skip
HOSTILE = "${7*7} {{value}} <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def recorded():
    """The recorded runs, which are read in a second."""
    return recorded_runs("mini", RUNS)


@pytest.fixture
def handlers(recorded):
    return Handlers("mini", lambda: Double(pace=0), dict(recorded))


@pytest.fixture
def keep(handlers):
    return handlers.keep


def image_of(settings: Settings, folder) -> str:
    write_png(folder / "picture.png", np.zeros((8, 8, 3), np.uint8), settings)
    return str(folder / "picture.png")


def notice_of(update) -> dict[str, str]:
    return json.loads(update["viewer"])["notice"]


def form_in(update) -> dict[str, object]:
    return {name: update[name] for name in FIELDS if name in update}


def messages(updates) -> list[dict]:
    return [json.loads(update["viewer"]) for update in updates if "viewer" in update]


# -- images


def test_an_image_fills_the_form_and_runs_nothing(handlers, tmp_path):
    update = handlers.keep.open_file(image_of(SETTINGS, tmp_path), None)
    assert form_in(update) == {
        "prompt": SETTINGS.prompt, "choice": {"method": "parm++", "model": "base"}, "paths": 3, "steps": 7,
        "guidance": 1.33, "temperature": 0.7, "seed": 5, "judge_from": 2, "stopping": "lenient",
        "repaint": "region", "checklist": True, "fresh": False,
    }  # fmt: skip
    assert notice_of(update)["type"] == "Waiting" and "Press Run" in notice_of(update)["message"]
    assert "run_id" not in update and "picture" not in update and not handlers.loader.settled


def test_an_image_says_what_the_form_has_no_place_for(keep, tmp_path):
    settings = replace(SETTINGS, method="parm", rounds=0, verdicts="sampled")
    message = notice_of(keep.open_file(image_of(settings, tmp_path), None))["message"]
    assert "verdicts sampled" in message and "judge_from" not in message and "prompt" not in message


def test_an_image_of_another_backend_is_refused_in_words(keep, tmp_path):
    settings = replace(SETTINGS, method="parm", rounds=0, backend="show-o")
    update = keep.open_file(image_of(settings, tmp_path), None)
    assert list(update) == ["viewer"] and "--backend show-o" in notice_of(update)["message"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda data: data[:40], "truncated"),
        (lambda data: data.replace(b"paths", b"pathz"), "checksum"),
        (lambda data: data[:8] + b"\x7f\xff\xff\xff" + data[12:], "truncated"),
        (lambda data: b"\x89PNG\r\n\x1a\n", "truncated"),
        (lambda data: b"\x89PNG", "not valid JSON"),
        (lambda data: b"", "not valid JSON"),
        (lambda data: b"{}", "not a trace"),
    ],
)
def test_a_hostile_image_is_refused_in_words_and_what_is_on_show_stays(keep, tmp_path, change, words):
    data = open(image_of(SETTINGS, tmp_path), "rb").read()
    (tmp_path / "hostile.png").write_bytes(change(data))
    update = keep.open_file(str(tmp_path / "hostile.png"), None)
    assert list(update) == ["viewer"]
    assert notice_of(update)["type"] == "Failed" and words in notice_of(update)["message"]


def test_settings_out_of_range_in_an_image_are_refused_in_words(keep, tmp_path):
    update = keep.open_file(image_of(replace(SETTINGS, paths=3000), tmp_path), None)
    assert "paths must be a whole number from 1 to 32" in notice_of(update)["message"]
    update = keep.open_file(image_of(replace(SETTINGS, paths=32, steps=50), tmp_path), None)
    assert "at most 800" in notice_of(update)["message"]


def test_a_file_that_is_gone_is_told_in_words(keep, tmp_path):
    assert "cannot be read" in notice_of(keep.open_file(str(tmp_path / "gone.json"), None))["message"]


# -- traces


def test_a_trace_brings_its_settings_into_the_form(keep, tmp_path):
    trace = Trace.of(search("orm", Double(pace=0), PROMPT, paths=2, steps=4, seed=9))
    started = replace(trace.started, settings=replace(trace.started.settings, prompt=HOSTILE))
    trace = Trace.of([started, *trace.events[1:]])
    trace.save(tmp_path / "trace.png")  # its content says what it is, not its name
    update = keep.open_file(str(tmp_path / "trace.png"), None)
    assert (update["prompt"], update["seed"], update["fresh"]) == (HOSTILE, 9, False)
    assert json.loads(update["viewer"])["recorded"]["title"] == "An opened trace" and update["gallery"] == ""


def test_an_opened_trace_is_shown_and_saved_as_it_stands_in_the_file(keep, tmp_path, monkeypatch):
    """Its images are compressed once: thousands of small ones took seconds to compress again."""
    trace = Trace.of(search("orm", Double(pace=0), PROMPT, paths=2, steps=4, seed=9))
    trace.save(tmp_path / "trace.json")
    monkeypatch.setattr("cotdemo.fields.encode_image", lambda *image, **how: 1 / 0)
    update = keep.open_file(str(tmp_path / "trace.json"), None)
    events = json.loads((tmp_path / "trace.json").read_text())["events"]
    assert json.loads(update["viewer"])["events"] == events
    assert json.loads(keep.trace(update["run_id"]))["events"] == events
    assert Trace.load(tmp_path / "trace.json").to_json() == (tmp_path / "trace.json").read_text()


def test_a_trace_that_this_page_could_not_have_run_is_shown_all_the_same(keep, tmp_path):
    trace = Trace.of(search("orm", Double(pace=0), PROMPT, paths=2, steps=4, seed=9))
    started = replace(trace.started, settings=replace(trace.started.settings, backend="show-o-512"))
    Trace.of([started, *trace.events[1:]]).save(tmp_path / "trace.json")
    update = keep.open_file(str(tmp_path / "trace.json"), None)
    assert update["run_id"] and "prompt" not in update


def test_nothing_is_opened_over_a_run_that_is_under_way(handlers, tmp_path):
    updates = handlers.paint(*FORM)
    run = next(update["run_id"] for update in updates if "run_id" in update)
    next(update for update in updates if "viewer" in update)
    with pytest.warns(UserWarning, match="under way"):
        assert handlers.keep.open_file(image_of(SETTINGS, tmp_path), run) == {}
    with pytest.warns(UserWarning, match="under way"):
        assert handlers.keep.open_recorded("9-plain", run) == {"gallery": ""}
    list(updates)
    assert handlers.keep.open_recorded("9-plain", run)["run_id"]


def test_a_run_is_saved_as_a_table(handlers):
    run = next(update["run_id"] for update in list(handlers.paint(*FORM)) if "run_id" in update)
    rows = list(csv.DictReader(io.StringIO(handlers.keep.table(run), newline="")))
    assert len(rows) == 2 * 4 and {row["seed"] for row in rows} == {"7"}
    assert handlers.keep.table("recorded").count("\r\n") > 50


@pytest.mark.parametrize("run", [None, 5, {"a": 1}, "nobody's"])
def test_a_forged_request_for_a_table_gets_nothing(keep, run):
    assert keep.table(run) == ""


# -- recorded runs


def test_recorded_runs_are_opened_without_a_model(handlers):
    for card in handlers.keep.cards():
        update = handlers.keep.open_recorded(card["name"], None)
        message = json.loads(update["viewer"])
        assert message["events"][0]["prompt"] == card["prompt"] == update["prompt"]
        assert message["recorded"]["created"].startswith(card["date"]) and message["events"][0]["weights"]
        assert update["picture"].size == (128, 128)
    assert not handlers.loader.settled


@pytest.mark.parametrize("name", [None, 5, ["1"], {}, "", "../../etc/passwd", "1-some-stopped.json", "__class__"])
def test_a_recorded_run_that_there_is_not_opens_nothing(keep, name):
    assert keep.open_recorded(name, None) == {"gallery": ""}


def test_the_settings_of_the_run_on_show_go_into_the_form_but_for_its_prompt(keep):
    first = keep.take_settings(None)
    assert first["choice"]["method"] == "parm++" and first["paths"] == 4 and first["fresh"] is False
    assert "prompt" not in first and "viewer" not in first
    other = keep.take_settings(keep.open_recorded("9-plain", None)["run_id"])
    assert (other["choice"]["method"], other["paths"]) == ("baseline", 1)
    assert "no longer kept" in keep.take_settings("unknown")["viewer"]


def test_settings_of_another_backend_are_not_taken(keep):
    traces = {"first": next(iter(keep.recorded.values()))}
    elsewhere = Handlers("show-o", lambda: Double(pace=0), traces).keep
    update = elsewhere.take_settings(None)
    assert update.keys() == {"viewer"} and "runs show-o" in update["viewer"]


def test_there_is_a_recorded_run_of_every_kind_and_each_tells_its_story():
    shown = recorded_runs("mini", RUNS)
    opening, *others = shown
    assert story_of(shown[opening]) == MENDED  # of all stories it shows the most
    assert others == [recording.name for recording in RECORDINGS if recording.name != opening]
    runs = {recording.name: shown[recording.name] for recording in RECORDINGS}
    for recording, trace in zip(RECORDINGS, runs.values()):
        assert (story_of(trace), is_right(trace)) == (recording.story, recording.right), recording.name
    kinds = {parse(trace.started.settings.prompt)["tag"] for trace in runs.values()}
    assert kinds == {"single_object", "two_object", "counting", "colors", "position", "color_attr"}
    assert {ONE_LEFT, ALL_STOPPED, MENDED, NOT_MENDED} <= {recording.story for recording in RECORDINGS}
    cards = Handlers("mini", Double, runs).keep.cards()
    assert all(card["picture"].startswith("data:image/webp") and len(card["picture"]) < 6_000 for card in cards)


def test_another_backend_has_none_of_them():
    assert recorded_runs("show-o", RUNS) == {}
    assert Handlers("show-o", Double, {}).keep.first_message == ""


def without(event: str, name: str = "") -> Callable[[dict], None]:
    """A change of a trace: all events of a type lack a field, or are not there."""

    def change(content: dict) -> None:
        for one in [one for one in content["events"] if one["type"] == event]:
            one.pop(name) if name else content["events"].remove(one)

    return change


def unwon(content: dict) -> None:
    """A run that was stopped before it came to an image."""
    events = content["events"]
    content["events"] = events[: next(place for place, one in enumerate(events) if one["type"] == "Winner")]


@pytest.mark.parametrize("change", [unwon, without("Winner", "picture"), without("RunStarted"), None])
def test_a_bad_file_among_the_recorded_runs_is_left_out_and_named(change, tmp_path, caplog):
    runs = shutil.copytree(RUNS, tmp_path / "runs")
    place = runs / "3-critique-helped.json"
    content = json.loads(place.read_text())
    if change:
        change(content)
    text = json.dumps(content)
    place.write_text(text if change else text[: len(text) // 2])  # a write that was cut short
    (runs / "notes.json").write_text('{"a stray": "file"}')
    demo = build_demo("mini", Double, assets=tmp_path)
    shown = next(block.props["runs"] for block in demo.blocks.values() if isinstance(block, Gallery))
    assert len(shown) == len(RECORDINGS) - 1 and "3-critique-helped" not in [card["name"] for card in shown]
    assert "3-critique-helped.json is left out" in caplog.text and "notes.json is left out" in caplog.text


def test_a_round_without_its_winner_is_no_recorded_run(tmp_path, caplog):
    """The last round has one, so there is an answer; what came before cannot be told."""
    content = json.loads((RUNS / "3-critique-helped.json").read_text())
    events = content["events"]
    events.remove(next(one for one in events if one["type"] == "Winner"))
    (tmp_path / "1-odd.json").write_text(json.dumps(content))
    assert Trace.load(tmp_path / "1-odd.json").winner.round == 1
    assert recorded_runs("mini", tmp_path) == {}


def test_a_run_that_was_asked_for_by_name_is_not_left_out_in_silence(tmp_path):
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(UserError, match="damaged or truncated"):
        recorded_runs("mini", RUNS, tmp_path / "cut.json")


# -- waiting


def test_places_are_given_in_the_order_they_were_asked_for():
    line = Line()
    with line.place() as first:
        with line.place() as second, line.place() as third:
            assert [place.before for place in (first, second, third)] == [0, 1, 2]
            assert first.wait(0) and not second.wait(0.01)
        with line.place() as fourth:
            assert fourth.before == 1  # those who leave are no longer before
    with line.place() as last:
        assert last.wait(0)


def test_who_leaves_from_the_middle_leaves_the_others_where_they_are():
    line = Line()
    with line.place() as first:
        with contextlib.ExitStack() as second:
            second.enter_context(line.place())
            with line.place() as third:
                second.close()
                assert (first.before, third.before) == (0, 1)
                assert first.wait(0) and not third.wait(0.01)


def test_all_who_wait_are_woken_when_somebody_leaves():
    """Not at the end of their patience: each learns at once that it is its turn, whoever began to wait first."""
    line, order = Line(), []
    first = contextlib.ExitStack()
    assert first.enter_context(line.place()).wait(0)
    taken = [threading.Event() for _ in range(3)]
    may_wait = [threading.Event() for _ in range(3)]

    def come(number: int) -> None:
        with line.place() as place:
            taken[number].set()
            may_wait[number].wait(60)
            assert place.wait(3600)
            order.append(number)

    threads = [threading.Thread(target=come, args=(number,), daemon=True) for number in range(3)]
    for thread, there in zip(threads, taken):
        thread.start()
        assert there.wait(60)
    for asleep, number in enumerate(reversed(range(3)), 1):
        may_wait[number].set()
        while len(line._moved._waiters) < asleep:
            time.sleep(0.001)
    assert order == []
    first.close()
    until = time.monotonic() + 30
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    assert order == [0, 1, 2]


def test_a_full_line_is_told_in_words():
    line = Line(most=1)
    with line.place():
        with pytest.raises(UserError, match="no more fit"):
            with line.place():
                pass
    with line.place() as place:
        assert place.before == 0


def test_who_waits_is_told_how_many_are_before_and_then_runs(handlers):
    with handlers.line.place(), handlers.line.place():
        updates = handlers.paint(*FORM)
        told = next(update for update in updates if "viewer" in update)
        assert notice_of(told)["message"].startswith("2 runs are before yours")
        assert next(updates) == {}
    rest = list(updates)
    assert messages(rest)[-1]["events"][-1]["type"] == "RunFinished"
    with handlers.line.place() as place:
        assert place.before == 0


def test_who_waits_can_leave(handlers):
    with handlers.line.place():
        updates = handlers.paint(*FORM)
        next(update for update in updates if "viewer" in update)
        updates.close()
        with handlers.line.place() as next_one:
            assert next_one.before == 1
    assert handlers.loader.backend is None


def test_two_runs_never_compute_at_once(handlers):
    handlers.loader.start()
    handlers.loader.wait(10)
    backend, at_once, most = handlers.loader.result(), [0], [0]
    start = backend.start

    def watched(*arguments, **options):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        at_once[0] -= 1
        return start(*arguments, **options)

    backend.start = watched
    forms = [(*FORM[:6], seed, False) for seed in range(3)]
    threads = [threading.Thread(target=lambda form=form: list(handlers.paint(*form))) for form in forms]
    threads.append(threading.Thread(target=lambda: Endpoints(handlers).painted(PROMPT, "orm", paths=2, steps=3)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] and len(handlers.runs._runs) == 4


def test_a_full_line_refuses_pages_and_clients_in_words(handlers):
    handlers.line = Line(most=0)
    assert "no more fit" in messages(handlers.paint(*FORM))[-1]["notice"]["message"]
    with pytest.raises(gr.Error, match="no more fit"):
        Endpoints(handlers).painted(PROMPT)


# -- how long it takes


def finished(seconds: float, **settings):
    events = list(search("orm", Double(pace=0), PROMPT, **{"paths": 2, "steps": 5, "guidance": 1.0} | settings))
    return [replace(event, seconds=seconds) if isinstance(event, RunFinished) else event for event in events]


def test_the_pace_is_the_median_of_the_latest_runs_of_a_kind():
    pace = Pace()
    assert pace.table() == {}
    for seconds in (100.0, 1.0, 1.0, 1.0, 3.0, 1.0):
        pace.learn(finished(seconds))
    pace.learn(finished(5.0, guidance=0.0))
    assert pace.table() == {"orm/guided": pytest.approx(0.1), "orm/unguided": pytest.approx(0.5)}


def test_what_was_stopped_and_a_reflection_teach_nothing():
    pace = Pace()
    events = finished(1.0)
    pace.learn(events[:-1])
    pace.learn(events[1:])
    pace.learn([])
    assert pace.table() == {}


def test_a_run_tells_the_page_its_pace(handlers):
    assert handlers.rates()["estimate"]["rates"] == {}
    *_, last = handlers.paint(*FORM)
    assert list(last["estimate"]["rates"]) == ["orm/guided"]
    assert list(handlers.rates()["estimate"]["rates"]) == ["orm/guided"]


def test_a_document_holds_its_run_as_data_whatever_the_words_in_it():
    prompt = "</script><script>alert(1)</script> & <b>"
    backend = Double(pace=0, any_words=True)
    handlers = Handlers("mini", lambda: backend)
    updates = list(handlers.paint(prompt, *FORM[1:]))
    (run_id,) = {update["run_id"] for update in updates if "run_id" in update}
    text = handlers.keep.document(run_id)
    assert text.count("</script>") == 2 and "<b>" not in text and "default-src 'none'" in text
    held = re.search(r'<script type="application/json" id="run">(.*?)</script>', text, re.DOTALL)
    message = json.loads(json.loads(held[1])["message"])
    assert message["events"][0]["prompt"] == prompt and message["events"][-1]["type"] == "RunFinished"
    assert handlers.keep.document("nonsense") == ""
