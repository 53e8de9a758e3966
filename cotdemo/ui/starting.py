"""A server that is slow to start, or to answer at first, is waited for.

Gradio gives the start five seconds, and then tries the same app at the next port, and so on for a hundred ports. On a
busy machine the first start takes longer; and what serves agents starts once only, so that each further try fails: the
page would never come up. To the first answer it gives three seconds, and ends with advice on proxies where there is
nothing but much to do (gradio 6.31, mcp 1.x).
"""

from __future__ import annotations

import time

import httpx
from gradio import http_server, networking
from gradio.http_server import Server, ServerFailedToStartError

PATIENCE = 120.0  # seconds
_run_in_thread = Server.run_in_thread


def wait_for_slow_starts() -> None:
    """Have Gradio wait for as long as the server is about to start, and for its first answer."""
    http_server.Server.run_in_thread = _started
    networking.url_ok = answers


def _started(server: Server) -> None:
    begun = time.monotonic()
    try:
        _run_in_thread(server)
    except ServerFailedToStartError:
        while server.thread.is_alive() and not server.started and time.monotonic() - begun < PATIENCE:
            time.sleep(0.01)
        if not server.started:
            raise


def answers(url: str) -> bool:
    """Whether a page is there: shown, asking for a login (401), or somewhere else."""
    try:
        answer = httpx.head(url, timeout=PATIENCE, verify=False)
    except httpx.TransportError:
        return False
    return answer.status_code in (200, 401) or answer.is_redirect
