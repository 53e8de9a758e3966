"""What a tab of the page is, and what it is built of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from .handlers import Handlers


@dataclass(frozen=True)
class Page:
    """What all tabs share: the Blocks they stand in, what the page can do, and the folder of what it shows."""

    demo: gr.Blocks
    handlers: Handlers
    assets: Path


@dataclass(frozen=True)
class Tab:
    """``name`` is what the address calls it; ``build`` makes its components where it is called."""

    name: str
    label: str
    build: Callable[[Page], None]
