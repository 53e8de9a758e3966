"""A page that takes longer to start than Gradio waits for, and one that closes while clients come and go."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
from page_double import Double

from cotdemo.ui import closing
from cotdemo.ui.page import build_demo, launch_options


def test_a_start_that_takes_long_is_waited_for_and_made_once():
    begun = []

    @asynccontextmanager
    async def slow(app):
        begun.append(1)
        if len(begun) > 1:
            raise RuntimeError("what serves agents starts once only")
        await asyncio.sleep(6)
        yield

    demo = build_demo("mini", lambda: Double())
    try:
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(lifespan=slow))
        assert httpx.get(url + "health", timeout=60).status_code == 200 and begun == [1]
    finally:
        demo.close()


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
