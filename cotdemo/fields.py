"""Kinds of values: what is accepted, in which words anything else is refused, how it is written, how it is described.

A field of ``Settings`` and of every event names its kind, once (``declared``). What takes values from outside goes by
it: trace files, PNG metadata, the command line, the form, the address, the API. Each kind checks (``check``), writes a
JSON value (``encode``) and reads one back (``decode``); what is bulky is packed: codes as 16-bit numbers, masks as
bits, confidences as bytes, images as WebP. Nothing is taken on trust: whatever is wrong ends in a UserError.
"""

from __future__ import annotations

import base64
import io
import math
import struct
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, TypeGuard, cast

import numpy as np
from PIL import Image

from .errors import UserError

MAX_SIDE = 64  # tokens along one side of a grid
MAX_TOKENS = MAX_SIDE**2
THUMBNAIL = 96  # longest side of a step's image in pixels
IMAGE = 1024  # longest side of a round's image
SMALL = 128  # longest side of an image, such as the embedded model's, that costs little
MAX_IMAGE_BYTES = 400_000


# -- what a field declares


def declared(kind: FieldKind, about: str = "", **options: Any) -> Any:
    """A dataclass field of a kind, with a sentence about it for those who read its values; ``options`` are field's."""
    return field(metadata={"kind": kind, "about": about}, **options)


class FieldKind:
    """A kind of values. ``python`` is their type, ``words`` say what is accepted, in Markdown."""

    python: type = object

    @property
    def words(self) -> str:
        return ""

    def check(self, name: str, value: object) -> Any:
        """``value`` as it is used. Raises UserError, naming it ``name``, where it is none of this kind."""
        raise NotImplementedError

    def parse(self, name: str, text: str) -> Any:
        """The value that a text, of an address or a shell, stands for. Raises UserError."""
        return self.check(name, text)

    def encode(self, value: Any, record: Any) -> Any:
        """The JSON value of a field of ``record``."""
        return value

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> Any:
        """The inverse, for a JSON value from anywhere; ``before`` are the fields before it. Raises UserError."""
        return self.check(name, value)


# -- plain values


@dataclass(frozen=True)
class Whole(FieldKind):
    """A whole number; a float without a fraction passes (web forms send them so), a bool or a text does not."""

    low: int
    high: int
    python = int

    @property
    def words(self) -> str:
        return f"{self.low} to {self.high}"

    def check(self, name: str, value: object) -> int:
        return whole(name, value, self.low, self.high)

    def parse(self, name: str, text: str) -> int:
        return self.check(name, _number_in(name, text))


@dataclass(frozen=True)
class Number(FieldKind):
    """A finite number; ``digits`` are those that are written after the point (all, where it is None)."""

    low: float
    high: float
    digits: int | None = None
    python = float

    @property
    def words(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def check(self, name: str, value: object) -> float:
        return number(name, value, self.low, self.high)

    def parse(self, name: str, text: str) -> float:
        return self.check(name, _number_in(name, text))

    def encode(self, value: float, record: Any) -> float:
        return float(value) if self.digits is None else round(float(value), self.digits)


@dataclass(frozen=True)
class Flag(FieldKind):
    python = bool
    words = "true or false"

    def check(self, name: str, value: object) -> bool:
        return flag(name, value)

    def parse(self, name: str, text: str) -> bool:
        return self.check(name, {"true": True, "false": False}.get(text, text))


@dataclass(frozen=True)
class Text(FieldKind):
    """One line of plain text."""

    most: int
    least: int = 0
    python = str

    @property
    def words(self) -> str:
        return f"text, one line, at most {self.most} characters" + (", not empty" if self.least else "")

    def check(self, name: str, value: object) -> str:
        return plain_text(name, value, self.most, self.least)


@dataclass(frozen=True)
class Option:
    """One of several values: as the form and tables call it, and what it means; ``said`` is its word in a summary."""

    label: str
    about: str = ""
    said: str = ""


@dataclass(frozen=True)
class OneOf(FieldKind):
    """One of ``options``, by name; they may be a table that grows, as those of ``cotdemo.registry`` do."""

    options: Mapping[str, Any]
    python = str

    @property
    def words(self) -> str:
        return ", ".join(f"`{name}`" for name in self.options)

    def check(self, name: str, value: object) -> str:
        return among(name, value, self.options)


@dataclass(frozen=True)
class OrNone(FieldKind):
    kind: FieldKind

    @property
    def words(self) -> str:
        return f"{self.kind.words}, or null"

    def encode(self, value: Any, record: Any) -> Any:
        return None if value is None else self.kind.encode(value, record)

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> Any:
        return None if value is None else self.kind.decode(name, value, before)


def _listed(name: str, value: object, least: int, most: int, of: str = "") -> list[object]:
    """``value``, if it is a list of so many. Raises UserError, which may say ``of`` what."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise UserError(f"{name} must be a list of {least} to {most}{of}")
    return value


@dataclass(frozen=True)
class Wholes(FieldKind):
    """A tuple of ``least`` to ``most`` whole numbers."""

    low: int
    high: int
    least: int
    most: int

    @property
    def words(self) -> str:
        many = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        return f"list of {many} numbers, each {self.low} to {self.high}"

    def encode(self, value: tuple[int, ...], record: Any) -> list[int]:
        return list(value)

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> tuple[int, ...]:
        items = _listed(name, value, self.least, self.most, " numbers")
        return tuple(whole(name, item, self.low, self.high) for item in items)


@dataclass(frozen=True)
class Several(FieldKind):
    """A tuple of ``least`` to ``most`` values of one kind, which are written as they are."""

    kind: FieldKind
    least: int
    most: int

    @property
    def words(self) -> str:
        return f"list of {self.least} to {self.most}, each: {self.kind.words}"

    def encode(self, value: tuple[Any, ...], record: Any) -> list[Any]:
        return [self.kind.encode(item, record) for item in value]

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(self.kind.decode(name, item, before) for item in _listed(name, value, self.least, self.most))


@dataclass(frozen=True)
class Hashes(FieldKind):
    """Short texts by short names."""

    words = "object of at most 16 hashes"

    def encode(self, value: Mapping[str, str], record: Any) -> dict[str, str]:
        return dict(value)

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> dict[str, str]:
        if not isinstance(value, dict) or len(value) > 16:
            raise UserError(f"{name} must be an object of at most 16 hashes")
        return {plain_text(name, key, 60): plain_text(name, item, 80) for key, item in value.items()}


@dataclass(frozen=True)
class Nested(FieldKind):
    """Another record with declared fields, whose fields stand among those of the record that it is in."""

    type: type


# -- packed values of the N tokens of an image

# One object for each value: a trace of 8 MB holds millions of them.
_SHARES = tuple(byte / 255 for byte in range(256))
_POSITIONS = tuple(range(MAX_TOKENS))


@dataclass(frozen=True)
class Codes(FieldKind):
    """N codes, as 16-bit numbers."""

    words = "*codes*"

    def encode(self, value: tuple[int, ...], record: Any) -> str:
        return _pack(np.asarray(value, "<u2"))

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> tuple[int, ...]:
        packed = _unpack(name, value, 2 * MAX_TOKENS)
        if len(packed) % 2:
            raise UserError(f"{name} must hold two bytes for each token")
        return tuple(np.frombuffer(packed, "<u2").tolist())


@dataclass(frozen=True)
class Positions(FieldKind):
    """Some of the positions of the record's ``codes``, as bits."""

    words = "*mask*"

    def encode(self, value: tuple[int, ...], record: Any) -> str:
        bits: np.ndarray = np.zeros(len(record.codes), bool)
        bits[list(value)] = True
        return _pack(np.packbits(bits, bitorder="little"))

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> tuple[int, ...]:
        tokens = len(before["codes"])
        packed = _unpack(name, value, MAX_TOKENS // 8)
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
        if len(packed) != math.ceil(tokens / 8) or bits[tokens:].any():
            raise UserError(f"{name} must hold one bit for each token")
        return tuple(map(_POSITIONS.__getitem__, np.flatnonzero(bits)))


@dataclass(frozen=True)
class Shares(FieldKind):
    """N numbers from 0 to 1, as bytes."""

    words = "*bytes*"

    def encode(self, value: tuple[float, ...], record: Any) -> str:
        return _pack(np.rint(np.clip(np.asarray(value, float), 0, 1) * 255).astype(np.uint8))

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> tuple[float, ...]:
        packed = _unpack(name, value, MAX_TOKENS)
        if len(packed) != len(before["codes"]):
            raise UserError(f"{name} must hold one byte for each token")
        return tuple(map(_SHARES.__getitem__, packed))


@dataclass(frozen=True)
class Pixels(FieldKind):
    """An image (height, width, 3) uint8, no side above ``longest``; exact where no side exceeds ``exact`` pixels."""

    longest: int
    exact: int = 0

    @property
    def words(self) -> str:
        exactness = f"exact where no side exceeds {self.exact} pixels" if self.exact else "lossy"
        return f"*image*, at most {self.longest} x {self.longest} pixels, {exactness}"

    def encode(self, value: np.ndarray, record: Any) -> str:
        return encode_image(value, self.longest, lossless=max(value.shape[:2]) <= self.exact)

    def decode(self, name: str, value: object, before: Mapping[str, Any]) -> np.ndarray:
        return decode_image(name, value, self.longest)


def _pack(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _unpack(name: str, value: object, most: int) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * (most // 3 + 1):
        raise UserError(f"{name} must be at most {most} bytes in base64")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise UserError(f"{name} is not valid base64") from None


_WEBP_URL = "data:image/webp;base64,"


def encode_image(image: np.ndarray, longest: int, lossless: bool) -> str:
    """An image (height, width, 3) uint8 as a WebP data URL, made smaller where a side exceeds ``longest`` pixels."""
    smaller = Image.fromarray(np.ascontiguousarray(image))
    smaller.thumbnail((longest, longest))
    buffer = io.BytesIO()
    smaller.save(buffer, "WEBP", quality=85, method=2, lossless=lossless)
    return _WEBP_URL + base64.b64encode(buffer.getvalue()).decode()


def decode_image(name: str, url: object, longest: int) -> np.ndarray:
    """An image (height, width, 3) uint8 from a WebP data URL; nothing is decoded before its size is known."""
    if not isinstance(url, str) or not url.startswith(_WEBP_URL):
        raise UserError(f"{name} must be a WebP image as a data URL")
    packed = _unpack(name, url[len(_WEBP_URL) :], MAX_IMAGE_BYTES)
    width, height = _webp_size(name, packed)
    if not (1 <= width <= longest and 1 <= height <= longest):
        raise UserError(f"{name} is {width} x {height} pixels; at most {longest} x {longest} are accepted")
    try:
        with Image.open(io.BytesIO(packed), formats=["WEBP"]) as image:
            return np.array(image.convert("RGB"))
    except Exception:  # Pillow's decoders raise many kinds of errors on damaged data
        raise UserError(f"{name} is a damaged image") from None


def _webp_size(name: str, packed: bytes) -> tuple[int, int]:
    """Width and height in a WebP header. Only plain images pass: no animation, no canvas larger than its data."""
    if len(packed) < 30 or packed[:4] != b"RIFF" or packed[8:12] != b"WEBP":
        raise UserError(f"{name} is no WebP image")
    kind, (size, chunk) = packed[12:16], struct.unpack("<4xI8xI", packed[:20])
    if size + 8 != len(packed) or chunk + 20 > len(packed):
        raise UserError(f"{name} is a truncated image")
    if kind == b"VP8 " and packed[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", packed[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and packed[20] == 0x2F:
        (bits,) = struct.unpack("<I", packed[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise UserError(f"{name} is no plain WebP image")


# -- checks, also for what is no field


def whole(name: str, value: object, low: int, high: int) -> int:
    """``value`` as an int within ``low..high``; a float without a fraction passes, a bool or a text does not."""
    if not _within(value, low, high) or value != int(value):
        raise UserError(f"{name} must be a whole number from {low} to {high}.")
    return int(value)


def number(name: str, value: object, low: float, high: float) -> float:
    """``value`` as a float within ``low..high``; a bool or a text does not pass, nor does NaN."""
    if not _within(value, low, high):
        raise UserError(f"{name} must be a number from {low:g} to {high:g}.")
    return float(value)


def _within(value: object, low: float, high: float) -> TypeGuard[float]:
    # compared as it is: a huge int has no float, and NaN is within nothing
    return isinstance(value, Real) and not isinstance(value, bool) and low <= cast(float, value) <= high


def _number_in(name: str, text: str) -> float:
    try:
        return float(text[:40])
    except ValueError:
        raise UserError(f"{name} must be a number.") from None


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{name} must be true or false.")
    return value


_BIDI_CONTROLS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain_text(name: str, value: object, most: int, least: int = 1) -> str:
    """``value`` without outer blanks, ``least..most`` characters of one line.

    Control characters, halves of surrogate pairs and direction overrides are refused: they cannot be written to a file
    or can make a text look like another one.
    """
    if not isinstance(value, str):
        raise UserError(f"{name} must be a text.")
    # measured before anything walks over it: a client may send megabytes
    if len(value) > 2 * most + 100:
        raise UserError(f"{name} must have at most {most} characters.")
    text = value.strip()
    if len(text) < least:
        raise UserError(f"The {name} is empty: write at least {least} character{'s' if least > 1 else ''}.")
    if len(text) > most:
        raise UserError(f"{name} must have at most {most} characters; it has {len(text)}.")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS:
            raise UserError(f"{name} must be one line without control characters; it holds U+{ord(character):04X}.")
    return text


def among(name: str, value: object, known: Collection[str]) -> str:
    """``value`` where it is one of the names ``known``."""
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{ascii(value)[:40]} is no {name} of this app; there are {', '.join(known)}.")
    return value


def each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object (json's ``object_pairs_hook``) whose names differ: readers do not agree which of two counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UserError(f"{ascii(name)[:40]} is named twice in one object.")
        found[name] = value
    return found
