"""The Results tab: what was measured here, beside what the paper reports."""

from __future__ import annotations

from .components import Results
from .measured import measured
from .tab import Page


def build(page: Page) -> None:
    """Read when the page is built, so that a table measured since then shows after a restart."""
    Results(**measured(page.assets), elem_id="measured")
