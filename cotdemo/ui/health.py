"""How the server is, for whoever watches over it: ``/health``, without a password."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PLACE = "/health"


class Health:
    """Middleware around a Gradio app whose Blocks have a ``health``; 503 where no run would be taken."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and scope["path"].removeprefix(scope.get("root_path", "")) == PLACE
        ):
            health = scope["app"].get_blocks().health()
            status = 503 if health["status"] == "failed" else 200
            answer = JSONResponse(health, status, headers={"cache-control": "no-store"})
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
