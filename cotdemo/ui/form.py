"""The form: settings as values of its components and back, and which of its buttons can be pressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..errors import UserError
from ..settings import Settings

Update = dict[str, Any]

NUMBERS = ("paths", "steps", "guidance", "temperature", "seed", "judge_from")
WORDS = ("stopping", "repaint")
OTHERS = (*NUMBERS, *WORDS)  # than prompt, method and model
FIELDS = ("prompt", "choice", *OTHERS, "fresh")


def buttons(busy: bool, anyway: bool = False) -> Update:
    return {
        "run": gr.update(interactive=not busy),
        "stop": gr.update(interactive=busy),
        "reflect": gr.update(interactive=not busy),
        "anyway": gr.update(visible=anyway, interactive=not busy),
    }


def chosen(choice: object, backend: str) -> tuple[object, str, object]:
    """Method, backend, model as ``Settings.checked`` takes them, from the value of ``Choices``."""
    choice = choice if isinstance(choice, Mapping) else {}
    return choice.get("method"), backend, choice.get("model")


def filled(settings: Settings) -> Update:
    """The form with these settings in it, all of them, the seed as it is."""
    others = {name: getattr(settings, name) for name in OTHERS}
    choice = {"method": settings.method, "model": settings.model}
    return {"prompt": settings.prompt, "choice": choice, **others, "fresh": False}


def left_out(settings: Settings) -> list[str]:
    """What these settings ask for that the form cannot say: names with their values."""
    others = {name: getattr(settings, name) for name in OTHERS}
    told = Settings.checked(settings.prompt, settings.method, settings.backend, settings.model, **others).as_dict()
    return [f"{name} {value}" for name, value in settings.as_dict().items() if told[name] != value]


def from_address(query: Mapping[str, str], backend: str) -> Update:
    """The form with what an address asks for; what it does not name stays. Raises UserError."""
    given = {name: query[name] for name in ("prompt", "method", "model", *WORDS) if name in query}
    numbers = {name: _parsed(name, query[name]) for name in NUMBERS if name in query}
    if not given and not numbers:
        return {}
    settings = Settings.checked(**{"prompt": "a", **given, "backend": backend, **numbers})
    update: Update = {name: getattr(settings, name) for name in numbers}
    if "prompt" in given:
        update["prompt"] = settings.prompt
    update |= {name: getattr(settings, name) for name in WORDS if name in given}
    if "seed" in numbers:
        update["fresh"] = False
    if given.keys() & {"method", "model"}:
        update["choice"] = {"method": settings.method, "model": settings.model}
    return update


def _parsed(name: str, text: str) -> float:
    try:
        return float(text[:40])
    except ValueError:
        raise UserError(f"{name} must be a number.") from None
