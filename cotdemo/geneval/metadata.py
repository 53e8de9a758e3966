"""Prompts from a file in the form of GenEval's ``evaluation_metadata.jsonl`` (github djghosh13/geneval)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..settings import MAX_PROMPT, plain_text

MAX_FILE = 20_000_000
MAX_LINES = 20_000


def of_file(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The objects of a file in the form of GenEval's ``evaluation_metadata.jsonl``. Raises UserError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_FILE or data.count(b"\n") > MAX_LINES:
        raise UserError(f"{path} is too large: at most {MAX_FILE // 1_000_000} MB and {MAX_LINES} lines are read.")
    found = [_metadata(path, number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if not found:
        raise UserError(f"{path} holds no prompts.")
    return tuple(found)


def _metadata(path: Path, number: int, line: bytes) -> Mapping[str, Any]:
    try:
        entry = json.loads(line.decode())
        if not isinstance(entry, dict):
            raise UserError("it is no object")
        plain_text("tag", entry.get("tag"), 40)
        plain_text("prompt", entry.get("prompt"), MAX_PROMPT)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, UserError) else "it is no JSON"
        raise UserError(f"Line {number} of {path} is not GenEval's metadata: {why}") from None
    return entry
