"""A page for those alone who have its password: Gradio's own login, with how often one may try.

What a password is compared with stays here: no other object holds it, and nothing that is said or logged has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hmac import compare_digest
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import UserError
from .bodies import refuse_for_now
from .visitors import Allowance, calls_from

A_MINUTE = 10  # tries of one public address, and of all that have none together
MOST_BYTES = 100_000  # of a file of accounts

_FORM = "It is to be USER:PASSWORD, or @FILE with such a line for each account"


class Accounts:
    """Who may come in: Gradio's ``auth``, which asks it. Users are told apart by capitals, as passwords are."""

    def __init__(self, passwords: Mapping[str, str]):
        self._passwords = {user: _bytes(password) for user, password in passwords.items()}

    @classmethod
    def asked(cls, text: str) -> Accounts:
        """Those of ``--auth``: USER:PASSWORD, or @FILE, whose lines are such. Raises UserError, which quotes none."""
        lines = _lines(text[1:]) if text.startswith("@") else [text]
        pairs = [line.partition(":")[::2] for line in lines]
        passwords = {user.strip(): password for user, password in pairs}
        if not passwords or not all(user and password for user, password in passwords.items()):
            raise UserError(f"The accounts (--auth) cannot be read. {_FORM}.")
        return cls(passwords)

    def __call__(self, user: str, password: str) -> bool:
        """Whether it is that user's password, in the same time whatever is wrong with it."""
        known = self._passwords.get(user)
        return compare_digest(known or b"", _bytes(password)) and known is not None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _lines(file: str) -> list[str]:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"The file of accounts (--auth) cannot be read: {why}. {_FORM}.") from None
    return [line for line in content.splitlines() if line.strip()]


class BoundedLogins:
    """Middleware that answers 429, in words, to too many tries at a password."""

    def __init__(self, app: ASGIApp, a_minute: int = A_MINUTE):
        self._app = app
        self._allowance = Allowance(a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tries = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login")
        seconds = math.ceil(self._allowance.take(calls_from(scope), 1)) if tries else 0
        if not seconds:
            await self._app(scope, receive, send)
            return
        words = f"At most {self._allowance.most:g} passwords a minute may be tried."
        await refuse_for_now(words, seconds, scope, receive, send)
