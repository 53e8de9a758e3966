"""The form: settings as components and their values, both ways, and which of its buttons can be pressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..fields import Flag, OneOf
from ..settings import SETTINGS, Setting, Settings

Update = dict[str, Any]

CHOICE = ("method", "model")  # one component has both
OTHERS = tuple(name for name, setting in SETTINGS.items() if setting.on_form)  # a component each
_AFTER_SEED = OTHERS.index("seed") + 1
FIELDS = ("prompt", "choice", *OTHERS[:_AFTER_SEED], "fresh", *OTHERS[_AFTER_SEED:])
ADDRESS = ("prompt", *CHOICE, *OTHERS)  # what an address may name


def start(prompt: str, backend: str) -> dict[str, Any]:
    """The form as it is at first."""
    settings = Settings.checked(prompt, backend=backend, seed=0)
    idle = [SETTINGS[name] for name in OTHERS if settings.method not in SETTINGS[name].methods()]
    own = {setting.name: setting.default_for(setting.methods()[0], settings.model, backend) for setting in idle}
    return {name: getattr(settings, name) for name in ADDRESS} | own | {"fresh": True}


def component(setting: Setting, value: Any, name: str | None = None, **options: Any) -> gr.components.Component:
    """What a setting is set by; ``name`` is what the page calls it, by default as the setting."""
    words = {"label": setting.label, "info": setting.note or None, "elem_id": name or setting.name, **options}
    if isinstance(setting.kind, OneOf):
        choices = [(option.label, name) for name, option in setting.kind.options.items()]
        return gr.Radio(choices, value=value, **words)
    if isinstance(setting.kind, Flag):
        return gr.Checkbox(value=value, **words)
    low, high = setting.kind.low, setting.kind.high
    if not setting.step:
        return gr.Number(value, precision=0, minimum=low, maximum=high, **words)
    return gr.Slider(low, high, value=value, step=setting.step, **words)


def buttons(busy: bool, anyway: bool = False, chosen: bool = True) -> Update:
    """``chosen`` is whether there is an image to reflect on."""
    return {
        "run": gr.update(interactive=not busy),
        "stop": gr.update(interactive=busy),
        # its place is the other's: nothing moves
        "reflect": gr.update(visible=not anyway, interactive=chosen and not busy),
        "anyway": gr.update(visible=anyway, interactive=not busy),
    }


def asked(values: Mapping[str, Any], backend: str) -> Settings:
    """The settings in the values of ``FIELDS``; one that is not there has its default. Raises UserError."""
    choice = values["choice"] if isinstance(values["choice"], Mapping) else {}
    others = {name: values[name] for name in OTHERS if name in values}
    if values["fresh"]:
        others["seed"] = None
    return Settings.checked(values["prompt"], choice.get("method"), backend, choice.get("model"), **others)


def filled(settings: Settings) -> Update:
    """The form with these settings in it, the seed as it is; what does not concern their method stays."""
    others = {name: getattr(settings, name) for name in OTHERS if settings.method in SETTINGS[name].methods()}
    choice = {name: getattr(settings, name) for name in CHOICE}
    return {"prompt": settings.prompt, "choice": choice, **others, "fresh": False}


def left_out(settings: Settings) -> list[str]:
    """What these settings ask for that the form cannot say: names with their values."""
    others = {name: getattr(settings, name) for name in OTHERS}
    told = Settings.checked(settings.prompt, settings.method, settings.backend, settings.model, **others).as_dict()
    return [f"{name} {value}" for name, value in settings.as_dict().items() if told[name] != value]


def from_address(query: Mapping[str, str], backend: str) -> Update:
    """The form with what an address asks for; what it does not name stays. Raises UserError."""
    given = {name: SETTINGS[name].kind.parse(name, query[name]) for name in ADDRESS if name in query}
    if not given:
        return {}
    settings = Settings.checked(**{"prompt": "a", **given, "backend": backend})
    update: Update = {name: getattr(settings, name) for name in ("prompt", *OTHERS) if name in given}
    if "seed" in given:
        update["fresh"] = False
    if given.keys() & set(CHOICE):
        update["choice"] = {name: getattr(settings, name) for name in CHOICE}
    return update
