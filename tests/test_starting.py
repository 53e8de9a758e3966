"""A page that takes longer to start than Gradio waits for, and one that closes while clients come and go."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import httpx
import pytest
from page_double import Double
from starlette.middleware import Middleware

from cotdemo.ui import closing, starting
from cotdemo.ui.page import build_demo, launch_options


def starts(begun: list, until):
    """What a server does as it starts: once only, as what serves agents does, and not before ``until()`` is."""

    @asynccontextmanager
    async def lifespan(app):
        begun.append(1)
        if len(begun) > 1:
            raise RuntimeError("what serves agents starts once only")
        await until()
        yield

    return launch_options(lifespan=lifespan)


def test_a_start_that_takes_long_is_waited_for_and_made_once():
    begun, demo = [], build_demo("mini", lambda: Double())
    try:
        slow = starts(begun, lambda: asyncio.sleep(6))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **slow)
        assert httpx.get(url + "health", timeout=60).status_code == 200 and begun == [1]
    finally:
        demo.close()


def test_two_that_start_at_once_take_a_port_each():
    together, faults, ports = threading.Barrier(2), [], []

    def start(demo):
        begun = []
        try:
            # neither has come up before both have begun
            slow = starts(begun, lambda: asyncio.to_thread(together.wait, 60))
            _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **slow)
            ports.append(demo.server_port)
            assert begun == [1] and httpx.get(url + "health", timeout=60).status_code == 200
        except Exception as fault:
            faults.append(fault)
            together.abort()
        finally:
            demo.close()

    both = [threading.Thread(target=start, args=[build_demo("mini", lambda: Double())]) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert faults == [] and len(set(ports)) == 2


def test_a_port_is_taken_at_every_address_or_at_none():
    with socket.create_server(("127.0.0.1", 0)) as one:
        with pytest.raises(OSError):
            starting.listening("127.0.0.1", one.getsockname()[1])
    (free,) = starting.listening("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    both = starting.listening("localhost", port)
    assert {found.getsockname()[1] for found in both} == {port}
    for found in both:
        found.close()
    with pytest.raises(OSError):
        starting.listening("192.0.2.1", 0)  # nobody's


def test_a_first_answer_that_takes_long_is_waited_for():
    asked = []

    class Slow:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http" and scope["method"] == "HEAD":
                asked.append(scope["path"])
                await asyncio.sleep(4)
            await self.app(scope, receive, send)

    demo = build_demo("mini", lambda: Double())
    try:
        demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(Middleware(Slow)))
        assert asked == ["/"]
    finally:
        demo.close()


def test_a_page_is_there_where_it_answers(pages):
    assert [starting.answers(pages + there) for there in ("200", "401", "303")] == [True] * 3
    assert [starting.answers(pages + there) for there in ("404", "502")] == [False] * 2
    assert not starting.answers("http://127.0.0.1:9/")  # nobody listens there


@pytest.fixture
def pages():
    """A server whose answers have the number that they are asked for by."""

    class Numbered(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Numbered) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_who_waits_for_the_end_is_told_in_the_thread_that_waits(monkeypatch):
    closed, woken = [], []
    monkeypatch.setattr(closing, "_close", lambda demo, **how: closed.append(demo.app.stop_event.is_set()))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    class Event(asyncio.Event):
        def set(self):
            woken.append(threading.current_thread())
            super().set()

    event = Event()
    waiting = asyncio.run_coroutine_threadsafe(event.wait(), loop)
    while not event._waiters:
        pass
    closing._in_turn(SimpleNamespace(app=SimpleNamespace(stop_event=event)), verbose=False)
    assert waiting.result(10) and woken == [thread] and closed == [True]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_page_that_nobody_has_opened_closes_as_ever():
    demo = build_demo("mini", lambda: Double())
    demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    demo.close()
    assert not demo.is_running
