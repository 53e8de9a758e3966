"""How large a request may be, and that it is text: looked at as it comes in, before anything of it is parsed.

Gradio bounds the files of an upload. What else is sent, it takes into memory whole, parses as JSON and walks over value
by value in the event loop, which everybody waits for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..run.trace import MAX_BYTES as MAX_FILE

MAX_BODY = 2_000_000  # bytes of a request
MAX_VALUES = 50_000  # in it, by the marks that JSON has between them
MAX_UPLOAD = MAX_FILE + 100_000  # bytes of an upload: one file with what a form has around it
LINGER = 16_000_000, 20.0  # bytes of a refused request that are taken still, so that its answer is read, and seconds

_UPLOAD = "/gradio_api/upload"
_MARKS = (b",", b"[", b"{")
_SHORTER = "A trace may be sent without the images of its steps; the page opens larger ones as files."


class BoundedBodies:
    """Middleware that answers 413, in words, to a request whose body is too large; ``most`` is for all but uploads.

    Of what is no upload, bytes that are no text get 400.
    """

    def __init__(self, app: ASGIApp, most: int = MAX_BODY):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        upload, receive = is_upload(scope), Incoming(receive)
        most = MAX_UPLOAD if upload else self._most
        body = await _body(scope, receive, most)
        if body is None:
            what = "upload" if upload else "request"
            await refuse(
                f"This {what} is too large: at most {most / 1e6:g} MB are accepted. {_SHORTER}", scope, receive, send
            )
        elif not upload and sum(map(body.count, _MARKS)) > MAX_VALUES:
            await refuse(
                f"This request holds too many values: at most {MAX_VALUES} are accepted.", scope, receive, send
            )
        elif not upload and not _is_text(body):  # on which the parsers behind fail each in its way
            await refuse("This request is no text in UTF-8, and so no JSON.", scope, receive, send, 400)
        else:
            await self._app(scope, _replayed(body, receive), send)


def is_upload(scope: Scope, below: str | None = None) -> bool:
    """Whether Gradio takes the body for files; what is JSON it parses, by whatever name it comes.

    With ``below`` only where the app stands there itself, and none that is mounted on it.
    """
    path, kind = scope["path"].rstrip("/"), dict(scope["headers"]).get(b"content-type", b"")
    there = path.endswith(_UPLOAD) if below is None else path.removeprefix(below) == _UPLOAD
    return there and kind.lower().startswith(b"multipart/form-data")


class Incoming:
    """A request's body as it comes in, and whether all of it has."""

    def __init__(self, receive: Receive):
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def drain(self) -> None:
        """Takes what is still to come, and keeps nothing of it, within ``LINGER``."""
        left, seconds = LINGER

        async def take(left: int) -> None:
            while not self.ended and left > 0:
                left -= len((await self()).get("body", b""))

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(take(left), seconds)


async def _body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """A request's body; None where it says that it is, or is, above ``most`` bytes."""
    said = dict(scope["headers"]).get(b"content-length", b"0")
    if not said.isdigit() or len(said) > 18 or int(said) > most:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """``receive`` for a request whose body has been read; afterwards it hears, as before, that the client has left."""
    left = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return again


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


async def refuse(words: str, scope: Scope, receive: Receive, send: Send, status: int = 413, **headers: str) -> None:
    """Answer in words, and end the connection. The rest of the body is thrown away as it comes, as far as ``LINGER``
    goes: a client that is cut off while it still sends reads no answer."""
    incoming = receive if isinstance(receive, Incoming) else Incoming(receive)

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def send_and_drain(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await incoming.drain()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    answer = JSONResponse({"detail": words, "error": words}, status, headers={"connection": "close", **headers})
    await answer(scope, nothing, send_and_drain)


async def refuse_for_now(words: str, seconds: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 429 to what was asked for too often: when it may be asked for again."""
    await refuse(f"{words} Try again in {seconds} s.", scope, receive, send, 429, **{"retry-after": str(seconds)})
