"""A page on loopback, in a process of its own, with somebody inside who watches its event loop and its memory.

``served`` starts one and gives its address and its process; ``python -m soaking.serving KIND`` is that process, which
ends with whoever has started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from . import ROOT

TICK = 0.01  # seconds between two looks at the loop
LOOK = 0.005  # and at the memory
PLACE = "/soak"
START = 300.0  # seconds that a busy machine may take to start one
KINDS = ("embedded", "double", "scripted")  # the shipped model; a real page over made-up images; codes by a script


@dataclass(frozen=True)
class Server:
    """``url`` ends in a slash; ``calls`` are the numbers of the page's private functions, by name."""

    url: str
    pid: int
    calls: dict[str, int]
    folder: Path  # of what it keeps for visitors
    log: Path

    def watched(self) -> dict[str, float]:
        """Since it was asked last: ``blocked``, seconds that the loop stood still at most, ``computed``, those that it
        computed in one go at most, and ``added``, the bytes of memory above those that there were then."""
        return httpx.get(self.url + PLACE[1:], timeout=120).json()

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def files(self) -> int:
        return sum(path.is_file() for path in self.folder.rglob("*"))

    @property
    def resident(self) -> int:
        """Bytes."""
        return resident(self.pid)

    @property
    def faults(self) -> list[str]:
        """Tracebacks in its log, the last lines of each."""
        _, *told = self.log.read_text(errors="replace").split("Traceback (most recent call last)")
        return [" | ".join(one.strip().splitlines()[-3:])[-400:] for one in told]


def resident(pid: int | str = "self") -> int:
    """Bytes that a process has in memory."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@contextmanager
def served(kind: str, mcp: bool = False, **options: Any) -> Iterator[Server]:
    """A server of one of ``KINDS``; ``options`` are the double's. Raises RuntimeError where it does not start."""
    command = [sys.executable, "-m", "soaking.serving", kind, json.dumps({"mcp": mcp, **options})]
    with TemporaryDirectory(prefix="cotdemo-soak-") as folder:
        log, kept = Path(folder) / "log", Path(folder) / "kept"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))), "GRADIO_TEMP_DIR": str(kept),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }  # fmt: skip
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        watchdog = threading.Timer(START, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline()
            while line and not line.startswith("{"):
                line = process.stdout.readline()
            watchdog.cancel()
            if not line:
                raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}")
            kept.mkdir(exist_ok=True)
            yield Server(**json.loads(line), pid=process.pid, folder=kept, log=log)
        finally:
            watchdog.cancel()
            process.stdin.close()  # by which it ends
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


# -- the process itself


class Watch:
    """Middleware before all else: looks at the loop it is called in, and at the process's memory, all the time."""

    def __init__(self, app: Any):
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._start()
        threading.Thread(target=self._remember, daemon=True).start()

    def _start(self) -> None:
        self._blocked = self._computed = 0.0
        self._before = self._most = resident()

    def _remember(self) -> None:
        while True:
            self._most = max(self._most, resident())
            time.sleep(LOOK)

    async def _look(self) -> None:
        while True:
            then, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            self._blocked = max(self._blocked, time.perf_counter() - then - TICK)
            self._computed = max(self._computed, time.thread_time() - computed)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PLACE:
            await self._app(scope, receive, send)
            return
        from fastapi.responses import JSONResponse

        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look())
        self._most = max(self._most, resident())
        told = {"blocked": self._blocked, "computed": self._computed, "added": self._most - self._before}
        self._start()
        await JSONResponse(told)(scope, receive, send)


def _backend(kind: str, options: dict[str, Any]) -> Any:
    """What loads the backend; None for the page's own way."""
    if kind == "embedded":
        return None
    if kind == "double":
        from page_double import Double

        return lambda: Double(any_words=True, **options)
    from .faults import Open, say

    return lambda: Open(say=say)


def main(kind: str, given: str) -> None:
    from gradio import networking
    from starlette.middleware import Middleware

    from cotdemo.ui.page import build_demo, launch_options

    options = json.loads(given)
    mcp = options.pop("mcp")
    demo = build_demo("mini", _backend(kind, options))
    networking.url_ok = lambda url: True  # a busy machine takes longer than Gradio waits for its own first answer
    _, url, _ = demo.launch(
        prevent_thread_lock=True,
        quiet=True,
        mcp_server=mcp,
        server_name="127.0.0.1",
        **launch_options(Middleware(Watch)),
    )
    calls = {getattr(one.fn, "__name__", ""): number for number, one in demo.fns.items() if one.fn}
    print(json.dumps({"url": url, "calls": calls}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
