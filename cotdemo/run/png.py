"""Images that carry the settings they were made with, in a text chunk of the PNG file.

Reading walks the chunks by hand and decompresses nothing, so neither a giant image nor a compressed text can do harm.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import UserError
from ..fields import each_once
from ..files import whole_file
from ..settings import Settings

KEYWORD = "cotdemo"
MAX_BYTES = 32_000_000
MAX_SIDE = 4096  # pixels
MAX_TEXT = 16_000  # bytes of one text chunk
MAX_CHUNKS = 20_000

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def write_png(target: str | os.PathLike[str] | BinaryIO, image: np.ndarray, settings: Settings) -> None:
    """Write an image (height, width, 3) uint8 as PNG, with ``settings`` as JSON in a tEXt chunk named "cotdemo".

    A file is written whole or not at all; raises OSError, with its name, where it cannot.
    """
    info = PngInfo()
    info.add_text(KEYWORD, json.dumps(settings.as_dict(), allow_nan=False))
    opened = nullcontext(target) if hasattr(target, "write") else whole_file(target)
    with opened as file:
        Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG", pnginfo=info)


def read_png_settings(source: str | os.PathLike[str] | BinaryIO) -> Settings:
    """The settings that ``write_png`` put into a file. Raises UserError for anything else, whatever it is."""
    start = KEYWORD.encode() + b"\0"
    # all chunks are walked over, so that a file cut off after the settings is refused, too
    texts = [body for kind, body in _chunks(_read(source)) if kind == b"tEXt" and body.startswith(start)]
    if not texts:
        raise UserError("This PNG carries no settings of this app.")
    try:
        values = json.loads(texts[0][len(start) :].decode("latin-1"), object_pairs_hook=each_once)
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError("The settings in this PNG are damaged.") from None
    return Settings.from_dict(values)


def _read(source: str | os.PathLike[str] | BinaryIO) -> bytes:
    try:
        if hasattr(source, "read"):
            data = source.read(MAX_BYTES + 1)
        else:
            with open(source, "rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"The PNG cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise UserError(f"This file is too large: at most {MAX_BYTES // 1_000_000} MB are read.")
    return data


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each chunk in turn. Raises UserError at the first that is damaged or out of bounds."""
    if not data.startswith(SIGNATURE):
        raise UserError("This is not a PNG file.")
    place = len(SIGNATURE)
    for count in range(MAX_CHUNKS):
        if place + 12 > len(data):
            raise UserError("This PNG is truncated.")
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind in _TEXTS and length > MAX_TEXT:
            raise UserError(f"This PNG holds a text of {length} bytes; at most {MAX_TEXT} are accepted.")
        if place + 12 + length > len(data):
            raise UserError("This PNG is truncated.")
        body = data[place + 8 : place + 8 + length]
        (sum_in_file,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        if zlib.crc32(kind + body) != sum_in_file:
            raise UserError("This PNG is damaged: a checksum is wrong.")
        if (count == 0) != (kind == b"IHDR") or (count == 0 and length != 13):
            raise UserError("This PNG is damaged: it must begin with its header.")
        if count == 0 and not all(1 <= side <= MAX_SIDE for side in struct.unpack(">II", body[:8])):
            raise UserError(f"This image is too large: at most {MAX_SIDE} x {MAX_SIDE} pixels are accepted.")
        if kind == b"IEND":
            return
        yield kind, body
        place += 12 + length
    raise UserError("This PNG holds too many chunks.")
