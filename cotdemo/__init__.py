"""Image generation that thinks step by step: Show-o samples, PARM judges every step, PARM++ reflects and corrects.

``load_backend(name)`` gives a generator with its verifiers, ``search(method, backend, prompt)`` an iterator of events
(``cotdemo.run.events``), and ``ShowoPipeline`` the generator alone, with diffusers' conventions. What needs torch comes
when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .search import search  # the function: its package is reached by ``from cotdemo.search import ...``
from .version import __version__

_HOMES = {"load_backend": ".backends", "ShowoPipeline": ".generator.pipeline"}

__all__ = ["ShowoPipeline", "__version__", "load_backend", "search"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
