"""Pictures in the folder layout that GenEval's official evaluator reads (github djghosh13/geneval).

``OUT/00007/metadata.jsonl`` holds the prompt's object, ``OUT/00007/samples/0000.png`` and so on its pictures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..run.png import write_png
from ..settings import Settings
from .entries import Entry


def picture_file(out: Path, entry: Entry) -> Path:
    return out / f"{entry.index:05d}" / "samples" / f"{entry.sample:04d}.png"


def written(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The pictures of a folder that ``write`` filled, each with its prompt's metadata, in order."""
    return [
        (file, json.loads((file.parents[1] / "metadata.jsonl").read_text(encoding="ascii")))
        for file in sorted(out.glob("*/samples/*.png"))
    ]


def write(out: Path, entry: Entry, picture: np.ndarray, settings: Settings) -> None:
    """Add one picture, with its settings in the file. Raises UserError where its folder holds another prompt."""
    file = picture_file(out, entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = file.parents[1] / "metadata.jsonl"
    line = json.dumps(entry.metadata)
    if not metadata.exists():
        metadata.write_text(line, encoding="ascii")
    elif metadata.read_text(encoding="ascii", errors="replace") != line:
        raise UserError(f"{metadata} is of another prompt: name another folder, or empty this one.")
    part = file.with_suffix(".part")  # not *.png: the evaluator must not see half a picture
    write_png(part, picture, settings)
    part.replace(file)
