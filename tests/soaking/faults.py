"""Part ``faults``: something breaks in the middle of a run, in every phase; there are words, and the next run is fine.

A ``Fault`` is struck in one run (or one file) of a ``Stage``, which then does the same again without it: that must come
to what it came to before any fault, with nobody left in the line and no search under way.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import gradio as gr
import numpy as np
from scripted import Encoded, ImageGenerator, SamplingSession, Studio, Verdict

from cotdemo.errors import UserError
from cotdemo.run.png import read_png_settings, write_png
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.settings import Settings
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.folder import own_folder
from cotdemo.ui.handlers import Handlers

from .figures import Budget, Report, quiet_log

OF = 200
PROMPT = "a prompt"
SETTINGS: dict[str, Any] = {"paths": 3, "steps": 4, "seed": 7}


def soak(budget: Budget) -> Report:
    report = Report()
    with TemporaryDirectory(prefix="cotdemo-faults-") as folder, quiet_log():
        stage, disk = Stage(), Disk(Path(folder))
        faults = [*stage.faults(), *disk.faults(), *Killed(Path(folder)).faults(), *of_models()]
        many = min(len(faults), budget.many(OF + 20))
        chosen = [faults[number * len(faults) // many] for number in range(many)]
        struck = fine = 0
        phases: dict[str, int] = {}
        for fault in chosen:
            if budget.over:
                report.notes.append("The time was over before all were struck.")
                break
            try:
                fired = fault.strike()
            except Exception as error:
                fired, told = True, f"{type(error).__name__}: {error}"
                report.notes.append(f"{fault.phase}, {fault.what}: not told in words: {told}"[:400])
            else:
                told = ""
            if not fired:
                continue
            struck += 1
            phases[fault.phase] = phases.get(fault.phase, 0) + 1
            try:
                fault.again()
                fine += not told
            except Exception as error:
                report.notes.append(f"{fault.phase}, {fault.what}: next: {type(error).__name__}: {error}"[:400])
    spread = ", ".join(f"{phase} {count}" for phase, count in phases.items())
    report.add("faults struck", struck, least=budget.many(OF), note=spread)
    report.add("told in words and the next run fine", fine, least=struck)
    return report


@dataclass(frozen=True)
class Fault:
    """``strike`` says whether it came to pass; what it raises was not told in words. ``again`` raises unless fine."""

    phase: str
    what: str
    strike: Callable[[], bool]
    again: Callable[[], None]


class OutOfMemoryError(RuntimeError):
    """By its name it is torch's."""


def _exhaust() -> None:
    """The machine's own answer to a process that asks for more memory than it may have."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, limits[1]))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _raises(error: BaseException) -> Callable[[], None]:
    def strike() -> None:
        raise type(error)(*error.args)  # a new one: it is to hold nothing of the run before

    return strike


ERRORS: dict[str, Callable[[], None]] = {
    "a bug": _raises(RuntimeError("broken")),
    "a missing key": _raises(KeyError("weight")),
    "out of memory on a device": _raises(OutOfMemoryError("CUDA out of memory")),
    "no memory for torch": _raises(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")),
    "no memory": _exhaust,
    "words": _raises(UserError("The weights are missing. Take them from the repository again.")),
    "numbers that are none": _raises(FloatingPointError("The numbers are not finite.")),
    "a full disk": _raises(OSError(errno.ENOSPC, "No space left on device")),
    "a call too deep": _raises(RecursionError("maximum recursion depth exceeded")),
    "an iterator at its end": _raises(StopIteration()),
    "a library that exits": _raises(SystemExit(1)),
    "an interruption": _raises(KeyboardInterrupt()),
}


class Open(Studio):
    """Judges images of whichever run, as one that has read them out of a trace does; its checker finds a fault."""

    def __init__(self, **options):
        super().__init__(**options)
        self.check = lambda prompt, image: self.checked(prompt, image)

    def checked(self, prompt, image):
        return Verdict(False, False, "one is missing")

    def encode(self, images):
        return Seen(self, [self.seen.get(image.tobytes(), (0, 0, 0)) for image in images])


class Seen(Encoded):
    """Says the same of every image, whichever run of this studio it is of."""

    def explain(self, prompt, row):
        yield from ("one ", "is missing")


# of the scripted models: phase, class, method
POINTS = (
    ("generator", Studio, "generator"),
    ("generator", ImageGenerator, "start"),
    ("generator", SamplingSession, "step"),
    ("generator", SamplingSession, "drop"),
    ("generator", SamplingSession, "restore"),
    ("decoder", SamplingSession, "decode"),
    ("decoder", Studio, "decode"),
    ("verifier", Studio, "verifier"),
    ("verifier", Studio, "encode"),
    ("verifier", Encoded, "ask"),
    ("verifier", Seen, "explain"),
    ("checker", Open, "checked"),
    ("prompt", Studio, "canonical"),
)


@contextmanager
def trap(owner: Any, name: str, nth: int, strike: Callable[[], Any]) -> Iterator[list[int]]:
    """While this is open ``strike`` comes in place of the ``nth`` call; gives how many there were, as a list of one."""
    calls, whole = [0], getattr(owner, name)

    def trapped(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        return strike() if calls[0] == nth else whole(*arguments, **options)

    with patch.object(owner, name, trapped):
        yield calls


def say(question: str, number: int, path: int, step: int) -> str:
    """All are stopped, the first one last: so a path is dropped, one restored, and what comes of it repainted."""
    return "no" if question == "outcome" or question == "potential" and step + path >= 2 else "yes"


class Stage:
    """A page's handlers and endpoints over scripted models, and what a run comes to there."""

    def __init__(self) -> None:
        self.ways: dict[str, Callable[[], str]] = {
            "Run": self.run, "Reflect": self.reflect, "brush": self.brush,
            "generate": self.generate, "API reflect": self.reflected,
        }  # fmt: skip
        self.failing: list[Callable[[], None]] = []  # what the next loads come to
        self.renew()
        self._first()  # painted once, and not counted below
        self.usual: dict[str, str] = {}
        self.calls: dict[str, list[int]] = {}  # of each of ``POINTS``, when nothing breaks
        for way, act in self.ways.items():
            with ExitStack() as stack:
                counts = [stack.enter_context(trap(owner, name, -1, lambda: None)) for _, owner, name in POINTS]
                self.usual[way] = act()
            self.calls[way] = [count for (count,) in counts]

    def renew(self) -> None:
        self.handlers = Handlers("mini", self._load)

    def _load(self) -> Studio:
        if self.failing:
            self.failing.pop()()
        return Open(say=say)

    # -- what a visitor may do; each gives what it came to, without times, and raises ``Told`` where that are words

    def run(self, method: str = "parm++") -> str:
        form = (PROMPT, {"method": method, "model": "base"}, *(SETTINGS[name] for name in ("paths", "steps")))
        return self._streamed(self.handlers.paint(*form, 1.0, 1.0, SETTINGS["seed"], False))

    def reflect(self) -> str:
        return self._streamed(self.handlers.reflect_anyway(self._painted().id))

    def brush(self) -> str:
        event = gr.EventData(None, {"tokens": [1, 2, 3]})
        return self._streamed(self.handlers.brush(self._painted().id, event))

    def generate(self) -> str:
        return self._asked(lambda endpoints: endpoints.painted(PROMPT, "parm++", **SETTINGS))

    def reflected(self) -> str:
        trace = self._painted().trace()
        return self._asked(lambda endpoints: endpoints.reflected(trace, anyway=True))

    @cache  # noqa: B019  # it lives as long as the part
    def _first(self) -> tuple[Any, ...]:
        return tuple(search("parm", self._load(), PROMPT, **SETTINGS))

    def _painted(self) -> Any:
        """A finished run that is kept, painted before the trap was set."""
        from cotdemo.ui.session import Run

        run = Run()
        run.keep(self._first())
        self.handlers.runs.add(run)
        return run

    def _streamed(self, updates: Iterator[dict[str, Any]]) -> str:
        told = [json.loads(update["viewer"]) for update in updates if "viewer" in update]
        notices = [one["notice"]["message"] for one in told if one.get("notice", {}).get("type") == "Failed"]
        events = told[-1].get("events", []) if told else []
        notices += [event["message"] for event in events if event["type"] == "Failed"]
        if notices:
            raise Told(notices[0])
        return _without_times(events)

    def _asked(self, ask: Callable[[Endpoints], Any]) -> str:
        try:
            answer = ask(Endpoints(self.handlers))
        except gr.Error as error:
            raise Told(error.message) from None
        return _without_times(json.loads(answer.run.trace_text())["events"])

    # -- faults

    def faults(self) -> Iterator[Fault]:
        for way, (what, strike) in itertools.product(("Run", "generate"), ERRORS.items()):
            yield self._fault("load", f"{what} while the model loads, {way}", way, lambda s=strike: self._loads(s))
        for number, (phase, owner, name) in enumerate(POINTS):
            for (what, strike), way in itertools.product(ERRORS.items(), self.ways):
                if (number + list(ERRORS).index(what) + list(self.ways).index(way)) % 3:
                    continue  # a third of all, each with each
                for nth in sorted({1, self.calls[way][number]} if self.calls[way][number] else ()):
                    words = f"{what} in {owner.__name__}.{name}, call {nth}, {way}"
                    setting = partial(self._trapped, owner, name, nth, strike)
                    yield self._fault("memory" if "memory" in what else phase, words, way, setting)
        for (name, jump), way in itertools.product(CLOCKS, self.ways):
            words = f"{name} jumps by {jump:+g} s, {way}"
            yield self._fault("clock", words, way, lambda n=name, j=jump: clock(n, j))

    def _fault(self, phase: str, what: str, way: str, setting: Callable[[], Any]) -> Fault:
        def strike() -> bool:
            with ExitStack() as stack:
                fired = stack.enter_context(setting())
                try:
                    self.ways[way]()
                except Told as told:
                    told.check()
                except (SystemExit, KeyboardInterrupt):
                    pass  # goes on to whoever is to end
            return bool(fired())

        def again() -> None:
            assert self.ways[way]() == self.usual[way], "it comes to something else"
            with self.handlers.line.place() as place:
                assert place.before == 0, "somebody is left in the line"
            assert not [one for one in threading.enumerate() if one.name == "search"], "a search goes on"

        return Fault(phase, what, strike, again)

    @contextmanager
    def _loads(self, strike: Callable[[], None]) -> Iterator[Callable[[], bool]]:
        self.renew()
        self.failing = [strike]
        with patch("threading.excepthook", lambda of: None):  # a load that exits is told of by its thread as well
            yield lambda: not self.failing

    @contextmanager
    def _trapped(self, owner: Any, name: str, nth: int, strike: Callable[[], None]) -> Iterator[Callable[[], bool]]:
        with trap(owner, name, nth, strike) as calls:
            yield lambda: nth <= calls[0]


class Told(Exception):
    """What a visitor was told."""

    def check(self) -> None:
        """Raise AssertionError where that is no sentence, or tells of the program's insides."""
        words = str(self)
        assert len(words) > 20 and words.endswith((".", "again")), f"these are no words: {words!r}"
        assert "Traceback" not in words and "site-packages" not in words, words


def _without_times(events: list[dict[str, Any]]) -> str:
    return json.dumps([{**event, "seconds": 0} if "seconds" in event else event for event in events])


# the system's time may be set; the others only go on, and while a machine sleeps by as much
CLOCKS = (("time", 86_400.0), ("time", -86_400.0), ("time", -1e9), ("monotonic", 86_400.0), ("perf_counter", 86_400.0))


@contextmanager
def clock(name: str, jump: float) -> Iterator[Callable[[], bool]]:
    """A clock of ``time`` that is another one from its third reading on."""
    readings, whole = itertools.count(), getattr(time, name)
    with patch.object(time, name, lambda: whole() + (jump if next(readings) > 1 else 0)):
        yield lambda: True


# -- files


class Disk:
    """Files that are written over others while the disk fails."""

    def __init__(self, folder: Path):
        self._folder, image = folder, np.zeros((8, 8, 3), np.uint8)
        trace = Trace.of(search("parm", Open(say=say), PROMPT, **SETTINGS), "2026-01-02T03:04:05+00:00")
        settings = Settings.checked(PROMPT, seed=1)
        self.kinds: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
            "trace.json": (trace.save, Trace.load),
            "winner.png": (lambda path: write_png(path, image, settings), read_png_settings),
        }

    def faults(self) -> Iterator[Fault]:
        numbers = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EMFILE)
        places = (("builtins.open", 1), ("os.fsync", 1), ("os.replace", 1))
        for name, number, (place, nth) in itertools.product(self.kinds, numbers, places):
            yield self._fault(name, f"{errno.errorcode[number]} by {place} of {name}", place, nth, number)

    def _fault(self, name: str, what: str, place: str, nth: int, number: int) -> Fault:
        path, (write, read) = self._folder / name, self.kinds[name]

        def strike() -> bool:
            path.write_bytes(b"before")
            module, _, function = place.rpartition(".")
            owner = {"builtins": __import__("builtins"), "os": os}[module]
            with trap(owner, function, nth, _raises(OSError(number, os.strerror(number)))) as calls:
                try:
                    write(path)
                except OSError as error:
                    assert error.filename == str(path), f"it does not name its file but {error.filename}"
                else:
                    raise AssertionError("nobody is told")
            assert path.read_bytes() == b"before", "what was there is gone"
            assert not list(self._folder.glob(f".{name}*")), "a part is left"
            return calls[0] >= nth

        def again() -> None:
            write(path)
            read(path)

        return Fault("disk", what, strike, again)


# -- processes that are ended


class Killed:
    """A process that runs searches and keeps each in the same file, ended at any moment by a signal."""

    SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP)

    def __init__(self, folder: Path):
        self._folder = folder
        self._rng = np.random.default_rng(0)

    def faults(self) -> Iterator[Fault]:
        for number, name in itertools.product(range(8), self.SIGNALS):
            phase = "kill" if name == signal.SIGKILL else "signal"
            wait = float(self._rng.uniform(0, 0.08))
            yield Fault(phase, f"{name.name} after {wait:.3f} s ({number})", lambda n=name, w=wait: self._end(n, w),
                        self._once)  # fmt: skip

    @property
    def _file(self) -> Path:
        return self._folder / "kept.json"

    def _work(self, rounds: int, begun: int) -> None:
        trace = Trace.of(search("parm", Open(say=say), PROMPT, **SETTINGS), "2026-01-02T03:04:05+00:00")
        with own_folder() as own:
            (own / "upload").write_bytes(b"x")
            os.write(begun, str(own).encode() + b"\n")
            for _ in range(rounds):
                list(search("parm", Open(say=say), PROMPT, **SETTINGS))
                trace.save(self._file)

    def _forked(self, rounds: int) -> tuple[int, Path]:
        """The process, once it is under way, and its folder for uploads."""
        told, begun = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                os.close(told)
                self._work(rounds, begun)
                status = 0
            except (SystemExit, KeyboardInterrupt):
                status = 3
            finally:
                os._exit(status)
        os.close(begun)
        with os.fdopen(told) as lines:
            return child, Path(lines.readline().strip())

    def _end(self, number: signal.Signals, wait: float) -> bool:
        child, own = self._forked(100_000)
        time.sleep(wait)
        os.kill(child, number)
        assert _status(child) in (3, -number), "it ended otherwise"
        if self._file.exists():
            Trace.load(self._file)
        if number in (signal.SIGTERM, signal.SIGINT):
            assert not own.exists(), "its folder for uploads is left"
        shutil.rmtree(own, ignore_errors=True)  # of a process that was not asked
        return True

    def _once(self) -> None:
        child, own = self._forked(1)
        assert _status(child) == 0 and not own.exists()
        assert Trace.load(self._file).finished is not None


def _status(child: int, seconds: float = 60) -> int:
    """The exit status of a process, below 0 by a signal. Raises AssertionError where it does not end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("it does not end")


# -- the real models, small


def of_models() -> Iterator[Fault]:
    """Faults within torch: in the networks of a tiny embedded model, which are as the shipped ones but in size."""
    places = (
        ("generator", "cotdemo.generator.showo:Showo.image_logits"),
        ("generator", "cotdemo.generator.showo:Showo.prefill"),
        ("decoder", "cotdemo.generator.magvit:MagvitV2.images"),
        ("verifier", "cotdemo.verifiers.llava:encode_images"),
        ("verifier", "cotdemo.verifiers.llava:prefill"),
    )
    for (phase, place), what in itertools.product(places, ("a bug", "out of memory on a device", "no memory")):
        yield Fault(phase, f"{what} in {place.rpartition(':')[2]}", lambda p=place, w=what: _models().strike(p, w),
                    lambda: _models().again())  # fmt: skip


@cache
def _models() -> Models:
    return Models()


class Models:
    def __init__(self) -> None:
        import tiny_mini

        from cotdemo.ui.recording import RUNS

        self._folder = TemporaryDirectory(prefix="cotdemo-tiny-")
        self._backend = tiny_mini.backend(Path(self._folder.name))
        recorded = Trace.load(min(RUNS.glob("*.json")))
        self._prompt = recorded.started.settings.prompt  # of the world that the embedded model paints
        self._usual = self._run()

    def _run(self) -> list[Any]:
        return list(search("parm++", self._backend, self._prompt, paths=2, steps=3, seed=1, rounds=1))

    def strike(self, place: str, what: str) -> bool:
        import torch

        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        owner = __import__(module, fromlist=["_"])
        for part in owners:
            owner = getattr(owner, part)
        strike = ERRORS[what] if what != "out of memory on a device" else _raises(torch.OutOfMemoryError("no room"))
        with trap(owner, name, 1, strike) as calls:
            try:
                self._run()  # a batch of two that does not fit is halved, and the run goes on
            except (RuntimeError, MemoryError):
                pass
        return calls[0] > 0

    def again(self) -> None:
        assert self._run() == self._usual, "it comes to something else"
