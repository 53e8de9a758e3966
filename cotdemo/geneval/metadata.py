"""Prompts from a file in the form of GenEval's ``evaluation_metadata.jsonl`` (github djghosh13/geneval)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..settings import MAX_PROMPT, plain_text
from .prompts import CLASSES, COLOURS, RELATIONS
from .rules import MOST

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


def checked(entry: object) -> Mapping[str, Any]:
    """A prompt's object that the rules can be applied to. Raises UserError, without saying where it came from.

    The official evaluator takes a kind that it does not know for one that is never there.
    """
    if not isinstance(entry, dict):
        raise UserError("it is no object")
    plain_text("tag", entry.get("tag"), 40)
    plain_text("prompt", entry.get("prompt"), MAX_PROMPT)
    include, exclude = entry.get("include"), entry.get("exclude", [])
    for name, items in (("include", include), ("exclude", exclude)):
        if not isinstance(items, list) or not len(items) <= MOST or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{name} is no list of at most {MOST} objects")
    for place, item in enumerate(include):
        _known(item)
        relation = item.get("position", [RELATIONS[0], 0])
        if not (isinstance(relation, list) and len(relation) == 2 and relation[0] in RELATIONS):
            raise UserError(f"position is no pair of a relation ({', '.join(RELATIONS)}) and a number")
        if "position" in item and not (type(relation[1]) is int and 0 <= relation[1] < place):
            raise UserError("position refers to nothing that is listed before it")
    for item in exclude:
        _known(item)
    return entry


def _known(item: Mapping[str, Any]) -> None:
    kind, count, colour = item.get("class"), item.get("count"), item.get("color", COLOURS[0])
    if kind not in CLASSES:
        raise UserError(f"{ascii(kind)[:40]} is none of GenEval's {len(CLASSES)} kinds of things")
    if type(count) is not int or not 1 <= count <= MOST + 1:
        raise UserError(f"a count is no whole number from 1 to {MOST + 1}")
    if colour not in COLOURS:
        raise UserError(f"{ascii(colour)[:40]} is none of GenEval's colours ({', '.join(COLOURS)})")
