"""Gradio's deep links are off: the page has links of its own.

For them Gradio holds of every visitor what each component shows (160 kB), makes that in the event loop (16 ms), and
writes it to a file for whoever asks, as many as are asked for (gradio 6.31).
"""

from __future__ import annotations

from types import SimpleNamespace

from fastapi.responses import JSONResponse
from gradio import Blocks, state_holder
from starlette.types import ASGIApp, Receive, Scope, Send

_PLACE = "/gradio_api/deep_link"


class NoDeepLinks:
    """Middleware around a Gradio app that answers 404 to who asks for one."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_PLACE):
            await JSONResponse({"detail": "A run's link is below its image."}, 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class LeanState(state_holder.SessionState):
    """What a session holds, but for what only deep links read."""

    def __init__(self, blocks: Blocks):
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks=()))


def hold_no_configs() -> None:
    """Have Gradio keep such states."""
    state_holder.SessionState = LeanState
