"""Under which names a page answers.

A page of somebody else may let its own name lead to the visitor's machine (DNS rebinding): the browser would then read
our answers as that page's own. What it asks for still bears that name, which nobody here goes by. An address in numbers
cannot be led elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OWN = "localhost"
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d+)?", re.IGNORECASE)


class KnownHosts:
    """Middleware that answers 421, in words, to requests for another name than localhost, an address or ``allowed``."""

    def __init__(self, app: ASGIApp, allowed: Collection[str] = ()):
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not self._knows(scope):
            words = "This page does not go by that name. Whoever started it can let it: --allow-host NAME.\n"
            await PlainTextResponse(words, 421)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        named = [value.decode("latin-1") for header, value in scope["headers"] if header == b"host"]
        asked = _HOST.fullmatch(named[0]) if len(named) == 1 else None
        if asked is None:
            return False
        name = asked["name"].lower().rstrip(".")
        return name == OWN or name in self._allowed or _is_address(name.strip("[]"))


def is_own(address: str) -> bool:
    """Whether a server at that address is for this machine alone."""
    return address == OWN or _is_address(address) and ip_address(address).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
