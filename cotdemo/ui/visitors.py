"""Whose a request is, as far as a server can tell, and how much of what is there for all one visitor may have."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


@dataclass(frozen=True)
class Visitor:
    """The session of a page or a client, and the address that it calls from; "" where that is not known."""

    session: str = ""
    address: str = ""

    @classmethod
    def here(cls) -> Visitor:
        """Whoever has asked for what runs here; outside of Gradio's threads nobody in particular."""
        from gradio.context import LocalContext  # not before the app has a folder of its own (``folder``)

        request = LocalContext.request.get(None)
        if request is None:
            return cls()
        client, headers = getattr(request, "client", None), getattr(request, "headers", {})
        address = address_of(getattr(client, "host", ""), headers.get("x-forwarded-for", ""))
        return cls(getattr(request, "session_hash", None) or "", address)


def address_of(peer: str, forwarded: str = "") -> str:
    """The public address that a request comes from, of IPv6 its network; "" where there is none.

    ``peer`` is who has connected. Where that is no public address it is this machine, somebody near, or a proxy: of
    those that ``forwarded`` names (X-Forwarded-For) the last public one is what the proxy has seen, whatever the client
    has written before it.
    """
    for text in (peer, *reversed(forwarded[-2000:].split(","))):
        found = _public(text.strip())
        if found is not None:
            return str(ip_network((found, 64), strict=False) if found.version == 6 else found)
    return ""


def calls_from(scope: Scope) -> str:
    """``address_of`` a request as middleware sees it."""
    forwarded = dict(scope["headers"]).get(b"x-forwarded-for", b"")
    return address_of((scope.get("client") or ("",))[0], forwarded.decode("latin-1"))


def _public(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    return found if found.is_global else None


class Allowance:
    """``most`` of something for each visitor in any ``seconds``."""

    def __init__(self, most: float, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic):
        self.most, self._seconds, self._clock = most, seconds, clock
        self._lock = threading.Lock()
        self._taken: deque[tuple[float, str, float]] = deque()  # when, by whom, how much; the latest last

    def take(self, who: str, much: float) -> float:
        """Take so much, and give 0; where it is too much now nothing is taken, and it gives the seconds to wait."""
        with self._lock:
            now = self._clock()
            while self._taken and self._taken[0][0] <= now - self._seconds:
                self._taken.popleft()
            own = [(when, part) for when, by, part in self._taken if by == who]
            over = sum(part for _, part in own) + much - self.most
            if over <= 0:
                self._taken.append((now, who, much))
                return 0.0
            freed = now
            for freed, part in own:  # noqa: B007
                over -= part
                if over <= 0:
                    break
            return freed + self._seconds - now
