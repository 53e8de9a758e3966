"""Part ``fuzz``: traces, images, links, and calls of the API and of agents (MCP), altered by chance and by coverage.

What is not refused in the project's own words (``UserError``; of a call ``gr.Error``) counts as an exception; what took
more than a second of this process's computing as slow. Links and calls of Python go to the functions behind the page,
those of agents to a server on loopback.
"""

from __future__ import annotations

import io
import json
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import httpx
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase
from test_altered_traces import ALTERATIONS, RUNS, altered

from cotdemo.errors import UserError
from cotdemo.registry import METHODS, MODELS
from cotdemo.run.png import SIGNATURE, read_png_settings, write_png
from cotdemo.run.trace import Trace
from cotdemo.settings import SETTINGS, Settings
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.form import from_address
from cotdemo.ui.handlers import UNEXPECTED, Handlers

from .faults import Open, say
from .figures import Budget, Report, quiet_log
from .guided import LARGEST, Fuzzer, bytewise, chunks_of, joined, of_json, of_png

FILES, CALLS = 100_000, 10_000  # asked for
SLOW = 1.0  # seconds
MEMORY = 400  # MB
PART = 200  # inputs between two looks at the clock


class Tally:
    """What has become of all inputs."""

    def __init__(self, report: Report):
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.exceptions = self.slow = 0
        self.slowest = 0.0
        self._notes = report.notes

    def tried(self, kind: str, what: object, act: Callable[[], None], words: tuple[type[Exception], ...]) -> None:
        """Do it; ``words`` are the errors that are the project's own."""
        self.counts[kind] += 1
        begun = time.process_time()
        try:
            act()
        except words:
            self.refused[kind] += 1
        except Exception as error:
            self.exceptions += 1
            self._note(f"{kind}: {type(error).__name__}: {str(error)[:200]} of {ascii(what)[:300]}")
        seconds = time.process_time() - begun
        self.slowest = max(self.slowest, seconds)
        if seconds > SLOW:
            self.slow += 1
            self._note(f"{kind}: {seconds:.1f} s for {ascii(what)[:300]}")

    def _note(self, words: str) -> None:
        if len(self._notes) < 40:
            self._notes.append(words)


def soak(budget: Budget) -> Report:
    report = Report()
    tally = Tally(report)
    parts = {
        _traces: 0.5 * FILES, _altered: 0.1 * FILES, _images: 0.3 * FILES, _hidden: 0.1 * FILES,
        _links: 0.4 * CALLS, _calls: 0.3 * CALLS, _agents: 0.3 * CALLS,
    }  # fmt: skip
    before = _peak()
    lines = 0
    for part, many in parts.items():
        lines += part(tally, budget.many(int(many)), budget) or 0
    files, calls = (sum(tally.counts[kind] for kind in kinds) for kinds in (("trace", "picture"), ("link", "call")))
    refused = ", ".join(f"{kind} {count:,} refused" for kind, count in tally.refused.items())
    report.add("traces and images", files, least=budget.many(FILES), note=refused)
    report.add("links and calls", calls, least=budget.many(CALLS))
    report.add("exceptions not the project's", tally.exceptions, most=0)
    report.add("inputs over 1 s", tally.slow, most=0, note=f"the slowest {tally.slowest:.2f} s")
    report.add("memory added", (_peak() - before) / 1e6, most=MEMORY, unit="MB")
    report.add("lines reached by guidance", lines)
    return report


def _peak() -> int:
    """Bytes that this process has ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -- files


def read_trace(data: bytes) -> None:
    """Read it; what is taken must come out as it went in, and be told as a table. Raises UserError.

    What is large is read once, as a visitor has it read: it is to be quick.
    """
    trace = Trace.from_json(data)
    written = trace.to_json()
    trace.to_csv()
    if len(data) <= LARGEST:
        assert Trace.from_json(written) == trace, "written again it is another one"


def _guided(tally: Tally, kind: str, fuzzer: Fuzzer, read: Callable[[bytes], object], many: int, budget: Budget) -> int:
    def run(data: bytes) -> None:
        tally.tried(kind, data, partial(read, data), (UserError,))

    while many > 0 and not budget.over:
        many -= fuzzer.inputs(min(many, PART), run)
    return len(fuzzer.lines.seen)


def _traces(tally: Tally, many: int, budget: Budget) -> int:
    corpus = [json.dumps(content).encode() for content in RUNS.values()]
    return _guided(tally, "trace", Fuzzer(corpus, of_json), read_trace, many, budget)


def _images(tally: Tally, many: int, budget: Budget) -> int:
    read = lambda data: read_png_settings(io.BytesIO(data))  # noqa: E731
    corpus = [_png(Settings.checked("ein Hase für Zoë", method, seed=5).as_dict()) for method in METHODS]
    return _guided(tally, "picture", Fuzzer(corpus, of_png, seed=1), read, many, budget)


def _png(values: object) -> bytes:
    """An image of this app with other settings in it."""
    buffer = io.BytesIO()
    write_png(buffer, np.zeros((8, 8, 3), np.uint8), Settings.checked("x", seed=1))
    text = b"cotdemo\0" + json.dumps(values).encode()
    header, *rest = [(kind, body) for kind, body in chunks_of(buffer.getvalue()) if kind != b"tEXt"]
    return SIGNATURE + joined([header, (b"tEXt", text), *rest])


def _altered(tally: Tally, many: int, budget: Budget) -> None:
    def check(which: tuple[str, int], alterations: list[Any]) -> None:
        data = json.dumps(altered(RUNS[which], alterations)).encode()
        tally.tried("trace", (which, alterations), lambda: read_trace(data), (UserError,))

    _by_hypothesis(check, many, budget, st.sampled_from(sorted(RUNS)), st.lists(ALTERATIONS, min_size=1, max_size=6))


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
WORDS = ("mini", "show-o", "yes", "paper", "lenient", "sampled", "region")
LIKELY = st.sampled_from([*METHODS, *MODELS, *WORDS, 1, 2, 8, 0.5])
NAMES = st.sampled_from([*SETTINGS]) | st.text(max_size=12)
GIVEN = st.dictionaries(NAMES, LIKELY | WILD, max_size=8)


def _hidden(tally: Tally, many: int, budget: Budget) -> None:
    """Settings of all kinds in an image."""
    whole = Settings.checked("a prompt", seed=1).as_dict()

    def check(values: dict[str, Any], all_of: bool) -> None:
        data = _png({**whole, **values} if all_of else values)
        tally.tried("picture", values, lambda: read_png_settings(io.BytesIO(data)), (UserError,))

    _by_hypothesis(check, many, budget, GIVEN, st.booleans())


# -- links and calls


def _links(tally: Tally, many: int, budget: Budget) -> None:
    handlers = Handlers("mini", lambda: Open(say=say))

    class Request:
        def __init__(self, query: dict[str, str]):
            self.query_params = query

    def check(values: dict[str, Any], raw: str) -> None:
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        query |= dict(parse_qsl(raw, keep_blank_values=True))
        tally.tried("link", query, lambda: from_address(query, "mini"), (UserError,))
        handlers.prefill(Request(query))  # which has words for everything

    values = st.dictionaries(NAMES | st.just("run"), LIKELY | WILD | st.floats().map(str), max_size=6)
    _by_hypothesis(check, many, budget, values, st.text(max_size=60))


def _calls(tally: Tally, many: int, budget: Budget) -> None:
    handlers = Handlers("mini", lambda: Open(say=say))
    handlers.runs._most = 20
    endpoints = Endpoints(handlers)
    small = {"paths": 2, "steps": 3, "seed": 1}
    traces = [json.loads(json.dumps(content)) for content in RUNS.values()]

    def words(act: Callable[[], object]) -> None:
        try:
            act()
        except gr.Error as error:
            assert error.message != UNEXPECTED, f"something went wrong inside: {error.__context__!r}"
            raise

    def painting(values: dict[str, Any], prompt: Any) -> None:
        asked = small | {name: value for name, value in values.items() if name in SETTINGS and name != "prompt"}
        method = asked.pop("method", "parm")
        asked.pop("backend", None)
        act = lambda: endpoints.painted(prompt, method, **asked)  # noqa: E731
        tally.tried("call", (prompt, values), lambda: words(act), (gr.Error,))

    def reflecting(run: Any, which: int, alterations: list[Any], anyway: bool) -> None:
        trace = altered(traces[which % len(traces)], alterations) if alterations else None
        act = lambda: endpoints.reflect(run, trace, anyway)  # noqa: E731
        tally.tried("call", (run, which, alterations), lambda: words(act), (gr.Error,))

    with quiet_log():
        prompts = st.just("a prompt") | WILD
        _by_hypothesis(painting, many // 2 or 1, budget, GIVEN, prompts)
        changes = st.lists(ALTERATIONS, max_size=3)
        _by_hypothesis(reflecting, many - (many // 2 or 1), budget, WILD, st.integers(0, 9), changes, st.booleans())


def _agents(tally: Tally, many: int, budget: Budget) -> int:
    """Messages to the server for agents: a call of each tool, altered as JSON is. Answers above 499 are exceptions."""
    from .serving import served

    rng = random.Random(2)
    asked = {"prompt": "a prompt", "method": "orm", "paths": 1, "steps": 2, "seed": 1}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": given}}
        for name, given in (("cotdemo_generate", asked), ("generate", asked), ("reflect", {"run": "x"}))
    ]
    corpus = [json.dumps(message).encode() for message in messages]
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    with served("scripted", mcp=True) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        for _ in range(many):
            if budget.over:
                break
            data = rng.choice(corpus)
            for _ in range(rng.choice((1, 2, 3))):
                data = (bytewise if rng.random() < 0.2 else of_json)(data, rng)
            tally.tried("call", data, partial(_told, client, data, headers), ())
    return 0


def _told(client: httpx.Client, data: bytes, headers: dict[str, str]) -> None:
    answer = client.post("gradio_api/mcp/", content=data, headers=headers)
    assert answer.status_code < 500, f"status {answer.status_code}: {answer.text[:200]}"
    assert "Traceback" not in answer.text and UNEXPECTED not in answer.text, answer.text[:300]


def _by_hypothesis(check: Callable[..., None], many: int, budget: Budget, *values: Any) -> None:
    """Give ``check`` so many examples; it raises nothing that hypothesis should make smaller."""

    def bounded(example: tuple[Any, ...]) -> None:
        if not budget.over:
            check(*example)

    sized = settings(
        max_examples=many, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        database=InMemoryExampleDatabase(), derandomize=False,
    )  # fmt: skip
    sized(given(st.tuples(*values))(bounded))()
