"""Starts processes that work side by side, each told its place as torchrun tells it; all import everything once.

Told as JSON: jobs, one after another, each of how many processes, a module of which ``main`` is called, its arguments.
"""

import json
import os
import socket
import sys
import traceback
from importlib import import_module


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def begun(main, arguments: list[str], place: int, processes: int, port: int) -> int:
    """The id of a new process, which ends with what ``main`` returns."""
    child = os.fork()
    if child == 0:
        os.environ |= {
            "RANK": str(place), "LOCAL_RANK": str(place), "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        try:
            code = main(arguments) or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)
    return child


if __name__ == "__main__":
    jobs = [
        (processes, import_module(module).main, arguments) for processes, module, arguments in json.loads(sys.argv[1])
    ]
    for module in ("cotdemo.backends", "cotdemo.evaluation.runner", "tiny_mini"):
        import_module(module)
    for processes, main, arguments in jobs:
        port = free_port()
        children = [begun(main, arguments, place, processes, port) for place in range(processes)]
        if any([os.waitpid(child, 0)[1] for child in children]):
            sys.exit(f"one of {processes} failed: {arguments}")
