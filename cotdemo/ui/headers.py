"""What browsers are told to allow our answers: nothing from elsewhere but what a Space shows around its page."""

from __future__ import annotations

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


class SafeHeaders:
    """Middleware that adds ``HEADERS`` to every answer."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, headed if scope["type"] == "http" else send)
