"""A server that is slow to start is waited for.

Gradio gives one five seconds, and then tries the same app at the next port, and so on for a hundred ports. On a busy
machine the first start takes longer; and what serves agents starts once only, so that each further try fails: the page
would never come up (gradio 6.31, mcp 1.x).
"""

from __future__ import annotations

import time

from gradio import http_server
from gradio.http_server import Server, ServerFailedToStartError

PATIENCE = 120.0  # seconds
_run_in_thread = Server.run_in_thread


def wait_for_slow_starts() -> None:
    """Have Gradio wait for as long as the server is about to start."""
    http_server.Server.run_in_thread = _patient


def _patient(server: Server) -> None:
    begun = time.monotonic()
    try:
        _run_in_thread(server)
    except ServerFailedToStartError:
        while server.thread.is_alive() and not server.started and time.monotonic() - begun < PATIENCE:
            time.sleep(0.01)
        if not server.started:
            raise
