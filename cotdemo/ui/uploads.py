"""How many files visitors may upload, and how much of them is held: a page opens a file the moment it is there."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from .bodies import is_upload, refuse_for_now
from .visitors import Allowance, calls_from

A_MINUTE = 30  # uploads of one public address, and of all that have none together
HELD_BYTES = 128 * 2**20
HELD_FILES = 200


class BoundedUploads:
    """Middleware around a Gradio app that answers 429, in words, to too many uploads; of the rest the oldest go."""

    def __init__(self, app: ASGIApp, a_minute: int = A_MINUTE):
        self._app = app
        self._allowance = Allowance(a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_upload(scope, scope.get("root_path", "")):
            await self._app(scope, receive, send)
            return
        seconds = math.ceil(self._allowance.take(calls_from(scope), 1))
        if seconds:
            await refuse_for_now(
                f"At most {self._allowance.most} files a minute are taken.", seconds, scope, receive, send
            )
            return
        await self._app(scope, receive, send)
        await run_in_threadpool(let_go, scope["app"].get_blocks().upload_file_set)


def let_go(files: set[str], most_bytes: int = HELD_BYTES, most: int = HELD_FILES) -> None:
    """Delete the oldest of ``files``, and forget them, until both bounds hold; others may do so at the same time."""
    there = []
    for name in list(files):
        with suppress(OSError):  # it has gone
            status = Path(name).stat()
            there.append((status.st_mtime_ns, status.st_size, name))
    held = 0
    for number, (_, size, name) in enumerate(sorted(there, reverse=True)):
        held += size
        if held > most_bytes or number >= most:
            with suppress(OSError):
                Path(name).unlink()
                Path(name).parent.rmdir()  # each has a folder of its own, by its content
            files.discard(name)
