"""The registry and the settings as the page's JavaScript gets them: plain data, JSON-safe."""

from __future__ import annotations

from typing import Any

from ..fields import MAX_SIDE, OneOf
from ..registry import BACKENDS, CORRECTOR, METHODS, MODELS, VERIFIERS, offers
from ..run.events import MAX_EVENTS, MOST_REQUIREMENTS
from ..settings import MOST_ROUNDS, PATHS, SETTINGS, STEPS, Setting
from .form import ADDRESS


def labels() -> dict[str, Any]:
    """What a run is told by: labels of methods and models, words of settings, the weights that take part, and the most
    that a trace may hold."""
    most = {
        "paths": PATHS[1], "steps": STEPS[1], "round": MOST_ROUNDS, "side": MAX_SIDE, "events": MAX_EVENTS,
        "requirements": MOST_REQUIREMENTS,
    }  # fmt: skip
    return {
        "methods": {
            name: {
                "label": method.label,
                "verifier": VERIFIERS[method.verifier].part,
                "watcher": VERIFIERS[method.watcher].part if method.watcher else "",
                "repaints": method.repaints,
            }
            for name, method in METHODS.items()
        },
        "models": {name: {"label": model.label, "part": model.part, "on": model.on} for name, model in MODELS.items()},
        "critics": {name: VERIFIERS[backend.critic].part for name, backend in BACKENDS.items()},
        "corrector": MODELS[CORRECTOR].part,
        "settings": [_told(setting) for setting in SETTINGS.values() if setting.said or _options(setting)],
        "most": most,
    }


def names() -> dict[str, dict[str, str]]:
    """What methods are called, and what follows that for models."""
    return {
        "methods": {name: method.label for name, method in METHODS.items()},
        "models": {name: model.on for name, model in MODELS.items()},
    }


def _told(setting: Setting) -> dict[str, Any]:
    """How a summary tells a setting (``Setting.words``)."""
    return {
        "name": setting.name,
        "said": setting.said,
        "options": _options(setting),
        "usual": None if setting.always else setting.usual,
    }


def _options(setting: Setting) -> dict[str, str]:
    options = setting.kind.options if isinstance(setting.kind, OneOf) and not setting.said else {}
    return {name: option.said for name, option in options.items() if getattr(option, "said", "")}


def choices_of(backend: str) -> dict[str, Any]:
    """Methods and models as [name, label, what it does there], and which go together on a backend."""
    row = BACKENDS[backend]
    return {
        "methods": [[name, method.label, method.about_on(row)] for name, method in METHODS.items()],
        "models": [[name, model.label, model.about] for name, model in MODELS.items()],
        "offers": [{"method": one.method, "model": one.model, "reason": one.reason} for one in offers(backend)],
    }


def settings_of(backend: str) -> list[dict[str, Any]]:
    """The settings that a link or a command names, in their order.

    ``usual`` is the value with which one is left out, null where it is always named; ``methods`` those it concerns.
    """
    found = []
    for name in ADDRESS:
        setting = SETTINGS[name]
        methods = setting.methods()
        value = None if setting.always or name == "prompt" else setting.default_for(methods[0], "base", backend)
        found.append({"name": name, "usual": value, "methods": methods})
    return found
