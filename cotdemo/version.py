"""Which version this is, and which of its libraries it runs with, as traces, the page, its log and its health say."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

__version__ = "1.0.0"
_LIBRARIES = ("torch", "transformers", "gradio")  # of those that a run depends on


@cache
def versions() -> dict[str, str]:
    """By name, of this program first; of what is not installed nothing. None of them is imported."""
    found = {"cotdemo": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def in_words(*names: str) -> str:
    """As "cotdemo 1.0.0, torch 2.13.0": of all, or of ``names``."""
    return ", ".join(f"{name} {found}" for name, found in versions().items() if name in (names or versions()))
