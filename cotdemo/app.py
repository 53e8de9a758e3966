"""``python app.py``, ``python -m cotdemo app``: serves the page.

On a Space, which takes no arguments, the variable COTDEMO_BACKEND names the backend.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .compute.precision import AUTO, CHOICES
from .errors import UserError
from .geneval.verdict import APPROXIMATE, OFFICIAL
from .registry import BACKENDS, EMBEDDED
from .ui.queue import MOST, MOST_EVER
from .version import versions

if TYPE_CHECKING:
    from starlette.middleware import Middleware

    from .ui.login import Accounts

log = logging.getLogger(__name__)

SAFETY = (AUTO, "on", "off")
EVERYWHERE = "0.0.0.0"
VARIABLE_OF_BACKEND, VARIABLE_OF_ACCOUNTS = "COTDEMO_BACKEND", "COTDEMO_AUTH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get(VARIABLE_OF_BACKEND, EMBEDDED)
    names = " | ".join(BACKENDS)
    parser.add_argument("--backend", default=default, help=f"{names}; {EMBEDDED} (default) runs on any CPU")
    parser.add_argument("--device", help="cpu, cuda, mps, ...; by default an accelerator where the backend wants one")
    parser.add_argument("--precision", choices=CHOICES, default=AUTO, help="of a released model; auto: by the card")
    parser.add_argument(
        "--graphs", action="store_true", help="replay a released generator's steps as CUDA graphs (NVIDIA GPUs)"
    )
    parser.add_argument("--assets", type=Path, help="other weights: as assets/mini, or the Hub's repositories")
    parser.add_argument("--port", type=int, help="by default 7860 or the next free one")
    parser.add_argument(
        "--listen", nargs="?", const=EVERYWHERE, metavar="ADDRESS",
        help="serve other machines too, at every address of this one or at one of them",
    )  # fmt: skip
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a name that the page goes by besides localhost, as behind a proxy; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--auth", default=os.environ.get(VARIABLE_OF_ACCOUNTS), metavar="USER:PASSWORD",
        help=f"ask visitors for a password; @FILE, or the variable {VARIABLE_OF_ACCOUNTS}, keeps it from those who see "
        "what runs here",
    )  # fmt: skip
    parser.add_argument(
        "--safety", choices=SAFETY, default=AUTO,
        help="withhold images of a released model that a safety checker flags; auto: where others than this machine "
        "are served",
    )  # fmt: skip
    parser.add_argument(
        "--scored", nargs="?", const=OFFICIAL, choices=(OFFICIAL, APPROXIMATE),
        help="have GenEval's own scorer check final images of a released model where the prompt is of GenEval's kinds; "
        "loaded when there is a first one",
    )  # fmt: skip
    parser.add_argument("--max-queue", type=int, default=MOST, metavar="N", help=f"runs under way and waiting ({MOST})")
    parser.add_argument("--log-prompts", action="store_true", help="log what visitors ask for, too")


def run(arguments: Sequence[str] | None = None) -> None:
    """Serve the page as the arguments of this process say, and end it."""
    parser = argparse.ArgumentParser(description="Watch an image generator think, step by step.")
    add_arguments(parser)
    try:
        main(parser.parse_args(arguments))
    except UserError as error:
        parser.error(str(error))


def main(options: argparse.Namespace) -> None:
    """Serve the page, and end the process: a search that is under way computes in threads that Python could not take
    down in order. Raises UserError as ``start`` does."""
    status: object = 0
    try:
        start(options)
    except SystemExit as end:
        status = end.code or 0
    leave(status)


def start(options: argparse.Namespace) -> None:
    """Serve the page until the process is told to end. Raises UserError, in words, where it cannot be served."""
    if options.backend not in BACKENDS:
        raise UserError(
            f"There is no backend {ascii(options.backend)[:40]} (--backend, or the variable "
            f"{VARIABLE_OF_BACKEND}); there are {', '.join(BACKENDS)}."
        )
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UserError(f"--port is {options.port}; there are 1 to 65535.")
    if options.listen is not None and not _is_ours(options.listen):
        raise UserError(f"--listen is {options.listen}, and this machine has no such address.")
    if not 1 <= options.max_queue <= MOST_EVER:
        raise UserError(f"--max-queue is {options.max_queue}; it may be 1 to {MOST_EVER}.")

    from .ui.folder import VARIABLE, NotWritable, own_folder
    from .ui.login import Accounts
    from .ui.streams import clean_streams

    accounts = None if options.auth is None else Accounts.asked(options.auth)
    os.environ.setdefault("GRADIO_RUN_HISTORY", "False")  # what a visitor ran is kept in no browser, unless asked for
    try:
        with clean_streams(), own_folder():  # before Gradio is imported
            _serve(options, accounts)
    except NotWritable as error:
        raise UserError(f"Uploads have no place: {error}. Let {VARIABLE} name a folder that can be written.") from None


def _serve(options: argparse.Namespace, accounts: Accounts | None) -> None:
    from .backends.hub import is_zero_gpu
    from .ui.embedded_beside import embedded_beside
    from .ui.page import build_demo, launch_options

    ships = BACKENDS[options.backend].ships
    lent = is_zero_gpu() and not ships
    address = options.listen or os.environ.get("GRADIO_SERVER_NAME")
    guarded = not ships and (options.safety == "on" or options.safety == AUTO and _is_public(address))
    if lent and options.graphs:
        raise UserError("--graphs wants a GPU of its own: one that is lent comes anew for every run.")
    if lent and options.scored:
        raise UserError("--scored wants a GPU of its own: one that is lent would be given the scorer in every run.")
    more = _with_lent_gpu(options, guarded) if lent else {
        "device": options.device, "weights": options.assets, "precision": options.precision, "guarded": guarded,
        "scored": options.scored, "graphs": options.graphs,
    }  # fmt: skip
    demo = build_demo(options.backend, max_queue=options.max_queue, log_prompts=options.log_prompts, **more)
    log.info("%s", json.dumps({"event": "start", "backend": options.backend, "versions": versions()}))
    beside = {} if ships else {"lifespan": embedded_beside()}
    guards = _guards(address, options.allow_host, accounts is not None)
    agents = find_spec("mcp") is not None and accounts is None  # which cannot log in: Gradio would let anybody in there
    try:
        demo.launch(
            server_name=address, server_port=options.port, mcp_server=agents, auth=accounts,
            **launch_options(*guards, **beside),
        )  # fmt: skip
    except OSError as error:
        if "empty port" not in str(error):  # Gradio's words
            raise
        taken = f"Port {options.port} is" if options.port else "All ports from 7860 on are"
        raise UserError(f"{taken} in use, or not ours to use. Choose another one: --port N") from None
    finally:
        demo.close(verbose=False)


def _is_ours(address: str) -> bool:
    """Whether a server of this machine may have that address."""
    try:
        (family, kind, _, _, place), *_ = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as tried:
            tried.bind(place)
    except (OSError, UnicodeError):
        return False
    return True


def _is_public(address: str | None) -> bool:
    """Whether others than this machine are served at that address, or by a Space, which has a name of its own."""
    from .ui.hosts import OWN, is_own

    return "SPACE_ID" in os.environ or not is_own(address or OWN)


def _guards(address: str | None, names: list[str], login: bool) -> list[Middleware]:
    """What looks at every request of a page served at ``address``, which goes by ``names``, and at its answers.

    With ``login`` it asks for a password.
    """
    from starlette.middleware import Middleware

    from .ui.headers import SafeHeaders
    from .ui.hosts import KnownHosts
    from .ui.login import BoundedLogins

    hosts = [Middleware(KnownHosts, allowed=names)] if names or not _is_public(address) else []
    return [*hosts, Middleware(SafeHeaders), *([Middleware(BoundedLogins)] if login else [])]


def _with_lent_gpu(options: argparse.Namespace, guarded: bool) -> dict[str, object]:
    """What the page is built with on ZeroGPU: the backend, loaded as the app starts, and searches that borrow a GPU."""
    import spaces  # before torch

    from .backends import load_backend
    from .ui.zero_gpu import ZeroGpu

    backend = load_backend(options.backend, "cuda", options.assets, guarded=guarded)
    backend.warm_up()
    return {"load": lambda: backend, "searches": ZeroGpu(backend, spaces.GPU)}


def leave(status: object) -> None:
    """End the process at once."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)
