"""A page that takes longer to start than Gradio waits for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
from page_double import Double

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
