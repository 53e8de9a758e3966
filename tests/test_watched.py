"""What a server says of itself: a line for each run, its health, versions; and nobody's text breaks what it prints."""

from __future__ import annotations

import io
import json
import logging
import os
import sys

import httpx
import pytest
from page_double import Double

from cotdemo import __version__
from cotdemo.errors import UserError
from cotdemo.run.trace import PROGRAM, Trace
from cotdemo.search import search
from cotdemo.ui.comparison import Comparing
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.run_log import Left, RunLog
from cotdemo.ui.streams import A_MINUTE, MOST, CleanStream, clean, clean_streams
from cotdemo.version import in_words, versions

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
PROMPT = "a photo of a red car and a blue bus"
FORM = (PROMPT, {"method": "parm", "model": "base"}, 3, 5, 0.5, 1.0, 7, False)


@pytest.fixture
def handlers():
    return Handlers("mini", lambda: Double(pace=0, any_words=True))


@pytest.fixture
def lines(caplog):
    """What has been logged of runs so far."""
    caplog.set_level(logging.INFO, "cotdemo")
    return lambda: [json.loads(record.getMessage()) for record in caplog.records if record.name.endswith("run_log")]


# -- a line for each run


def test_a_run_is_one_line_with_settings_costs_and_outcome_and_without_its_prompt(handlers, lines):
    updates = list(handlers.paint(*FORM))
    (line,) = lines()
    assert line["event"] == "run" and (line["by"], line["outcome"]) == ("page", "finished") and line["seconds"] >= 0
    wanted = {"method": "parm", "model": "base", "backend": "mini", "paths": 3, "steps": 5, "guidance": 0.5, "seed": 7}
    assert line["settings"].items() >= wanted.items() and "prompt" not in line["settings"]
    end = handlers.runs.get(next(update["run_id"] for update in updates if "run_id" in update)).state.finished
    assert (line["generator_passes"], line["judge_passes"]) == (end.generator_passes, end.judge_passes)
    assert "red car" not in json.dumps(line)


def test_prompts_are_logged_where_somebody_asks_for_it(lines):
    handlers = Handlers("mini", lambda: Double(pace=0, any_words=True), log=RunLog(prompts=True))
    list(handlers.paint("a photo of a\u2028dog".replace("\u2028", " "), *FORM[1:]))
    assert lines()[0]["settings"]["prompt"] == "a photo of a dog"


def test_clients_comparisons_and_what_goes_on_have_lines_of_their_own(handlers, lines):
    made = json.loads(Endpoints(handlers).generate(PROMPT, paths=2, steps=3, seed=1)[1])
    list(handlers.reflect(made["run"], anyway=True))
    list(Comparing(handlers).compare(PROMPT, ["baseline/base", "orm/base"], 2, 3))
    told = lines()
    assert [(line["by"], line["outcome"]) for line in told] == [
        ("api", "finished"), ("reflect", "finished"), ("compare", "finished"), ("compare", "finished"),
    ]  # fmt: skip
    again = handlers.runs.get(made["run"]).state.finished
    assert told[0]["judge_passes"] + told[1]["judge_passes"] == again.judge_passes
    assert told[0]["generator_passes"] + told[1]["generator_passes"] == again.generator_passes


def test_how_a_run_ended_is_told(handlers, lines):
    class Failing:
        perform = staticmethod(lambda settings, backend: iter(broken(backend)))

    errors = [UserError("No."), RuntimeError("a bug"), Left("gone")]

    def broken(backend):
        yield from list(search("baseline", backend, PROMPT, paths=1, steps=3, seed=1))[:3]
        raise errors.pop(0)

    left = handlers.paint(*FORM)
    while "run_id" not in next(left):
        pass
    next(left)
    left.close()
    handlers.searches = Failing
    while errors:
        list(handlers.paint(*FORM))
    assert [line["outcome"] for line in lines()] == ["left", "refused", "failed", "left"]
    assert lines()[0]["judge_passes"] is None


# -- versions


def test_a_trace_says_what_made_it_and_one_without_that_stays_without():
    trace = Trace.of(search("baseline", Double(pace=0), PROMPT, paths=1, steps=2, seed=1))
    assert json.loads(trace.to_json())["program"] == PROGRAM == in_words("cotdemo", "torch")
    assert PROGRAM.startswith(f"cotdemo {__version__}, torch ") and set(versions()) >= {"cotdemo", "gradio"}
    old = json.loads(trace.to_json())
    del old["program"]
    assert Trace.from_json(json.dumps(old)).program == "" and "program" not in json.loads(
        Trace.from_json(json.dumps(old)).to_json()
    )
    for program in ("a\0b", "x" * 101, 3, None):
        with pytest.raises(UserError):
            Trace.from_json(json.dumps(old | {"program": program}))


def test_an_opened_trace_keeps_the_program_until_something_is_added(handlers, tmp_path):
    content = json.loads(Trace.of(search("parm", Double(pace=0), PROMPT, paths=2, steps=3, seed=1)).to_json())
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(content | {"program": "cotdemo 0.9"}))
    id = handlers.keep.open_file(str(file), None)["run_id"]
    assert json.loads(handlers.keep.trace(id))["program"] == "cotdemo 0.9"
    list(handlers.reflect(id, anyway=True))
    assert json.loads(handlers.keep.trace(id))["program"] == PROGRAM


# -- health


def test_health_follows_the_model(handlers):
    assert handlers.health()["status"] == "idle"
    with handlers.line.place():
        assert handlers.health()["in_line"] == 1
    handlers.loader.start()
    handlers.loader.wait(60)
    assert handlers.health()["status"] == "ready" and handlers.health()["versions"]["cotdemo"] == __version__

    def fail():
        raise UserError("no weights")

    failing = Handlers("mini", fail)
    failing.loader.start()
    failing.loader.wait(60)
    assert failing.health()["status"] == "failed"


def test_whoever_watches_needs_no_password_and_learns_of_a_failure():
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Double(pace=0))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, auth=("a", "b"), **launch_options())
    try:
        answer = httpx.get(f"{url}health", timeout=60)
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        assert answer.json()["backend"] == "mini" and answer.json()["line"] == 20
        assert httpx.head(f"{url}health", timeout=60).status_code == 200
        demo.health = lambda: {"status": "failed"}
        assert httpx.get(f"{url}health", timeout=60).status_code == 503
    finally:
        demo.close()


# -- streams


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\r 10%|##", "\r 10%|##"),
        ("\n\x1b[A", "\n\x1b[A"),
        ("a\0b\x1b[2Kc\x07", "a\\x00b\\x1b[2Kc\\x07"),
        ("one\rtwo\r\n", "one\\rtwo\r\n"),
        ("\u202eabc\u2028", "\\u202eabc\\u2028"),
        ("\ud800", "\\ud800"),
        ("x" * (MOST + 7), "x" * MOST + "... (7 characters more)\n"),
        ("é…\U0001f600", "é…\U0001f600"),
    ],
)
def test_what_is_written_holds_no_characters_that_act(text, kept):
    assert clean(text) == kept


def test_a_stream_has_so_much_a_minute_and_says_what_it_leaves_out():
    now, kept = [0.0], io.StringIO()
    stream = CleanStream(kept, clock=lambda: now[0])
    for _ in range(2 * A_MINUTE // MOST):
        assert stream.write("x" * MOST) == MOST
    assert A_MINUTE <= len(kept.getvalue()) < A_MINUTE + 100 and kept.getvalue().count("more than is kept") == 1
    now[0] = 61
    stream.writelines(["again", "\0"])
    assert kept.getvalue().endswith("again\\x00") and not stream.isatty()


def test_the_log_goes_to_the_clean_stream_an_entry_apart_from_the_next(monkeypatch):
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stderr", kept)
    log = logging.getLogger("cotdemo.somewhere")
    with clean_streams():
        log.info("told")
        try:
            raise ValueError("a\n2026-01-01 INFO forged \0")
        except ValueError:
            log.exception("it failed")
        print("\0", file=sys.stderr)
    log.info("not told")
    entries = [line for line in kept.getvalue().splitlines() if not line.startswith("    ")]
    assert len(entries) == 3 and entries[0].endswith("INFO cotdemo.somewhere told") and entries[2] == "\\x00"
    assert "\0" not in kept.getvalue() and "not told" not in kept.getvalue() and sys.stderr is kept
