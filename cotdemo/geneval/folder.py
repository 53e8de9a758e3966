"""Images in the folder layout that GenEval's official evaluator reads (github djghosh13/geneval).

``OUT/00007/metadata.jsonl`` holds a prompt's object, ``OUT/00007/samples/0000.png`` and so on its images.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..errors import UserError
from ..files import write_text
from ..run.png import MAX_BYTES, MAX_SIDE, write_png
from ..settings import Settings
from .metadata import checked

MAX_METADATA = 100_000  # bytes
_NUMBER, _IMAGE = re.compile(r"[0-9]{1,12}"), re.compile(r"[0-9]{1,12}\.png")

Place = tuple[str, str]  # a prompt's folder and an image's file in it, by name


@dataclass(frozen=True)
class Sample:
    """One image of a prompt."""

    file: Path
    metadata: Mapping[str, Any]

    @property
    def place(self) -> Place:
        return place_of(str(self.file))


def place_of(file: str) -> Place:
    """The place of an image's file, however the folder was written."""
    parts = file.replace("\\", "/").rsplit("/", 3)
    return (parts[-3] if len(parts) > 2 else "", parts[-1])


def samples(folder: Path) -> list[Sample]:
    """All images of a folder, in order. Raises UserError where it has none, or a prompt's object is unreadable."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder.")
    found = []
    for prompt in sorted((one for one in folder.iterdir() if _NUMBER.fullmatch(one.name)), key=_number):
        if not prompt.is_dir():
            continue
        metadata = _metadata(prompt / "metadata.jsonl")
        inside = prompt / "samples"
        files = inside.iterdir() if inside.is_dir() else ()
        images = sorted((file for file in files if _IMAGE.fullmatch(file.name) and file.is_file()), key=_number)
        found += [Sample(file, metadata) for file in images]
    if not found:
        raise UserError(
            f"{folder} holds no images in GenEval's layout: 00000/metadata.jsonl, 00000/samples/0000.png and so on. "
            "eval --metadata FILE --out FOLDER writes it."
        )
    return found


def _number(path: Path) -> tuple[int, str]:
    return int(path.stem), path.name


def _metadata(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_METADATA + 1)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        if len(data) > MAX_METADATA:
            raise UserError("it is too large")
        return checked(json.loads(data.decode()))
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, UserError) else "it is no JSON"
        raise UserError(f"{file} is not GenEval's metadata of one prompt: {why}.") from None


def read_image(file: Path) -> Image.Image:
    """The RGB image of a file, turned as it says of itself. Raises UserError for one that is damaged or too large."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise UserError(f"{file} is too large: at most {MAX_BYTES // 1_000_000} MB are read.")
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
            if max(image.size) > MAX_SIDE:
                raise UserError(f"{file} is too large: at most {MAX_SIDE} x {MAX_SIDE} pixels are read.")
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{file} has more than 8 bits a colour: save it with 8.")
            return ImageOps.exif_transpose(image).convert("RGB")
    except UserError:
        raise
    except Exception as error:  # whatever decoders come to with a hostile file
        raise UserError(f"{file} is no image, or damaged ({type(error).__name__}): paint it anew.") from error


# -- written


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


def image_file(out: Path, entry: Entry) -> Path:
    return out / f"{entry.index:05d}" / "samples" / f"{entry.sample:04d}.png"


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
