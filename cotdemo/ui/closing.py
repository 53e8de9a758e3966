"""The streams of clients are ended in their own thread.

Gradio sets the event that they wait for from the thread that closes the page, while asyncio may change the list of
those who wait: now and then closing fails with "deque mutated during iteration" (gradio 6.31).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import TimeoutError as TooLong
from contextlib import suppress
from typing import Any

import gradio as gr

PATIENCE = 5.0  # seconds for a loop that is busy
_close = gr.Blocks.close


def close_in_turn() -> None:
    """Have Gradio do so."""
    gr.Blocks.close = _in_turn


def _in_turn(demo: gr.Blocks, *how: Any, **more: Any) -> None:
    event = getattr(getattr(demo, "app", None), "stop_event", None)
    loop = getattr(event, "_loop", None)  # None: nobody has waited
    if loop is not None and loop.is_running():
        with suppress(TooLong):
            asyncio.run_coroutine_threadsafe(_set(event), loop).result(PATIENCE)
    _close(demo, *how, **more)


async def _set(event: asyncio.Event) -> None:
    event.set()
