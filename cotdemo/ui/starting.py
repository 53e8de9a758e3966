"""A server that is slow to start, or to answer at first, is waited for, and its port is its own from the beginning.

Gradio looks whether a port is free, starts the app there, and only then takes the port; where that fails within five
seconds, by another server that was quicker or for want of time, it tries the same app at the next port, and so on for a
hundred. On a busy machine a start takes longer; and what serves agents starts once only, so that each further try
fails: the page would never come up. To the first answer it gives three seconds, and ends with advice on proxies where
there is nothing but much to do (gradio 6.31, mcp 1.x, uvicorn .5x).
"""

from __future__ import annotations

import errno
import socket
import time
from functools import partial

import httpx
from gradio import http_server, networking
from gradio.http_server import Server, ServerFailedToStartError

PATIENCE = 120.0  # seconds
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # an address of the host's name that this machine does not have
_run_in_thread = Server.run_in_thread


def wait_for_slow_starts() -> None:
    """Have Gradio take a port before it starts there, and wait for the start and for the first answer."""
    http_server.Server.run_in_thread = _started
    networking.url_ok = answers


def _started(server: Server) -> None:
    """Raises OSError where the port is taken, before anything has begun."""
    begun = time.monotonic()
    server.run = partial(server.run, sockets=listening(server.config.host, server.config.port))
    try:
        _run_in_thread(server)
    except ServerFailedToStartError:
        while server.thread.is_alive() and not server.started and time.monotonic() - begun < PATIENCE:
            time.sleep(0.01)
        if not server.started:
            raise


def listening(host: str, port: int) -> list[socket.socket]:
    """A socket that listens for each address of a host. Raises OSError where one of them is taken, or none is there."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, address in dict.fromkeys((one[0], one[4]) for one in found):
        try:
            sockets.append(socket.create_server(address, family=family, backlog=2048))
        except OSError as fault:
            if fault.errno in _NOT_HERE:
                missing = fault
                continue
            for one in sockets:
                one.close()
            raise
    if not sockets:
        raise missing
    return sockets


def answers(url: str) -> bool:
    """Whether a page is there: shown, asking for a login (401), or somewhere else."""
    try:
        answer = httpx.head(url, timeout=PATIENCE, verify=False)
    except httpx.TransportError:
        return False
    return answer.status_code in (200, 401) or answer.is_redirect
