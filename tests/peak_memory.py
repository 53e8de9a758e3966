"""Peak of a process's anonymous memory while it does something, by Linux's account of it.

What is mapped from a file, as tensors are that keep their type, takes none, and can be let go.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
HERE = Path(__file__).parent


def run_apart(code: str, *arguments: str) -> str:
    """What ``code`` prints in a process of its own, which finds this module and the package."""
    found = os.pathsep.join([str(HERE.parent), str(HERE)])
    process = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(process, env=os.environ | {"PYTHONPATH": found}, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def peak_of(work: Callable[[], Result], every: float = 0.003) -> tuple[Result, int]:
    """What ``work`` returns, and the most bytes above those before, looked at ``every`` so many seconds."""
    before, most, ended = _anonymous(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(every):
            most[0] = max(most[0], _anonymous())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        result = work()
    finally:
        ended.set()
        thread.join()
    return result, max(most[0], _anonymous()) - before


def _anonymous() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("RssAnon")).split()[1]) * 1024
