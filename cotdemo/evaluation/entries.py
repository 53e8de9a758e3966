"""What is painted in an evaluation: prompts with GenEval's metadata, each with a seed of its own.

The embedded world's prompts and GenEval's ``evaluation_metadata.jsonl`` have one form, so one runner serves both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..settings import MAX_PROMPT, plain_text
from ..world.splits import prompts

SPLITS = ("dev", "test")
SEEN = ("single_object",)  # kinds of the embedded world that cannot be held out of training
MAX_FILE = 20_000_000
MAX_LINES = 20_000


@dataclass(frozen=True)
class Entry:
    """One picture to paint. ``index`` counts the whole list of prompts, ``sample`` the pictures of a prompt."""

    index: int
    sample: int
    metadata: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        return self.metadata["prompt"]

    @property
    def kind(self) -> str:
        return self.metadata["tag"]

    def seed(self, base: int) -> int:
        """This picture's own seed: the same for every method, and whatever part of the list is painted."""
        digest = hashlib.sha256(f"{base}/{self.index}/{self.sample}".encode()).digest()
        return int.from_bytes(digest[:4], "little")


def of_split(name: str) -> tuple[Mapping[str, Any], ...]:
    """The embedded world's fixed prompts. Raises UserError for a split that is not for evaluation."""
    if name not in SPLITS:
        raise UserError(f"{ascii(name)[:40]} is no split to evaluate on; there are {', '.join(SPLITS)}.")
    return prompts(name)


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


def select(metadata: Sequence[Mapping[str, Any]], limit: int | None = None, pictures: int = 1) -> list[Entry]:
    """``pictures`` entries for each prompt, of the first ``limit`` prompts of each kind."""
    taken: dict[str, int] = {}
    chosen = []
    for index, entry in enumerate(metadata):
        taken[entry["tag"]] = taken.get(entry["tag"], 0) + 1
        if limit is None or taken[entry["tag"]] <= limit:
            chosen += [Entry(index, sample, entry) for sample in range(pictures)]
    return chosen


def fingerprint(metadata: Sequence[Mapping[str, Any]]) -> str:
    """A short hash of the prompts, by which two evaluations are known to be of the same ones."""
    text = json.dumps([[entry["tag"], entry["prompt"]] for entry in metadata])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
