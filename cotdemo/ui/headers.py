"""What browsers are told to allow our answers: nothing from elsewhere but what a Space shows around its page."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HUB = "https://huggingface.co https://*.huggingface.co"
# Gradio makes functions of texts (unsafe-eval), and puts scripts and sheets into the document (unsafe-inline).
POLICY = "; ".join((
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    f"img-src 'self' data: blob: {_HUB}",
    f"connect-src 'self' data: blob: {_HUB}",
    "font-src 'self' data:",
    "media-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    f"frame-ancestors 'self' {_HUB} https://*.hf.space",
))  # fmt: skip
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
_FIGURE = {
    ("view", "run"),
    ("compact", "1"),
}  # the stage alone (ui/web/figure.js): nothing to lure a click to
IN_ARTICLES = {"content-security-policy": POLICY.partition("; frame-ancestors")[0]}


class SafeHeaders:
    """Middleware that adds ``HEADERS`` to every answer. The page as a figure may be framed by anybody."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        figure = set(parse_qsl(scope.get("query_string", b"").decode("latin-1"))) >= _FIGURE
        told = HEADERS | IN_ARTICLES if figure else HEADERS

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self._app(scope, receive, headed if scope["type"] == "http" else send)
