"""Part ``runs``: a thousand runs that end in every way there is, and what a server has afterwards and had not before.

The page is real, and its model a double: what models hold is not what is looked for here. Runs are finished, cancelled,
stopped, dropped by clients, and left by pages that are closed; before, some of each, until the server has all that it
keeps for good: threads of its pool, as many runs as are kept, the images of these seeds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import httpx

from cotdemo.ui.session import KEPT_RUNS

from .asking import Page, Refused, called, form, heard, values
from .figures import Budget, Report
from .serving import Server, served

RUNS = 1000
AT_ONCE = 4
SEEDS = 10  # a result of each is kept as a file
WARM = KEPT_RUNS * 3 // 2  # after so many as many are kept as ever: what all leave behind but those that are dropped
MEMORY = 100  # MB that all may add
SETTLE = 60.0  # seconds in which the last ones may come to their end
PROMPT = "a prompt"
SETTINGS = {"method": "parm++", "paths": 3, "steps": 6}


def soak(budget: Budget) -> Report:
    report = Report()
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
    with served("double", pace=0.01) as server, httpx.Client(base_url=server.url, timeout=120, limits=limits) as client:
        few = budget.many(WARM, SEEDS * len(WAYS) // 5)
        _all(client, server, few, budget, report)
        before = _settled(server)
        many = budget.many(RUNS, len(WAYS))
        first = _all(client, server, many // 2, budget, report)
        middle = _settled(server)
        counts = first + _all(client, server, many - many // 2, budget, report)
        after = _settled(server, before)
        faults = server.faults
    said = ", ".join(f"{count} {way}" for way, count in counts.items())
    report.add("runs", sum(counts.values()), least=many, note=said)
    for name in ("threads", "descriptors", "files"):
        report.add(f"{name} added", after[name] - before[name], most=0, note=f"{before[name]} before")
    note = f"{(after['resident'] - middle['resident']) / 1e6:.0f} in the second half"
    report.add("memory added", (after["resident"] - before["resident"]) / 1e6, most=MEMORY, unit="MB", note=note)
    report.add("tracebacks in the log", len(faults), most=0)
    report.notes += faults
    return report


def _all(client: httpx.Client, server: Server, many: int, budget: Budget, report: Report) -> Counter[str]:
    """So many runs, in every way in turn; what came to its end in each."""
    counts: Counter[str] = Counter()

    def one(number: int) -> None:
        way = list(WAYS)[number % len(WAYS)]
        if budget.over:
            return
        try:
            WAYS[way](client, server, number // len(WAYS) % SEEDS)
            counts[way] += 1
        except (Refused, httpx.HTTPError, AssertionError) as error:
            report.notes.append(f"{way}: {type(error).__name__}: {str(error)[:200]}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(many)))
    return counts


def _settled(server: Server, asked: dict[str, int] | None = None) -> dict[str, int]:
    """What the server has once nothing changes any more, or nothing is above what is ``asked``."""
    until, last = time.monotonic() + SETTLE, None
    while True:
        now = {name: getattr(server, name) for name in ("threads", "descriptors", "files", "resident")}
        counts = {name: now[name] for name in ("threads", "descriptors", "files")}
        done = counts == last if asked is None else all(counts[name] <= asked[name] for name in counts)
        if done or time.monotonic() > until:
            return now
        last = counts
        time.sleep(2)


# -- ways a run may end; each raises AssertionError where it ends otherwise


def _finished(client: httpx.Client, server: Server, seed: int) -> None:
    answer = client.post("gradio_api/run/generate", json={"data": values(prompt=PROMPT, **SETTINGS, seed=seed)})
    assert answer.status_code == 200 and "verdict" in answer.json()["data"][1], answer.text[:200]


def _shown(client: httpx.Client, server: Server, seed: int) -> None:
    """On a page, to its end."""
    page = Page(client, server)
    page.press("paint", form(PROMPT, **SETTINGS, seed=seed))
    with page.listening() as told:
        assert any(message["msg"] == "process_completed" for message in told), "it did not come to its end"


def _left(by: Callable[[Page, str], None], client: httpx.Client, server: Server, seed: int) -> None:
    """On a page, to its first message; then ``by`` whatever ends it."""
    page = Page(client, server)
    with page.open():
        event = page.press("paint", form(PROMPT, **SETTINGS, seed=seed))
        with page.listening() as told:
            for message in told:
                if message["msg"] in ("process_generating", "process_completed"):
                    break
            by(page, event)


def _dropped(client: httpx.Client, server: Server, seed: int) -> None:
    """A client that goes while its call is under way: its stream breaks off, or it waits no longer."""
    settings = {"prompt": PROMPT, **SETTINGS, "seed": seed}
    if seed % 2:
        with heard(client, called(client, **settings)) as told:
            next(told)
    else:
        with suppress(httpx.TimeoutException):
            client.post("gradio_api/run/generate", json={"data": values(**settings)}, timeout=0.3)


WAYS: dict[str, Callable[[httpx.Client, Server, int], None]] = {
    "finished": _finished,
    "shown": _shown,
    "cancelled": partial(_left, lambda page, event: page.cancel("paint", event)),
    "stopped": partial(_left, lambda page, event: page.press("stop", [None]) and None),
    "dropped": _dropped,
    "closed": partial(_left, lambda page, event: None),
}
