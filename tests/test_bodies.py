"""What a server takes from strangers: how large a request may be, and what it tells of itself."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import socket
import time
import tracemalloc
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi.responses import JSONResponse
from page_double import Double

from cotdemo.run.trace import MAX_BYTES, Trace
from cotdemo.search import search
from cotdemo.settings import SETTINGS
from cotdemo.ui.bodies import MAX_BODY, MAX_VALUES, refuse
from cotdemo.ui.caller import Boxes
from cotdemo.ui.endpoints import Endpoints, taking_settings
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.page import build_demo, launch_options
from cotdemo.ui.uploads import BoundedUploads, let_go

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
PROMPT = "a photo of a red car and a blue bus"
DOORS = (
    "queue/join",
    "run/reflect",
    "run/upload",
    "mcp/gradio_api/upload",
    "api/reflect",
    "call/reflect",
    "component_server",
    "mcp/",
    "cancel",
    "reset",
)


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
        except httpx.TransportError:  # it has been cut off in the middle of its words
            continue
        assert answer.status_code == 413 and "at most 2 MB" in answer.json()["detail"]
    assert time.monotonic() - begun < 60


def test_many_values_are_refused_however_few_bytes_they_take(server):
    body = json.dumps({"data": [[0] * MAX_VALUES]})
    answer = server.post("run/reflect", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413 and "too many values" in answer.json()["error"]


@pytest.mark.parametrize("door", DOORS)
def test_bytes_that_are_no_text_are_refused_in_words(server, door):
    answer = server.post(door, content=b'{"data": ["\xb0"]}', headers={"content-type": "application/json"})
    assert answer.status_code == 400 and "UTF-8" in answer.json()["error"]


def test_an_upload_is_bounded_by_the_size_of_a_trace(server):
    def upload(size: int) -> httpx.Response:
        return server.post("upload", files={"files": ("trace.json", b" " * size)})

    assert upload(MAX_BYTES).status_code == 200
    assert upload(MAX_BYTES + 1).status_code == 413
    answer = upload(MAX_BYTES + 200_000)
    assert answer.status_code == 413 and "at most 8.1 MB" in answer.text


@pytest.mark.parametrize("announced", [True, False])
def test_who_still_sends_what_is_refused_reads_the_answer(server, announced):
    """By hand, as no client that waits with reading does it more slowly: all is sent before anything is read."""
    there, size, part = server.base_url, 6_000_000, b" " * 100_000
    length = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
    with socket.create_connection((there.host, there.port), timeout=60) as line:
        line.sendall(
            f"POST {there.path}run/reflect HTTP/1.1\r\nHost: {there.host}:{there.port}\r\n"
            f"Content-Type: application/json\r\n{length}\r\n\r\n".encode()
        )
        for _ in range(size // len(part)):
            line.sendall(part if announced else b"%x\r\n%s\r\n" % (len(part), part))
        if not announced:
            line.sendall(b"0\r\n\r\n")
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413") and b"at most 2 MB" in answer


def test_no_address_that_a_request_names_is_fetched(server, monkeypatch):
    asked = []
    monkeypatch.setattr("safehttpx.get", lambda url, **options: asked.append(url))
    file = {"path": "https://example.org/trace.json", "meta": {"_type": "gradio.FileData"}}
    for place, data in (("reflect", ["", {"trace": file}, True, False]), ("reflect", ["", file, True, False])):
        answer = server.post(f"run/{place}", json={"data": data})
        assert answer.status_code == 500 and "No addresses are fetched" in answer.json()["error"]
    assert asked == []


def test_what_is_refused_is_taken_for_a_while_and_no_longer(monkeypatch):
    async def refused(message, most, seconds=60.0):
        monkeypatch.setattr("cotdemo.ui.bodies.LINGER", (most, seconds))
        taken = []

        async def receive():
            taken.append(message["body"])
            await asyncio.sleep(0.01)
            return message

        async def send(message):
            pass

        await refuse("No.", {"type": "http"}, receive, send)
        return len(taken)

    part = {"type": "http.request", "body": b"x" * 10, "more_body": True}
    assert asyncio.run(refused(part, most=95)) == 10
    assert asyncio.run(refused(part, most=10**9, seconds=0.1)) < 100
    assert asyncio.run(refused({**part, "more_body": False}, most=95)) == 1


def test_too_many_uploads_in_a_minute_are_refused_in_words_and_before_they_are_read():
    took = []

    async def app(scope, receive, send):
        took.append(scope["client"][0])
        await JSONResponse([])(scope, receive, send)

    app.get_blocks = lambda: SimpleNamespace(upload_file_set=set())
    bounded = BoundedUploads(app, a_minute=2)

    async def upload(client: str) -> int:
        status = []

        async def send(message):
            status.append(message.get("status"))

        async def receive():
            assert status == [429, None]  # it has been answered, and this is thrown away
            return {"type": "http.request", "body": b"x", "more_body": False}

        kind = (b"content-type", b"multipart/form-data; boundary=x")
        scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": [kind], "app": app}
        await bounded({**scope, "client": (client, 1)}, receive, send)
        return status[0]

    statuses = [asyncio.run(upload(client)) for client in 3 * ["8.8.8.8"] + ["1.1.1.1"] + ["10.0.0.1", "127.0.0.1"] * 2]
    assert statuses == [200, 200, 429, 200, 200, 200, 429, 429] and len(took) == 5


def test_of_what_was_uploaded_the_oldest_goes(tmp_path):
    files = set()
    for age, name in enumerate("abcde"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trace.json").write_bytes(b"x" * 100)
        os.utime(tmp_path / name / "trace.json", (1000 - age, 1000 - age))
        files.add(str(tmp_path / name / "trace.json"))
    (tmp_path / "e" / "other.json").write_text("another's")
    files.add(str(tmp_path / "gone"))
    let_go(files, most_bytes=350, most=9)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c", "e"] and os.listdir(tmp_path / "e") == ["other.json"]
    let_go(files, most_bytes=350, most=1)
    assert sorted(os.listdir(tmp_path)) == ["a", "e"]


def test_a_server_holds_no_more_uploads_than_it_may(server, monkeypatch):
    monkeypatch.setattr("cotdemo.ui.uploads.let_go", partial(let_go, most=2))
    names = []
    for n in range(4):
        names.append(server.post("upload", files={"files": (f"{n}.json", str(n).encode())}).json()[0])
        time.sleep(0.05)  # the clock of files is coarse
    until = time.monotonic() + 30  # the oldest go after the answer
    while (there := [os.path.exists(name) for name in names]) != [False, False, True, True]:
        assert time.monotonic() < until, there
        time.sleep(0.01)


def test_what_is_asked_within_bounds_is_answered(server):
    trace = Trace.of(search("parm", server.backend, PROMPT, seed=1))
    body = {"data": ["", json.loads(trace.to_json()), True, False]}
    assert 10_000 < len(json.dumps(body)) < MAX_BODY
    assert json.loads(server.post("run/reflect", json=body).json()["data"][1]).get("critique")


def test_a_server_tells_nobody_of_its_visitors(server):
    root = str(server.base_url).removesuffix("gradio_api/")
    for place in ("monitoring/summary", "monitoring", "monitoring/key"):
        answer = httpx.get(root + place)
        assert answer.status_code == 403, answer.text


def test_nobody_has_the_state_of_a_session_written_to_disk(server):
    assert server.post("run/generate", json=generate(steps=2) | {"session_hash": "somebody"}).status_code == 200
    assert "somebody" in server.demo.app.state_holder
    for place in ("deep_link", "deep_link/"):
        answer = server.get(place, params={"session_hash": "somebody"})
        assert answer.status_code == 404, answer.text
    assert not list(Path(server.demo.app.uploaded_file_dir).glob("deep_links/*"))


def test_a_visitor_is_held_in_few_bytes(server):
    server.post("run/generate", json=generate(steps=2) | {"session_hash": "first"})  # what is made once
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    holder = server.demo.app.state_holder
    visitors = [f"visitor {number}" for number in range(50)]
    try:
        for visitor in visitors:
            assert holder[visitor] is not None
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        for visitor in visitors:
            holder.session_data.pop(visitor)
    assert held / len(visitors) < 30_000


# -- clients who leave


@pytest.fixture
def slow(server):
    server.backend.pace, steps = 0.2, server.backend.steps_painted
    yield lambda: server.backend.steps_painted - steps
    server.backend.pace = 0


def generate(steps: int = 40) -> dict:
    names = list(inspect.signature(taking_settings(Endpoints(Handlers("mini", None)).generate)).parameters)
    given = {name: SETTINGS[name].default for name in names if name in SETTINGS} | {
        "prompt": PROMPT,
        "method": "orm",
        "paths": 2,
    }
    return {"data": [{**given, "steps": steps, "seed": 1, "with_trace": False}[name] for name in names]}


def handlers_of(server) -> Handlers:
    (call,) = [fn.fn for fn in server.demo.fns.values() if fn.api_name == "reflect"]
    return call.__self__._handlers


def ends(server, seconds: float = 15) -> None:
    """Waits until nobody computes or waits."""
    with handlers_of(server).line.place() as place:
        assert place.wait(seconds)


@contextmanager
def asking(server):
    """A client who has asked for an image, and leaves when the block ends."""
    body, there = json.dumps(generate()), server.base_url
    client = HTTPConnection(there.host, there.port)
    client.request("POST", f"{there.path}run/generate", body, {"Content-Type": "application/json"})
    yield
    client.close()


def begins(steps, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not steps() and time.monotonic() < until:
        time.sleep(0.05)
    assert steps()


def test_a_call_whose_client_has_left_ends_within_a_step(server, slow):
    with asking(server):
        begins(slow)
    ends(server)
    assert slow() < 30


def test_a_queued_call_whose_stream_has_broken_off_ends_and_leaves_nothing(server, slow):
    event = server.post("call/generate", json=generate()).json()["event_id"]
    with server.stream("GET", f"call/generate/{event}") as stream:
        next(stream.iter_raw())
        begins(slow)
    ends(server)
    box = server.demo._queue.pending_messages_per_session.get(event)
    assert slow() < 30 and not any("completed" in message.msg for message in (box._queue if box else ()))


def test_those_in_line_whose_clients_have_left_leave_it(server, slow):
    with ExitStack() as clients:
        for _ in range(6):
            clients.enter_context(asking(server))
        begins(slow)
    ends(server)
    assert slow() < 60


def test_a_result_that_nobody_fetches_is_let_go(server, monkeypatch):
    boxes = server.demo._queue.pending_messages_per_session
    event = server.post("call/generate", json=generate(3)).json()["event_id"]
    ends(server)
    until = time.monotonic() + 20
    while event in server.demo._queue.event_ids_to_events and time.monotonic() < until:
        time.sleep(0.05)
    assert boxes[event].qsize()
    monkeypatch.setattr("cotdemo.ui.caller.BOXES.unheard", 0.2)
    for _ in range(2):
        time.sleep(0.3)
        server.post("run/generate", json=generate(3))
    assert event not in boxes


def test_a_box_that_is_emptied_between_two_looks_is_nobodys_who_has_left():
    boxes = Boxes(unheard=0.0)
    box, queue = asyncio.Queue(), SimpleNamespace(event_ids_to_events={}, pending_event_ids_session={})
    queue.pending_messages_per_session = {"session": box}
    first, second = object(), object()
    box.put_nowait(first)
    boxes.let_go(queue)
    box.get_nowait()
    box.put_nowait(second)
    time.sleep(0.01)
    boxes.let_go(queue)
    assert "session" in queue.pending_messages_per_session
    time.sleep(0.01)
    boxes.let_go(queue)  # this one has been there before
    assert queue.pending_messages_per_session == {}


def test_a_queued_call_is_heard_to_its_end_though_the_request_that_queued_it_has_been_answered(server, slow):
    asked = httpx.post(f"{server.base_url}call/generate", json=generate(8), timeout=60)  # by a connection of its own
    event = asked.json()["event_id"]
    begins(slow)
    with server.stream("GET", f"call/generate/{event}") as stream:
        text = "".join(stream.iter_text())
    assert "event: complete" in text and "event: error" not in text


def test_a_call_that_nobody_listens_to_ends(server, slow, monkeypatch):
    monkeypatch.setattr("cotdemo.ui.caller.BOXES.unheard", 1.0)
    server.post("call/generate", json=generate())
    begins(slow)
    ends(server)
    assert slow() < 30
