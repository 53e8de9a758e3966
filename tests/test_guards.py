"""What stands before the page: names that it goes by, what browsers may do with it, and how it is started."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cotdemo import app
from cotdemo.errors import UserError
from cotdemo.run.trace import MAX_BYTES
from cotdemo.ui import uploads
from cotdemo.ui.bodies import MAX_BODY
from cotdemo.ui.folder import VARIABLE
from cotdemo.ui.handlers import A_MINUTE
from cotdemo.ui.headers import SafeHeaders
from cotdemo.ui.hosts import KnownHosts, is_own
from cotdemo.ui.queue import MOST, OF_ADDRESS, OF_SESSION


def client(guard, **options) -> TestClient:
    inner = Starlette(routes=[Route("/", lambda request: PlainTextResponse("the page"))])
    inner.add_middleware(guard, **options)
    return TestClient(inner)


OWN = ["localhost", "localhost:7860", "LOCALHOST.", "127.0.0.1:7860", "[::1]:7860", "[::1]", "192.168.1.5:7860"]


@pytest.mark.parametrize("host", [*OWN, "my.page.org", "My.Page.org:443"])
def test_a_page_answers_to_its_own_names(host):
    assert client(KnownHosts, allowed=["my.page.org"]).get("/", headers={"host": host}).text == "the page"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "my.page.org.evil.example", "", "[", "[::1",
     "1.2.3.4@evil.example", "localhost:7860:80", "not a name", "sub.my.page.org", "[evil]", "é"],
)  # fmt: skip
def test_a_name_that_somebody_else_leads_here_gets_nothing(host):
    answer = client(KnownHosts, allowed=["my.page.org"]).get("/", headers={"host": host.encode("latin-1")})
    assert answer.status_code == 421 and "--allow-host" in answer.text


def test_what_is_for_this_machine_alone_is_known():
    assert all(map(is_own, ("localhost", "127.0.0.1", "127.3.3.3", "::1")))
    assert not any(map(is_own, ("0.0.0.0", "::", "192.168.1.5", "my.page.org")))


def test_every_answer_says_what_browsers_may_do_with_it():
    for place in ("/", "/nowhere"):
        headers = client(SafeHeaders).get(place).headers
        assert headers["x-content-type-options"] == "nosniff"
        policy = dict(one.split(" ", 1) for one in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self'" and policy["object-src"] == "'none'"
        assert "https://huggingface.co" in policy["frame-ancestors"] and "*" not in policy["frame-ancestors"].split()
        assert all("http:" not in value for value in policy.values())


def test_the_page_as_a_figure_alone_may_stand_anywhere():
    def framed(query: str) -> bool:
        policy = client(SafeHeaders).get(f"/{query}").headers["content-security-policy"]
        assert "object-src 'none'" in policy
        return "frame-ancestors" not in policy

    assert framed("?run=x&view=run&compact=1") and framed("?compact=1&view=run")
    assert not any(map(framed, ("", "?view=run", "?compact=1", "?view=run&compact=10", "?x=view=run%26compact=1")))


# -- the app


@pytest.fixture
def started(monkeypatch):
    """What ``launch`` is given for the arguments of the command."""

    def start(*arguments: str) -> dict:
        launched = {}
        monkeypatch.setattr("gradio.Blocks.launch", lambda self, **options: launched.update(options, demo=self))
        parser = argparse.ArgumentParser()
        app.add_arguments(parser)
        app.start(parser.parse_args(arguments))
        launched["guards"] = {one.cls: one.kwargs for one in launched["app_kwargs"]["middleware"]}
        return launched

    for name in ("GRADIO_SERVER_NAME", "SPACE_ID", "GRADIO_RUN_HISTORY"):
        monkeypatch.delenv(name, raising=False)
    yield start
    os.environ.pop("GRADIO_RUN_HISTORY", None)


@pytest.mark.parametrize(
    ("arguments", "environment", "address", "allowed"),
    [
        ([], {}, None, []),
        (["--listen", "127.0.0.1"], {}, "127.0.0.1", []),
        (["--allow-host", "a.org", "--allow-host", "b.org"], {}, None, ["a.org", "b.org"]),
        (["--listen"], {}, "0.0.0.0", None),
        (["--listen", "::"], {}, "::", None),
        (["--listen", "--allow-host", "a.org"], {}, "0.0.0.0", ["a.org"]),
        ([], {"GRADIO_SERVER_NAME": "0.0.0.0"}, "0.0.0.0", None),
        ([], {"SPACE_ID": "owner/name"}, None, None),
    ],
)
def test_names_are_looked_at_where_the_page_is_for_this_machine_or_has_some(
    started, monkeypatch, arguments, environment, address, allowed
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    launched = started(*arguments)
    assert launched["server_name"] == address and SafeHeaders in launched["guards"]
    assert launched["guards"].get(KnownHosts) == (None if allowed is None else {"allowed": allowed})


def test_how_many_are_taken_in_can_be_said(started, monkeypatch):
    lines = []
    monkeypatch.setattr("cotdemo.ui.handlers.Line", lambda most, work: lines.append(most))
    started("--max-queue", "3")
    started()
    assert lines == [3, MOST]
    for many in ("0", "-1", "37"):
        with pytest.raises(UserError, match="it may be 1 to 36"):
            started("--max-queue", many)


@pytest.mark.parametrize("address", ["192.0.2.1", "", "two words", "x" * 300])
def test_an_address_that_this_machine_has_not_is_refused_in_words(started, address):
    with pytest.raises(UserError, match="this machine has no such address"):
        started("--listen", address)


def test_a_place_for_uploads_that_cannot_be_written_is_said_in_words(started, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "folder"))
    with pytest.raises(UserError, match=f"Let {VARIABLE} name a folder"):
        started()


def test_browsers_keep_no_history_of_runs_unless_somebody_asks_for_it(started, monkeypatch):
    started()
    assert os.environ["GRADIO_RUN_HISTORY"] == "False"
    monkeypatch.setenv("GRADIO_RUN_HISTORY", "True")
    started()
    assert os.environ["GRADIO_RUN_HISTORY"] == "True"


def test_the_bounds_are_those_that_the_docs_tell():
    text = (Path(app.__file__).parents[1] / "docs" / "start.md").read_text(encoding="utf-8")
    for told in (
        f"{OF_SESSION} places in the line, one public address {OF_ADDRESS}, and in a minute {A_MINUTE} of the largest "
        f"runs and {uploads.A_MINUTE} uploads", f"bounded at {MAX_BODY / 1e6:g} MB, uploads at a trace's",
        f"{MAX_BYTES / 1e6:g} MB and together at {uploads.HELD_BYTES >> 20} MB and {uploads.HELD_FILES} files",
        f"--max-queue {MOST}",
    ):  # fmt: skip
        assert told in text, told


def test_the_app_imports_no_gradio_before_it_has_a_folder_of_its_own():
    code = "import sys, app; assert 'gradio' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
