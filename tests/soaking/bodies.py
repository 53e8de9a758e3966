"""Part ``request``: bad bodies, one at a time, to a server whose memory and event loop are watched from inside.

How long the loop stands still is measured by the clock, so that it counts whatever holds it, a busy machine as well;
how long it computes in one go is told beside it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
from test_altered_traces import RUNS

from cotdemo.fields import MAX_SIDE
from cotdemo.run.events import MAX_EVENTS
from cotdemo.run.trace import MAX_BYTES
from cotdemo.ui.bodies import MAX_BODY, MAX_UPLOAD, MAX_VALUES

from .figures import Budget, Report
from .serving import Server, served

MEMORY, BLOCK = 64, 0.2  # MB that one may add, seconds that the loop may stand still
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
SETTLE = 0.3  # seconds after an answer in which what it has begun may go on

Body = tuple[str, Callable[[httpx.Client], object]]


def soak(budget: Budget) -> Report:
    report = Report()
    worst = {"added": (0.0, ""), "blocked": (0.0, ""), "computed": (0.0, "")}
    sent = 0
    with served("scripted", mcp=True) as server, httpx.Client(base_url=server.url, timeout=120) as client:
        for door in ("info", "run/reflect", "mcp/", "queue/join"):  # what the first request of a kind loads
            client.post(f"gradio_api/{door}", content=b"{}", headers=JSON)
        chosen = _chosen(server, budget)
        for name, send in chosen:
            if budget.over:
                report.notes.append("The time was over before all were sent.")
                break
            server.watched()
            with suppress(httpx.HTTPError, ValueError):  # some are cut off, or refused, which is an answer
                send(client)
            time.sleep(SETTLE)
            figures = server.watched()
            sent += 1
            worst = {key: max(value, (figures[key], name)) for key, value in worst.items()}
            if figures["added"] > MEMORY * 1e6 or figures["blocked"] > BLOCK:
                loop = f"{1000 * figures['blocked']:.0f} ms, {1000 * figures['computed']:.0f} of them computing"
                report.notes.append(f"{name}: {figures['added'] / 1e6:.0f} MB, {loop}")
        report.notes += server.faults
    added, blocked, computed = worst.values()
    report.add("bodies", sent, least=len(chosen))
    report.add("memory that one adds", added[0] / 1e6, most=MEMORY, unit="MB", note=added[1])
    report.add("longest block of the loop", 1000 * blocked[0], most=1000 * BLOCK, unit="ms", note=blocked[1])
    report.add("that it computes itself", 1000 * computed[0], most=1000 * BLOCK, unit="ms", note=computed[1])
    return report


def _chosen(server: Server, budget: Budget) -> list[Body]:
    bodies = list(_bodies(server))
    many = min(len(bodies), budget.many(len(bodies)))
    return [bodies[number * len(bodies) // many] for number in range(many)]


def _bodies(server: Server) -> Iterator[Body]:
    """What was found to hurt, or would, by a name; each is a request."""
    api = "gradio_api/"
    for door in ("run/reflect", "queue/join", "call/generate", "mcp/", "component_server", "cancel"):
        yield f"{MAX_BODY} bytes of one text to {door}", _post(api + door, _text(MAX_BODY - 100))
        yield f"28 MB to {door}", _post(api + door, _text(28_000_000))
    for name, body in _jsons():
        for door in ("run/reflect", "mcp/", "queue/join"):
            yield f"{name} to {door}", _post(api + door, body)
    for name, trace in _traces():
        yield f"{name} to run/reflect", _post(api + "run/reflect", _call("", trace))
        yield f"{name} uploaded and opened", _opened(server, trace)
    yield "an upload of the largest size", _upload(b" " * MAX_BYTES)
    yield "an upload beyond it", _upload(b" " * (MAX_UPLOAD + 1))
    yield "an upload of 500 files", _uploads(500)
    yield "a body that is announced nowhere", _endless(api + "run/reflect")
    yield "a body of one byte at a time", _dribble(api + "run/reflect")
    yield "a link of 60,000 bytes", lambda client: client.get("?prompt=" + "x" * 60_000)
    yield "a link of 5,000 settings", lambda client: client.get("?" + "&".join(f"seed={n}" for n in range(5000)))
    yield "the largest run of the API", _post(api + "run/generate", _largest())
    yield "repeated numbers to resend", _post(api + "component_server", _resend())


def _post(place: str, body: bytes) -> Callable[[httpx.Client], object]:
    return lambda client: client.post(place, content=body, headers=JSON)


def _text(size: int) -> bytes:
    return b'{"data": ["' + b"x" * size + b'"]}'


def _call(*data: Any) -> bytes:
    return json.dumps({"data": [*data, True, False]}).encode()


def _jsons() -> Iterator[tuple[str, bytes]]:
    """Small in bytes, large in whatever is made of them."""
    yield "values up to the bound", json.dumps({"data": [[0] * (MAX_VALUES - 10)]}).encode()
    yield "values beyond it", json.dumps({"data": [[0] * (3 * MAX_VALUES)]}).encode()
    yield "objects of a name each", b'{"data":[' + b",".join([b'{"a":{}}'] * (MAX_VALUES // 3 - 10)) + b"]}"
    yield "900 levels", b'{"data":' + b"[" * 900 + b"]" * 900 + b"}"
    yield "49,000 levels", b'{"data":' + b"[" * 49_000 + b"]" * 49_000 + b"}"
    yield "a number of 1,900,000 digits", b'{"data":[' + b"9" * 1_900_000 + b"]}"
    yield "escapes", b'{"data":["' + b"\\u0041" * 300_000 + b'"]}'
    yield "quotes", b'{"data":["' + b'\\"' * 900_000 + b'"]}'


def _traces() -> Iterator[tuple[str, dict[str, Any]]]:
    whole = RUNS["parm++", 1]
    yield "a trace", whole
    ends = [whole["events"][-1]] * (MAX_VALUES // 12)
    yield "a trace with thousands of ends", {**whole, "events": whole["events"] + ends}
    started, *rest = whole["events"]
    yield "a trace of another grid", {**whole, "events": [{**started, "grid": [MAX_SIDE, MAX_SIDE]}, *rest]}
    yield "a trace of another codebook", {**whole, "events": [{**started, "codebook": 2**16}, *rest]}
    many = [{**started, "paths": 32, "steps": 25}, *rest, *[dict(rest[1]) for _ in range(min(MAX_EVENTS, 2000))]]
    yield "a trace of events that come twice", {**whole, "events": many}


def _upload(content: bytes) -> Callable[[httpx.Client], httpx.Response]:
    return lambda client: client.post("gradio_api/upload", files={"files": ("trace.json", content)})


def _uploads(many: int) -> Callable[[httpx.Client], object]:
    files = [("files", (f"{number}.json", b"{}")) for number in range(many)]
    return lambda client: client.post("gradio_api/upload", files=files)


def _opened(server: Server, trace: dict[str, Any]) -> Callable[[httpx.Client], object]:
    """As a page opens a file: uploaded, then named in the call of the page's own function."""

    def send(client: httpx.Client) -> None:
        (path,) = _upload(json.dumps(trace).encode())(client).json()
        file = {"path": path, "orig_name": "trace.json", "meta": {"_type": "gradio.FileData"}}
        join = {"fn_index": server.calls["open_file"], "data": [file, None], "session_hash": "soak-opens"}
        client.post("gradio_api/queue/join", json=join)
        until = time.monotonic() + 60
        with client.stream("GET", "gradio_api/queue/data", params={"session_hash": "soak-opens"}) as stream:
            for line in stream.iter_lines():
                if "process_completed" in line or time.monotonic() > until:
                    return

    return send


def _endless(place: str) -> Callable[[httpx.Client], object]:
    def parts() -> Iterator[bytes]:
        yield b'{"data": ["'
        for _ in range(1000):
            yield b"x" * 64_000

    return lambda client: client.post(place, content=parts(), headers=JSON)


def _dribble(place: str) -> Callable[[httpx.Client], object]:
    def parts() -> Iterator[bytes]:
        yield from (b'{"data": [', *[b" "] * 2000, b"]}")

    return lambda client: client.post(place, content=parts(), headers=JSON)


def _largest() -> bytes:
    from cotdemo.registry import BACKENDS
    from cotdemo.settings import SETTINGS

    paths = SETTINGS["paths"].kind.high
    given = {"prompt": "a prompt", "paths": paths, "steps": BACKENDS["mini"].cap // paths, "with_trace": True}
    names = [name for name in SETTINGS if name != "backend"]
    data = [given.get(name, SETTINGS[name].default) for name in names]
    return json.dumps({"data": [*data, True]}).encode()


def _resend() -> bytes:
    missing = {"run": "recorded", "missing": [0, 1, 2] * 600}
    return json.dumps({"data": [missing], "fn_name": "resend", "component_id": 1, "session_hash": "soak"}).encode()
