"""Searches: generators of the events of a run, over a generator and a verifier (arXiv 2501.13926).

``search`` is the way in. A strategy is a generator function over a ``Run`` that yields events and returns what it
chose (``Chosen``); closing it stops the work at its next forward pass. ``cotdemo.registry`` names them. Nothing here
imports torch, and what a search needs is imported when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    **dict.fromkeys(("brush", "perform", "prepared", "reflect", "taken_back"), ".entry"),
    **dict.fromkeys(
        ("Answers", "Backend", "Context", "Encoded", "ImageGenerator", "SamplingSession", "Step", "Verifier"),
        ".protocols",
    ),
    "Show": ".rounds",
}

__all__ = [*sorted(_HOMES), "search"]


def search(*arguments: Any, **options: Any) -> Any:
    """See ``cotdemo.search.entry.search``: (method, backend, prompt, **settings) to an iterator of events."""
    return import_module(".entry", __name__).search(*arguments, **options)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
