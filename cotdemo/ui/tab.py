"""What a tab of the page is, and what it is built of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from .handlers import Handlers


@dataclass(frozen=True)
class Page:
    """What all tabs share: the Blocks they stand in, what the page can do, and the folder of what it shows.

    ``run`` is what the Run tab lends to those after it: its components by name, ``names``, and those that a handler
    which opens a run there updates, ``opens``.
    """

    demo: gr.Blocks
    handlers: Handlers
    assets: Path
    run: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tab:
    """``name`` is what the address calls it; ``build`` makes its components where it is called."""

    name: str
    label: str
    build: Callable[[Page], None]
