"""What is painted in an evaluation: prompts with GenEval's metadata, of the embedded world or of a file.

The embedded world's prompts and GenEval's ``evaluation_metadata.jsonl`` have one form, so one runner serves both.

All that an evaluation knows of the embedded world it knows from here: ``prompts`` of a split, ``read(image)`` by
either checker, ``judge_reading(found, metadata)``, ``inventory(found)`` and the ``GROUND`` colour.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..geneval.folder import Entry
from ..geneval.rules import Found
from ..world import checker_a, checker_b
from ..world.faults import inventory, judge_reading
from ..world.scenes import GROUND
from ..world.splits import prompts

__all__ = ["GROUND", "inventory", "judge_reading"]

SPLITS = ("dev", "test")
SEEN = ("single_object",)  # kinds of the embedded world that cannot be held out of training
CHECKERS: Mapping[str, Callable[[np.ndarray], Sequence[Found]]] = {"B": checker_b.read, "A": checker_a.read}
read = CHECKERS["B"]


def of_split(name: str) -> tuple[Mapping[str, Any], ...]:
    """The embedded world's fixed prompts. Raises UserError for a split that is not for evaluation."""
    if name not in SPLITS:
        raise UserError(f"{ascii(name)[:40]} is no split to evaluate on; there are {', '.join(SPLITS)}.")
    return prompts(name)


def select(metadata: Sequence[Mapping[str, Any]], limit: int | None = None, images: int = 1) -> list[Entry]:
    """``images`` entries for each prompt, of the first ``limit`` prompts of each kind."""
    taken: Counter[str] = Counter()
    chosen = []
    for index, entry in enumerate(metadata):
        taken[entry["tag"]] += 1
        if limit is None or taken[entry["tag"]] <= limit:
            chosen += [Entry(index, sample, entry) for sample in range(images)]
    return chosen


def fingerprint(metadata: Sequence[Mapping[str, Any]]) -> str:
    """A short hash of the prompts, by which two evaluations are known to be of the same ones."""
    text = json.dumps([[entry["tag"], entry["prompt"]] for entry in metadata])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
