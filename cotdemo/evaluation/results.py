"""The files of ``eval --table`` and ``eval --curves``, read by whatever shows them; no torch here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from .report import RULES

LADDER, CURVES = "cotdemo-ladder", "cotdemo-curves"
VERSION = 1
SHIPPED = "shipped"  # the training seed whose weights are in assets


def read_ladder(file: Path) -> dict[str, Any]:
    """A table. Raises UserError for a file that this version did not write."""
    return _read(file, LADDER, "table", _check_ladder)


def read_curves(file: Path) -> dict[str, Any]:
    """Curves. Raises UserError for a file that this version did not write."""
    return _read(file, CURVES, "curves", _check_curves)


def _read(file: Path, format: str, what: str, check: Callable[[Any], None]) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="ascii"))
        if (content["format"], content["version"]) != (format, VERSION):
            raise ValueError("another format or version")
        check(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{file} holds no {what} that this version wrote ({error}).") from None
    return content


def _check_ladder(content: Any) -> None:
    _ = content["asked"], content["differences"]
    for row in content["rows"]:
        _ = row["name"], row["training_seed"], row["weights"]
        lengths = {len(one[rule]) for one in row.get("outcomes", ()) for rule in RULES}
        if not row["missing"] and len(lengths) != 1:
            raise ValueError("its rows do not have as many prompts")


def _check_curves(content: Any) -> None:
    _ = content["asked"], [one["model"] for one in content["generators"]]
