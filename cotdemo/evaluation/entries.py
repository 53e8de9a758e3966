"""What is painted in an evaluation: prompts with GenEval's metadata, each with a seed of its own, and their images.

The embedded world's prompts and GenEval's ``evaluation_metadata.jsonl`` have one form, so one runner serves both.
Images are kept in the folder layout that GenEval's official evaluator reads (github djghosh13/geneval):
``OUT/00007/metadata.jsonl`` holds the prompt's object, ``OUT/00007/samples/0000.png`` and so on its images.

All that an evaluation knows of the embedded world it knows from here: ``prompts`` of a split, ``read(image)`` by
either checker, ``judge_reading(found, metadata)``, ``inventory(found)`` and the ``GROUND`` colour.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import write_text
from ..geneval.rules import Found
from ..run.png import write_png
from ..settings import Settings
from ..world import checker_a, checker_b
from ..world.faults import inventory, judge_reading
from ..world.scenes import GROUND
from ..world.splits import prompts

__all__ = ["GROUND", "inventory", "judge_reading"]

SPLITS = ("dev", "test")
SEEN = ("single_object",)  # kinds of the embedded world that cannot be held out of training
CHECKERS: Mapping[str, Callable[[np.ndarray], Sequence[Found]]] = {"B": checker_b.read, "A": checker_a.read}
read = CHECKERS["B"]


@dataclass(frozen=True)
class Entry:
    """One image to paint. ``index`` counts the whole list of prompts, ``sample`` the images of a prompt."""

    index: int
    sample: int
    metadata: Mapping[str, Any]

    @property
    def place(self) -> tuple[int, int]:
        return self.index, self.sample

    @property
    def prompt(self) -> str:
        return self.metadata["prompt"]

    @property
    def kind(self) -> str:
        return self.metadata["tag"]

    def seed(self, base: int) -> int:
        """This image's own seed: the same for every method, and whatever part of the list is painted."""
        digest = hashlib.sha256(f"{base}/{self.index}/{self.sample}".encode()).digest()
        return int.from_bytes(digest[:4], "little")


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


# -- images in GenEval's folders


def image_file(out: Path, entry: Entry) -> Path:
    return out / f"{entry.index:05d}" / "samples" / f"{entry.sample:04d}.png"


def images_in(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The images of a folder that ``write_image`` filled, each with its prompt's metadata, in order."""
    return [
        (file, json.loads((file.parents[1] / "metadata.jsonl").read_text(encoding="ascii")))
        for file in sorted(out.glob("*/samples/*.png"))
    ]


def write_image(out: Path, entry: Entry, image: np.ndarray, settings: Settings) -> None:
    """Add one image, with its settings in the file. Raises UserError where its folder holds another prompt."""
    file = image_file(out, entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = file.parents[1] / "metadata.jsonl"
    line = json.dumps(entry.metadata)
    if not metadata.exists():
        write_text(metadata, line, encoding="ascii")
    elif metadata.read_text(encoding="ascii", errors="replace") != line:
        raise UserError(f"{metadata} is of another prompt: name another folder, or empty this one.")
    write_png(file, image, settings)  # in one move: the evaluator must not see half an image
