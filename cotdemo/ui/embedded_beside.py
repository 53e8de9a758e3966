"""The embedded model's page beside that of a released backend: what still runs where that one does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import gradio as gr
from fastapi import FastAPI

from ..registry import EMBEDDED
from . import page

PLACE = "/mini"


def embedded_beside() -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan for the app of another page, in which the embedded model's is served at ``PLACE``.

    Gradio starts a mounted page with the app that it is mounted on. That one is starting then, so this is done there;
    but the page is made now, as gradio gives an app five seconds to start before it tries the next port.
    """
    demo, options = page.build_demo(EMBEDDED), page.launch_options()
    del options["share"]
    demo.state_session_capacity = options.pop("state_session_capacity")  # mounted, it takes that from the page itself

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        auth = app.get_blocks().auth  # whoever may not see that page may not see this one
        gr.mount_gradio_app(app, demo, PLACE, mcp_server=False, auth=auth, **options)
        mounted = app.routes[-1].app
        async with mounted.router.lifespan_context(mounted):
            demo.run_startup_events()
            await demo.run_extra_startup_events()
            yield

    return lifespan
