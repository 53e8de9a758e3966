"""Part ``clients``: thirty ask at once, for three rounds; each is to get its own result, or words why not.

The server has the embedded model. What each client asks for is painted alone before: an answer is its own where its
image is the same to the bit, the settings inside among it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError
from typing import Any

import httpx

from cotdemo.files import ASSETS
from cotdemo.ui.handlers import UNEXPECTED
from cotdemo.ui.keep import recorded_runs

from .asking import API, Refused, called, heard
from .figures import Budget, Report, quantile
from .serving import served

CLIENTS, ROUNDS = 30, 3
PATIENCE = 5.0  # seconds in which 95 of 100 have their result, on two cores
SMALL = {"method": "orm", "paths": 2, "steps": 4}  # what a client asks for besides prompt and seed


@dataclass(frozen=True)
class Answer:
    """``picture`` is the file, or ``words`` are why there is none."""

    seconds: float
    picture: bytes = b""
    words: str = ""


def soak(budget: Budget, kind: str = "embedded") -> Report:
    report = Report()
    clients, rounds = budget.many(CLIENTS, 3), budget.many(ROUNDS)
    traces = recorded_runs("mini", ASSETS / "runs").values()
    prompts = sorted({trace.started.settings.prompt for trace in traces})  # of the world that the model paints
    asked = [{**SMALL, "prompt": prompts[n % len(prompts)], "seed": n + 1} for n in range(clients)]
    answers: list[tuple[int, Answer]] = []
    limits = httpx.Limits(max_connections=2 * clients)
    with served(kind) as server, httpx.Client(base_url=server.url, timeout=300, limits=limits) as client:
        alone = [ask(client, one) for one in asked]
        for _ in range(rounds):
            if budget.over:
                report.notes.append("The time was over before all rounds.")
                break
            answers += enumerate(together(client, asked))
        faults = server.faults
    own = [answer for number, answer in answers if answer.picture and answer.picture == alone[number].picture]
    told = [answer for _, answer in answers if not answer.picture and clear(answer.words)]
    wrong = sum(bool(answer.picture) for _, answer in answers) - len(own)
    report.notes += sorted({f"no clear words: {one.words[:200]!r}" for _, one in answers if unclear(one)})
    report.notes += sorted({f"alone: {one.words[:200]!r}" for one in alone if not one.picture})
    report.add("answers", len(answers), least=clients * rounds, note=f"{clients} at once, {kind} model")
    report.add("own results", len(own), least=1)
    report.add("clear words", len(told))
    report.add("wrong results", wrong, most=0)
    report.add("neither", len(answers) - len(own) - len(told) - wrong, most=0)
    report.add("p95", quantile([answer.seconds for answer in own], 0.95), most=PATIENCE, unit="s")
    report.add("tracebacks in the log", len(faults), most=0)
    report.notes += faults
    return report


def clear(words: str) -> bool:
    """Whether a visitor can act on them."""
    return len(words) > 15 and "Traceback" not in words and words != UNEXPECTED


def unclear(answer: Answer) -> bool:
    return not answer.picture and not clear(answer.words)


def ask(client: httpx.Client, settings: dict[str, Any]) -> Answer:
    """One call of ``generate``, from its beginning to its image."""
    begun = time.monotonic()
    try:
        with heard(client, called(client, **settings)) as told:
            image, _ = next(values for values in told if values is not None)
        seconds = time.monotonic() - begun
        file = client.get(f"{API}file={image['path']}")
        return Answer(seconds, file.content if file.status_code == 200 else b"not there")
    except Refused as refused:
        return Answer(time.monotonic() - begun, words=str(refused))
    except httpx.HTTPError as error:
        return Answer(time.monotonic() - begun, words=f"Traceback of the client: {error!r}")


def together(client: httpx.Client, asked: list[dict[str, Any]]) -> list[Answer]:
    """The answers to all of them, which begin at the same moment."""
    gate = Barrier(len(asked), timeout=60)

    def one(settings: dict[str, Any]) -> Answer:
        try:
            gate.wait()
        except BrokenBarrierError:
            return Answer(0.0, words="Traceback: the clients did not begin together")
        return ask(client, settings)

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(one, asked))
