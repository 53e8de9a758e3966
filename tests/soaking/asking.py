"""How clients and pages ask a Gradio server over HTTP: a named endpoint, and the page's own functions in a session."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from cotdemo.settings import SETTINGS
from cotdemo.ui.form import FIELDS, start

from .serving import Server

API = "gradio_api/"


class Refused(Exception):
    """The server's answer is words."""


def values(**settings: Any) -> list[Any]:
    """The data of a call of ``generate``."""
    names = [name for name in SETTINGS if name != "backend"]
    return [*(settings.get(name, SETTINGS[name].default) for name in names), False]


def form(prompt: str, **settings: Any) -> list[Any]:
    """The data of the page's Run button."""
    shown = start(prompt, "mini") | {"fresh": False} | settings
    shown["choice"] = {name: shown[name] for name in ("method", "model")}
    return [shown[name] for name in FIELDS]


def called(client: httpx.Client, **settings: Any) -> str:
    """The event of a call of ``generate`` that has been begun. Raises Refused."""
    answer = client.post(f"{API}call/generate", json={"data": values(**settings)})
    if answer.status_code != 200:
        raise Refused(_words(answer.text))
    return answer.json()["event_id"]


@contextmanager
def heard(client: httpx.Client, event: str) -> Iterator[Iterator[list[Any] | None]]:
    """What a call comes to: None as long as it goes on, then its values. Raises Refused."""
    with client.stream("GET", f"{API}call/generate/{event}") as stream:
        yield _events(stream)


def _events(stream: httpx.Response) -> Iterator[list[Any] | None]:
    kind = ""
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "complete":
            yield json.loads(value)
            return
        elif name == "data" and kind == "error":
            raise Refused(_words(value))
        else:
            yield None
    raise Refused("")  # it broke off without a word


def _words(text: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if isinstance(told, dict):
        told = told.get("detail") or told.get("error") or told.get("message") or ""
    return told if isinstance(told, str) else json.dumps(told)


class Page:
    """One open page: a session of the server's."""

    def __init__(self, client: httpx.Client, server: Server):
        self._client, self._server, self.session = client, server, secrets.token_hex(6)

    def press(self, name: str, data: list[Any]) -> str:
        """The event of one of the page's functions that has been begun. Raises Refused."""
        asked = {"fn_index": self._server.calls[name], "data": data, "session_hash": self.session}
        answer = self._client.post(f"{API}queue/join", json=asked)
        if answer.status_code != 200:
            raise Refused(_words(answer.text))
        return answer.json()["event_id"]

    @contextmanager
    def listening(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The messages to this session, up to the end of what has been begun in it."""
        with self._client.stream("GET", f"{API}queue/data", params={"session_hash": self.session}) as stream:
            yield (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))

    def cancel(self, name: str, event: str) -> None:
        asked = {"fn_index": self._server.calls[name], "event_id": event, "session_hash": self.session}
        self._client.post(f"{API}cancel", json=asked)

    @contextmanager
    def open(self) -> Iterator[None]:
        """As long as the page is open; Gradio lets the session go when it is not."""
        with self._client.stream("GET", f"{API}heartbeat/{self.session}"):
            yield
