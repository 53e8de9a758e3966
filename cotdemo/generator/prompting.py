"""Earlier name of ``sequence``; it goes with the renaming of what uses it."""

from .sequence import MARKS, Vocabulary

__all__ = ["MARKS", "Vocabulary"]
