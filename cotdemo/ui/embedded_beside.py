"""The embedded model's page beside that of a released backend: what still runs where that one does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI

from ..registry import EMBEDDED
from .page import build_demo, launch_options

PLACE = "/mini"


@asynccontextmanager
async def embedded_beside(app: FastAPI) -> AsyncIterator[None]:
    """A lifespan for the app of another page, in which the embedded model's is served at ``PLACE``.

    Gradio starts a mounted page with the app that it is mounted on. That one is starting, so this is done here.
    """
    demo, options = build_demo(EMBEDDED), launch_options()
    del options["share"]
    auth = app.get_blocks().auth  # whoever may not see that page may not see this one
    gr.mount_gradio_app(app, demo, PLACE, mcp_server=False, auth=auth, **options)
    mounted = app.routes[-1].app
    async with mounted.router.lifespan_context(mounted):
        demo.run_startup_events()
        await demo.run_extra_startup_events()
        yield
