"""Events as JSON objects and back: the form of the trace file and of the page's stream (docs/trace.md).

Every event is an object with its class name as ``type`` and its fields by name. What is bulky is packed: codes as
16-bit numbers, masks as bits, confidences as bytes, pictures as WebP. Each field has one codec, so that what is written
and what is accepted stand side by side. Decoding takes nothing on trust: every field is checked, and whatever is wrong
ends in a UserError.
"""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
from PIL import Image

from .errors import UserError
from .events import (
    QUESTIONS,
    Checked,
    Critiqued,
    Event,
    Judged,
    PathPruned,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)
from .settings import (
    BACKENDS,
    GUIDANCE,
    MAX_PROMPT,
    METHODS,
    MODELS,
    PATHS,
    REPAINTS,
    ROUNDS,
    SEED,
    STEPS,
    STOPPINGS,
    TEMPERATURE,
    VERDICTS,
    flag,
    number,
    plain_text,
    whole,
)

MAX_SIDE = 64  # tokens along one side of a grid
MAX_TOKENS = MAX_SIDE**2
MAX_CODEBOOK = 2**16  # a code is packed into 16 bits
MAX_WORDS = 1000  # characters of a critique, a reason, a message
THUMBNAIL = 96  # longest side of a step's picture in pixels
PICTURE = 1024  # longest side of a round's picture
MAX_PICTURE_BYTES = 400_000


def encode_event(event: Event, pictures: bool = True) -> dict[str, Any]:
    """One event as a JSON-safe object; ``pictures=False`` leaves out the pictures of steps."""
    message: dict[str, Any] = {"type": type(event).__name__}
    for name, codec in _SCHEMA[type(event)].items():
        value = getattr(event, name)
        if name == "picture" and (value is None or (isinstance(event, StepDecoded) and not pictures)):
            continue
        if name == "passes" and value is None:
            continue
        message[name] = codec.encode(value, event)
    return message


def decode_event(message: object) -> Event:
    """The inverse of ``encode_event`` for an object from anywhere. Raises UserError unless every field is valid."""
    if not isinstance(message, Mapping):
        raise UserError("an event must be an object")
    kind = message.get("type")
    kinds = {kind.__name__: kind for kind in _SCHEMA}
    if not isinstance(kind, str) or kind not in kinds:
        raise UserError(f"{ascii(kind)[:40]} is no type of event")
    schema = _SCHEMA[kinds[kind]]
    unknown = [name for name in message if name != "type" and name not in schema]
    if unknown:
        raise UserError(f"{kind} has no field {ascii(unknown[0])[:40]}")
    required = {field.name for field in fields(kinds[kind]) if field.default is field.default_factory is MISSING}
    values: dict[str, Any] = {}
    for name, codec in schema.items():
        if name in message:
            values[name] = codec.decode(f"{kind}.{name}", message[name], values)
        elif name in required:
            raise UserError(f"{kind} lacks its field {name}")
    return kinds[kind](**values)


@dataclass(frozen=True)
class _Codec:
    encode: Callable[[Any, Event], Any]  # value, its event -> JSON value
    decode: Callable[[str, Any, Mapping[str, Any]], Any]  # field name, JSON value, fields before it -> value


def _as_is(check: Callable[..., Any], *limits: Any) -> _Codec:
    return _Codec(lambda value, _: value, lambda name, value, _: check(name, value, *limits))


def _whole(low: int, high: int) -> _Codec:
    return _as_is(whole, low, high)


def _number(low: float, high: float, digits: int | None = None) -> _Codec:
    encode = (lambda value, _: float(value)) if digits is None else (lambda value, _: round(float(value), digits))
    return _Codec(encode, lambda name, value, _: number(name, value, low, high))


def _text(most: int, least: int = 0) -> _Codec:
    return _as_is(plain_text, most, least)


def _choice(known: Mapping[str, Any] | tuple[str, ...]) -> _Codec:
    def decode(name: str, value: object, _: Mapping[str, Any]) -> str:
        if not isinstance(value, str) or value not in known:
            raise UserError(f"{name} must be one of {', '.join(known)}")
        return value

    return _Codec(lambda value, _: value, decode)


def _or_none(codec: _Codec) -> _Codec:
    return _Codec(
        lambda value, event: None if value is None else codec.encode(value, event),
        lambda name, value, before: None if value is None else codec.decode(name, value, before),
    )


def _wholes(low: int, high: int, least: int, most: int) -> _Codec:
    def decode(name: str, value: object, _: Mapping[str, Any]) -> tuple[int, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise UserError(f"{name} must be a list of {least} to {most} numbers")
        return tuple(whole(name, item, low, high) for item in value)

    return _Codec(lambda value, _: list(value), decode)


def _decode_weights(name: str, value: object, _: Mapping[str, Any]) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 16:
        raise UserError(f"{name} must be an object of at most 16 hashes")
    return {plain_text(name, key, 60): plain_text(name, item, 80) for key, item in value.items()}


def _pack(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _unpack(name: str, value: object, most: int) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * (most // 3 + 1):
        raise UserError(f"{name} must be at most {most} bytes in base64")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise UserError(f"{name} is not valid base64") from None


def _decode_codes(name: str, value: object, _: Mapping[str, Any]) -> tuple[int, ...]:
    packed = _unpack(name, value, 2 * MAX_TOKENS)
    if len(packed) % 2:
        raise UserError(f"{name} must hold two bytes for each token")
    return tuple(np.frombuffer(packed, "<u2").tolist())


def _encode_masked(masked: tuple[int, ...], event: StepDecoded) -> str:
    bits = np.zeros(len(event.codes), bool)
    bits[list(masked)] = True
    return _pack(np.packbits(bits, bitorder="little"))


def _decode_masked(name: str, value: object, before: Mapping[str, Any]) -> tuple[int, ...]:
    tokens = len(before["codes"])
    packed = _unpack(name, value, MAX_TOKENS // 8)
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    if len(packed) != math.ceil(tokens / 8) or bits[tokens:].any():
        raise UserError(f"{name} must hold one bit for each token")
    return tuple(np.flatnonzero(bits).tolist())


def _encode_confidence(confidence: tuple[float, ...], _: Event) -> str:
    return _pack(np.rint(np.clip(np.asarray(confidence, float), 0, 1) * 255).astype(np.uint8))


def _decode_confidence(name: str, value: object, before: Mapping[str, Any]) -> tuple[float, ...]:
    packed = _unpack(name, value, MAX_TOKENS)
    if len(packed) != len(before["codes"]):
        raise UserError(f"{name} must hold one byte for each token")
    return tuple(byte / 255 for byte in packed)


_WEBP_URL = "data:image/webp;base64,"


def encode_picture(picture: np.ndarray, longest: int, lossless: bool) -> str:
    """A picture (height, width, 3) uint8 as a WebP data URL, made smaller where a side exceeds ``longest`` pixels."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, method=2, lossless=lossless)
    return _WEBP_URL + base64.b64encode(buffer.getvalue()).decode()


def decode_picture(name: str, url: object, longest: int) -> np.ndarray:
    """A picture (height, width, 3) uint8 from a WebP data URL; nothing is decoded before its size is known."""
    if not isinstance(url, str) or not url.startswith(_WEBP_URL):
        raise UserError(f"{name} must be a WebP picture as a data URL")
    packed = _unpack(name, url[len(_WEBP_URL) :], MAX_PICTURE_BYTES)
    width, height = _webp_size(name, packed)
    if not (1 <= width <= longest and 1 <= height <= longest):
        raise UserError(f"{name} is {width} x {height} pixels; at most {longest} x {longest} are accepted")
    try:
        with Image.open(io.BytesIO(packed), formats=["WEBP"]) as image:
            return np.array(image.convert("RGB"))
    except Exception:  # Pillow's decoders raise many kinds of errors on damaged data
        raise UserError(f"{name} is a damaged picture") from None


def _webp_size(name: str, packed: bytes) -> tuple[int, int]:
    """Width and height in a WebP header. Only plain pictures pass: no animation, no canvas larger than its data."""
    if len(packed) < 30 or packed[:4] != b"RIFF" or packed[8:12] != b"WEBP":
        raise UserError(f"{name} is no WebP picture")
    kind, (size, chunk) = packed[12:16], struct.unpack("<4xI8xI", packed[:20])
    if size + 8 != len(packed) or chunk + 20 > len(packed):
        raise UserError(f"{name} is a truncated picture")
    if kind == b"VP8 " and packed[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", packed[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and packed[20] == 0x2F:
        (bits,) = struct.unpack("<I", packed[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise UserError(f"{name} is no plain WebP picture")


# Pictures of steps are many, and their codes tell them exactly: small and lossy. A round's picture is what people look
# at: as it is, and to the bit where that costs little.
_STEP_PICTURE = _Codec(
    lambda picture, _: encode_picture(picture, THUMBNAIL, lossless=False),
    lambda name, value, _: decode_picture(name, value, THUMBNAIL),
)
_ROUND_PICTURE = _Codec(
    lambda picture, _: encode_picture(picture, PICTURE, lossless=max(picture.shape[:2]) <= THUMBNAIL),
    lambda name, value, _: decode_picture(name, value, PICTURE),
)

_ROUND, _PATH, _STEP = _whole(0, ROUNDS[1]), _whole(0, PATHS[1] - 1), _whole(0, STEPS[1] - 1)
_PROBABILITY, _FLAG, _COUNT = _number(0, 1), _as_is(flag), _whole(0, 10**9)
_CODES = _Codec(lambda codes, _: _pack(np.asarray(codes, "<u2")), _decode_codes)
_PLACE = {"round": _ROUND, "path": _PATH, "step": _STEP}

_SCHEMA: Mapping[type, Mapping[str, _Codec]] = {
    RunStarted: {
        "prompt": _text(MAX_PROMPT, least=1),
        "method": _choice(METHODS),
        "backend": _choice(BACKENDS),
        "model": _choice(MODELS),
        "paths": _whole(*PATHS),
        "steps": _whole(*STEPS),
        "guidance": _number(*GUIDANCE),
        "temperature": _number(*TEMPERATURE),
        "seed": _whole(*SEED),
        "rounds": _ROUND,
        "grid": _wholes(1, MAX_SIDE, 2, 2),
        "codebook": _whole(2, MAX_CODEBOOK),
        "picture_size": _wholes(1, 4096, 2, 2),
        "weights": _Codec(lambda weights, _: dict(weights), _decode_weights),
        "verdicts": _choice(VERDICTS),
        "original": _FLAG,
        "judge_from": _whole(*STEPS),
        "stopping": _choice(STOPPINGS),
        "repaint": _choice(REPAINTS),
    },
    RoundStarted: {
        "round": _ROUND,
        "model": _choice(MODELS),
        "critique": _text(MAX_WORDS),
        "picture": _ROUND_PICTURE,
    },
    StepDecoded: {
        **_PLACE,
        "codes": _CODES,
        "masked": _Codec(_encode_masked, _decode_masked),
        "confidence": _Codec(_encode_confidence, _decode_confidence),
        "picture": _STEP_PICTURE,
        "passes": _COUNT,
    },
    Judged: {
        **_PLACE,
        "question": _choice(QUESTIONS),
        "p_yes": _PROBABILITY,
        "p_no": _PROBABILITY,
        "answer": _choice(("yes", "no", "neither")),
    },
    PathPruned: {**_PLACE, "p_no": _PROBABILITY},
    Winner: {
        "round": _ROUND,
        "path": _PATH,
        "survivors": _wholes(0, PATHS[1] - 1, 0, PATHS[1]),
        "p_yes": _or_none(_PROBABILITY),
        "fallback": _FLAG,
        "codes": _CODES,
        "picture": _ROUND_PICTURE,
    },
    Critiqued: {"round": _ROUND, "text": _text(MAX_WORDS), "done": _FLAG},
    Checked: {"round": _ROUND, "path": _PATH, "correct": _FLAG, "strict": _FLAG, "reason": _text(MAX_WORDS)},
    Progress: {"message": _text(MAX_WORDS)},
    RunFinished: {
        "round": _ROUND,
        "path": _PATH,
        "seconds": _number(0, 1e9, digits=3),
        "generator_passes": _COUNT,
        "judge_passes": _COUNT,
        "pictures_decoded": _COUNT,
        "passes_saved": _COUNT,
    },
}
