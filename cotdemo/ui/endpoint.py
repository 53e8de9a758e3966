"""A function that takes settings, as Gradio reads it: its parameters and descriptions derive from ``SETTINGS``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..fields import OneOf
from ..settings import SETTINGS, Setting


def taking_settings(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call(prompt, **settings)`` with every setting but the backend as a parameter of its own, described."""
    known = [setting for name, setting in SETTINGS.items() if name != "backend"]

    @wraps(call)
    def endpoint(*values: Any, **named: Any) -> dict[str, Any]:
        given = dict(zip((setting.name for setting in known), values)) | named
        return call(**given)

    types = {setting.name: _type(setting) for setting in known}
    parameters = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if setting.name == "prompt" else setting.default,
            annotation=types[setting.name],
        )
        for setting in known
    ]
    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=dict[str, Any])
    endpoint.__annotations__ = {**types, "return": dict[str, Any]}
    told, returns = inspect.getdoc(call).split("\nReturns:")
    arguments = "".join(f"    {setting.name}: {_described(setting)}\n" for setting in known)
    endpoint.__doc__ = f"{told}\nArgs:\n{arguments}\nReturns:{returns}"
    return endpoint


def _type(setting: Setting) -> Any:
    optional = setting.default is None and setting.name != "prompt"
    return setting.kind.python | None if optional else setting.kind.python


def _described(setting: Setting) -> str:
    """What it is and takes, on one line."""
    kind = setting.kind
    if isinstance(kind, OneOf):
        takes = "; ".join(f'"{name}" ({option.about or option.label})' for name, option in kind.options.items())
    else:
        takes = kind.words
    return f"{setting.described()}. {takes}."
