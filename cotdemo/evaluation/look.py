"""A person's blind look at pictures, against checker B. ``python -m cotdemo look``.

Pictures come from folders that ``eval --out`` wrote. A fixed draw of them, from all folders alike and in random order,
is laid out on contact sheets with a number and the prompt, and nothing else. Whoever looks writes ``labels.json``: a
list with 1 for each picture that is exactly what was asked for, 0 for any other. Then the same command compares.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import UserError
from ..settings import whole
from .entries import CHECKERS, judge_reading, pictures_in
from .records import write_json

COLUMNS, ROWS = 5, 4
SIDE, GAP, LINES = 192, 12, 54  # pixels: a picture, between pictures, the words under it


@dataclass(frozen=True)
class Seen:
    """One picture to look at, and what it was meant to be."""

    folder: str
    file: Path
    metadata: dict[str, Any]

    @property
    def picture(self) -> np.ndarray:
        return np.asarray(Image.open(self.file).convert("RGB"))


def draw(folders: Sequence[Path], count: int, seed: int = 0) -> list[Seen]:
    """``count`` pictures, as many from each folder, in random order. Raises UserError where there are too few."""
    rng = np.random.default_rng(seed)
    chosen: list[Seen] = []
    wanted = count // len(folders)
    for folder in folders:
        pictures = pictures_in(folder)
        if len(pictures) < wanted:
            raise UserError(f"{folder} holds {len(pictures)} pictures; {wanted} are wanted.")
        chosen += [Seen(folder.name, *pictures[index]) for index in rng.choice(len(pictures), wanted, replace=False)]
    return [chosen[index] for index in rng.permutation(len(chosen))]


def sheets(seen: Sequence[Seen]) -> list[Image.Image]:
    """Contact sheets of ``COLUMNS`` x ``ROWS`` pictures, numbered from 1."""
    font = ImageFont.load_default(15)
    pages = []
    for first in range(0, len(seen), COLUMNS * ROWS):
        page = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, ROWS * (SIDE + LINES) + GAP), "white")
        pen = ImageDraw.Draw(page)
        for place, one in enumerate(seen[first : first + COLUMNS * ROWS]):
            left, top = GAP + place % COLUMNS * (SIDE + GAP), GAP + place // COLUMNS * (SIDE + LINES)
            page.paste(Image.fromarray(one.picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (left, top))
            words = f"{first + place + 1}. {one.metadata['prompt'].removeprefix('a photo of ')}"
            pen.text((left, top + SIDE + 2), "\n".join(textwrap.wrap(words, 26)), "black", font)
        pages.append(page)
    return pages


def agreement(seen: Sequence[Seen], labels: Sequence[int]) -> dict[str, Any]:
    """How often checkers B and A say what the person said. Raises UserError for another number of labels."""
    if len(labels) != len(seen) or not set(labels) <= {0, 1}:
        raise UserError(f"There must be {len(seen)} labels, each 0 or 1; there are {len(labels)}.")
    person = [bool(label) for label in labels]
    said = {
        name: [judge_reading(read(one.picture), one.metadata).strict for one in seen] for name, read in CHECKERS.items()
    }

    def share(name: str, of: Sequence[int]) -> float:
        return float(np.mean([said[name][row] == person[row] for row in of]))

    folders = {name: [row for row, one in enumerate(seen) if one.folder == name] for name in {o.folder for o in seen}}
    return {
        "pictures": len(seen),
        "right_to_the_person": float(np.mean(person)),
        "agreement": {name: share(name, range(len(seen))) for name in said},
        "by_folder": {name: {checker: share(checker, rows) for checker in said} for name, rows in folders.items()},
        "a_and_b_agree": float(np.mean(np.equal(said["A"], said["B"]))),
        "b_differs_on": [row + 1 for row in range(len(seen)) if said["B"][row] != person[row]],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", help="folders that eval --out wrote")
    parser.add_argument("--count", type=int, default=200, metavar="K")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a JSON list of 0 and 1, in the sheets' order")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")


def main(options: argparse.Namespace) -> None:
    """Write contact sheets, or compare labels with the checkers. Raises UserError where there is nothing to do."""
    whole("count", options.count, len(options.folders), 10_000)
    seen = draw(options.folders, options.count, options.seed)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(sheets(seen), 1):
            page.save(options.sheets / f"{number:02d}.png")
        print(f"{len(seen)} pictures on {number} sheets in {options.sheets}")
    elif options.labels:
        try:
            labels = json.loads(options.labels.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise UserError(f"{options.labels} is no list of labels: {error}") from None
        figures = agreement(seen, labels)
        if options.json:
            write_json(options.json, figures)
        print(json.dumps(figures, indent=1))
    else:
        raise UserError("Say what to do: --sheets DIR to look, then --labels FILE to compare.")
