"""What is painted in an evaluation: prompts with GenEval's metadata, each with a seed of its own.

The embedded world's prompts and GenEval's ``evaluation_metadata.jsonl`` have one form, so one runner serves both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..world.splits import prompts

SPLITS = ("dev", "test")
SEEN = ("single_object",)  # kinds of the embedded world that cannot be held out of training


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
