"""What a server takes from strangers: how large a request may be, and what it tells of itself."""

from __future__ import annotations

import json
import os
import time

import httpx
import pytest
from page_double import Double

from cotdemo.run.trace import MAX_BYTES, Trace
from cotdemo.search import search
from cotdemo.ui.limits import MAX_BODY, MAX_VALUES
from cotdemo.ui.page import build_demo, launch_options

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
PROMPT = "a photo of a red star and a blue moon"
DOORS = ("queue/join", "run/reflect", "api/reflect", "call/reflect", "component_server", "mcp/", "cancel", "reset")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    backend = Double(pace=0)
    demo = build_demo("mini", lambda: backend)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, mcp_server=True, **launch_options())
    with httpx.Client(base_url=url + "gradio_api/", timeout=120) as client:
        client.backend, client.demo = backend, demo
        yield client
    demo.close()


@pytest.mark.parametrize("door", DOORS)
def test_a_large_body_is_refused_in_words_before_it_is_read(server, door):
    def endless():
        yield b'{"data": ["'
        for _ in range(1000):
            yield b"x" * 64_000  # of 64 MB that are announced nowhere

    begun = time.monotonic()
    for body in (b'{"data": ["' + b"x" * (MAX_BODY + 1) + b'"]}', endless()):
        try:
            answer = server.post(door, content=body, headers={"content-type": "application/json"})
        except httpx.WriteError:  # it has been cut off in the middle of its words
            continue
        assert answer.status_code == 413 and "at most 2 MB" in answer.json()["detail"]
    assert time.monotonic() - begun < 20


def test_many_values_are_refused_however_few_bytes_they_take(server):
    body = json.dumps({"data": [[0] * MAX_VALUES]})
    answer = server.post("run/reflect", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413 and "too many values" in answer.json()["error"]


def test_an_upload_is_bounded_by_the_size_of_a_trace(server):
    def upload(size: int) -> httpx.Response:
        return server.post("upload", files={"files": ("trace.json", b" " * size)})

    assert upload(MAX_BYTES).status_code == 200
    assert upload(MAX_BYTES + 1).status_code == 413
    answer = upload(MAX_BYTES + 200_000)
    assert answer.status_code == 413 and "at most 8.1 MB" in answer.text


def test_what_is_asked_within_bounds_is_answered(server):
    trace = Trace.of(search("parm", server.backend, PROMPT, seed=1))
    body = {"data": [json.loads(trace.to_json()), True]}
    assert 10_000 < len(json.dumps(body)) < MAX_BODY
    assert server.post("run/reflect", json=body).json()["data"][0]["critique"]
