"""How the tabs bind handlers, whose updates are by name, to Gradio's components."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from typing import Any

import gradio as gr

from .form import Update

COMPUTES = {"concurrency_limit": None, "api_visibility": "private"}  # one at a time, but by ``cotdemo.ui.queue``
QUICK = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}


def named(handler: Callable[..., Update | Iterator[Update]], names: dict[str, Any]) -> Callable[..., Any]:
    """A handler whose updates are by name, as Gradio wants it: by component. What is not named stays as it is."""

    def placed(update: Update) -> dict[Any, Any]:
        return {names[name]: value for name, value in update.items()} or gr.skip()

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)  # Gradio reads the handler's own signature: one that names the request is given it
        def stream(*values: Any) -> Iterator[dict[Any, Any]]:
            with closing(handler(*values)) as updates:
                for update in updates:
                    yield placed(update)

        placing = stream
    else:

        @wraps(handler)
        def once(*values: Any) -> dict[Any, Any]:
            return placed(handler(*values))

        placing = once
    return placing
