"""What other sites show of a link to the page: its title, a sentence, and how the run that the link names ended.

Gradio's own tags (Open Graph, Twitter) say "Gradio". Crawlers run no JavaScript, so the tags are put into the document
as it is sent.
"""

from __future__ import annotations

import html
import io
import re
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import Request
from fastapi.responses import Response
from gradio.route_utils import get_root_url
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..run.animation import still
from ..run.trace import Trace
from .components import ABOUT, TITLE
from .keep import Keep

PLACE = "/preview.png"
_TAGS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')


class Preview:
    """Middleware around a Gradio app whose Blocks have a ``keep``. Behind a login nothing is told of its runs."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        keep = _keep(scope) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        path = scope["path"].removeprefix(scope.get("root_path", "")) if keep else ""
        if path == PLACE:
            answer = await run_in_threadpool(_image, keep, scope)
            await answer(scope, receive, send)
        elif path in ("", "/") and keep:
            await self._app(scope, receive, _tagged(send, await run_in_threadpool(_tags, keep, scope)))
        else:
            await self._app(scope, receive, send)


def _keep(scope: Scope) -> Keep | None:
    return getattr(scope["app"].get_blocks(), "keep", None)


def _asked(scope: Scope) -> str:
    """The run that an address names, or ""."""
    return parse_qs(scope["query_string"].decode("latin-1")).get("run", [""])[-1]


def _named(keep: Keep, scope: Scope) -> Trace | None:
    """What may be shown of the run that an address names, or of the page's first one."""
    return None if scope["app"].get_blocks().auth else keep.named(_asked(scope))


def _image(keep: Keep, scope: Scope) -> Response:
    trace = _named(keep, scope)
    if trace is None or trace.winner is None:
        return Response(status_code=404)
    file = io.BytesIO()
    still(trace.state).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png", headers={"cache-control": "max-age=3600"})


def _tags(keep: Keep, scope: Scope) -> bytes:
    run = _asked(scope)
    trace = _named(keep, scope)
    prompt = trace.started.settings.prompt if trace and run else ""
    root = get_root_url(Request(scope), "/", scope.get("root_path"))
    told = {
        "og:type": "website",
        "og:title": f"“{prompt}”: {TITLE.lower()}" if prompt else TITLE,
        "og:description": ABOUT,
        "og:image": f"{root}{PLACE}" + (f"?run={quote(run)}" if prompt else ""),
        "twitter:card": "summary_large_image",
    }
    if trace is None:
        del told["og:image"]
    tags = (f'<meta property="{name}" content="{html.escape(words)}" />' for name, words in told.items())
    return "\n".join((*tags, f'<meta name="description" content="{html.escape(ABOUT)}" />')).encode()


def _tagged(send: Send, tags: bytes) -> Send:
    """``send`` for a document, with ``tags`` in place of its own."""
    start: list[Message] = []
    body = bytearray()

    async def on(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        text = _TAGS.sub(b"", bytes(body)).replace(b"<head>", b"<head>\n" + tags, 1)
        await send({**start[0], "headers": _sized(start[0]["headers"], len(text))})
        await send({**message, "body": text})

    return on


def _sized(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]
