"""Image generation that thinks step by step: Show-o paints, PARM judges every step, PARM++ reflects and repaints.

``load_backend(name)`` gives a generator with its judge, ``search(method, backend, prompt)`` an iterator of events
(``cotdemo.events``), and ``ShowoPipeline`` the generator alone, with diffusers' conventions. Importing this package
imports none of them; each comes with what it needs when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"load_backend": ".backends", "search": ".search", "ShowoPipeline": ".generator.pipeline"}

__all__ = ["ShowoPipeline", "load_backend", "search"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name], __name__)
    # the package ``search`` is itself what is called: a function of that name would hide it from ``import``
    return home if name == "search" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
