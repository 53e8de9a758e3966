"""The Learn tab: how to read the page, and a tour of a recorded run."""

from __future__ import annotations

from .components import Lesson, Tour
from .learn import tour_of
from .tab import Page


def build(page: Page) -> None:
    Tour(tour=tour_of(page.handlers.keep.recorded), elem_id="tour")
    Lesson(elem_id="lesson")
