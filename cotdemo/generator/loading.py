"""Earlier name of ``checkpoint``; it goes with the renaming of what uses it."""

from .checkpoint import RELEASED_NAMES, FromFolderOrHub, find_weights

__all__ = ["RELEASED_NAMES", "FromFolderOrHub", "find_weights"]
