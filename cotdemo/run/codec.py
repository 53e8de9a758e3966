"""Events as JSON objects and back: the form of the trace file and of the page's stream (docs/trace.md).

Every event is an object with its class name as ``type`` and its fields by name, each as its kind writes it
(``cotdemo.fields``); the fields of a record within, such as the settings of ``RunStarted``, stand among the others.
Decoding takes nothing on trust: every field is checked, and whatever is wrong ends in a UserError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, get_args

from ..errors import UserError
from ..fields import Nested, Pixels
from .events import Event, StepDecoded

EVENTS: Mapping[str, type] = {event.__name__: event for event in get_args(Event)}


def encode_event(event: Event, images: bool = True) -> dict[str, Any]:
    """One event as a JSON-safe object; ``images=False`` leaves out the images of steps."""
    left_out = () if images or not isinstance(event, StepDecoded) else (Pixels,)
    return {"type": type(event).__name__, **_encoded(event, left_out)}


def _encoded(record: Any, left_out: tuple[type, ...]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for one in fields(record):
        kind, value = one.metadata["kind"], getattr(record, one.name)
        if isinstance(kind, Nested):
            message |= _encoded(value, left_out)
        elif not isinstance(kind, left_out) and not (value is None and one.default is None):
            message[one.name] = kind.encode(value, record)
    return message


def decode_event(message: object) -> Event:
    """The inverse of ``encode_event`` for an object from anywhere. Raises UserError unless every field is valid."""
    if not isinstance(message, Mapping):
        raise UserError("an event must be an object")
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in EVENTS:
        raise UserError(f"{ascii(kind)[:40]} is no type of event")
    known = _known(kind)
    unknown = [name for name in message if name not in known]
    if unknown:
        raise UserError(f"{kind} has no field {ascii(unknown[0])[:40]}")
    return _decoded(EVENTS[kind], kind, message)


def _decoded(record: type, prefix: str, message: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for one in _fields(record):
        kind, name = one.metadata["kind"], one.name
        if isinstance(kind, Nested):
            values[name] = _decoded(kind.type, prefix, message)
        elif name in message:
            values[name] = kind.decode(f"{prefix}.{name}", message[name], values)
        elif not is_optional(one):
            raise UserError(f"{prefix} lacks its field {name}")
    return record(**values)


def is_optional(one: Field) -> bool:
    """Whether a trace may lack a field."""
    return not (one.default is one.default_factory is MISSING)


@cache  # a trace holds up to 20,000 events of a few kinds
def _known(kind: str) -> frozenset[str]:
    """The names that an event of that kind may hold."""
    return frozenset({"type", *(one.name for one in _flat(EVENTS[kind]))})


@cache
def _fields(record: type) -> tuple[Field, ...]:
    return fields(record)


def _flat(record: type) -> list[Field]:
    """The fields of a record and of those within it."""
    found: list[Field] = []
    for one in fields(record):
        kind = one.metadata["kind"]
        found += _flat(kind.type) if isinstance(kind, Nested) else [one]
    return found
