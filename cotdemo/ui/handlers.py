"""What the page does: each handler takes values of components and gives updates for them, by the component's name."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import fields
from typing import Any

import gradio as gr
from PIL import Image

from .. import search as searches
from ..errors import UserError
from ..events import Checked, Critiqued, Event, Judged, RoundStarted, RunFinished, RunStarted
from ..png import write_png
from ..settings import Settings
from ..trace import Trace, answer
from .session import Loader, Run, Runs, notice

log = logging.getLogger(__name__)

Update = dict[str, Any]

STOP_PATIENCE = 60.0  # seconds to wait for the step under way when Stop is pressed
UNEXPECTED = "Something went wrong inside, and it has been logged. Your settings are kept: press Run to try again."
OUT_OF_MEMORY = "The device ran out of memory. Choose fewer paths or fewer steps, and press Run again."
NOT_YET = "There is no picture to reflect on yet: press Run first, or open a trace."


def buttons(busy: bool, anyway: bool = False) -> Update:
    return {
        "run": gr.update(interactive=not busy),
        "stop": gr.update(interactive=busy),
        "reflect": gr.update(interactive=not busy),
        "anyway": gr.update(visible=anyway, interactive=not busy),
    }


class Handlers:
    """``load`` gives the backend (``cotdemo.search.Backend``); ``recorded`` is the run shown at first."""

    def __init__(self, backend: str, load: Callable[[], Any], recorded: Trace | None = None):
        self.backend = backend
        self.loader = Loader(load)
        self.runs = Runs()
        self.recorded = Run("recorded")
        self.first_message = ""
        if recorded is not None:
            self.first_message = shown(self.recorded, recorded, "A recorded run")

    # -- painting

    def paint(
        self, prompt: str, choice: object, paths: object, steps: object, guidance: object, temperature: object,
        seed: object, fresh: bool,
    ) -> Iterator[Update]:  # fmt: skip
        """Search, streaming; ``fresh`` draws a new seed, which is shown."""
        try:
            settings = Settings.checked(
                prompt, *chosen(choice, self.backend), paths=paths, steps=steps, guidance=guidance,
                temperature=temperature, seed=None if fresh else seed,
            )  # fmt: skip
            yield buttons(busy=True)
            backend = yield from self._loaded()
            events = searches.perform(settings, backend)
        except Exception as error:
            yield {"viewer": notice("Failed", words_for(error)), **buttons(busy=False)}
            return
        run = Run()
        self.runs.add(run)
        yield {"run_id": run.id, "seed": settings.seed, "picture": None}
        yield from self._stream(run, events)

    def reflect(self, run_id: str | None, anyway: bool = False) -> Iterator[Update]:
        """One round of reflection on what is on show."""
        try:
            run = self._run(run_id)
            yield buttons(busy=True)
            backend = yield from self._loaded()
            events = searches.reflect(backend, run.events, anyway=anyway)
        except Exception as error:
            yield {"viewer": notice("Failed", words_for(error)), **buttons(busy=False)}
            return
        yield from self._stream(run, events)

    def reflect_anyway(self, run_id: str | None) -> Iterator[Update]:
        yield from self.reflect(run_id, anyway=True)

    def _stream(self, run: Run, events: Iterator[Event]) -> Iterator[Update]:
        before = len(run.events)
        try:
            for message in run.stream(events):
                yield {"viewer": message}
        except Exception as error:
            yield {"viewer": run.snapshot({"type": "Failed", "message": words_for(error)}), **buttons(busy=False)}
            return
        finally:
            self.runs.add(run)  # its pictures count from now on
        yield self._ended(run, before)

    def _ended(self, run: Run, before: int) -> Update:
        if not isinstance(run.events[-1] if run.events else None, RunFinished):
            return {"viewer": run.snapshot({"type": "Stopped"}), **buttons(busy=False)}
        approved = approval(run.events, before)
        notices = [{"type": "Approved", "round": approved.round, "p_yes": approved.p_yes}] if approved else []
        update = {"viewer": run.snapshot(*notices), "picture": portrait(run.events)}
        return {**update, **buttons(busy=False, anyway=approved is not None)}

    def _loaded(self) -> Generator[Update, None, Any]:
        self.loader.start()
        if not self.loader.wait(0.2):
            yield {"viewer": notice("Waiting", "Loading the model: the first run waits for it.")}
            while not self.loader.wait(0.5):
                yield {}
        return self.loader.result()

    def _run(self, run_id: str | None) -> Run:
        if run_id is None:
            raise UserError(NOT_YET)
        run = self.runs.get(run_id)
        if run is None:
            raise UserError("This run is no longer kept here. Press Run again, or open its trace if you saved it.")
        return run

    def _known(self, run_id: object) -> Run | None:
        return self.runs.get(run_id) if isinstance(run_id, str) else None

    def stop(self, run_id: str | None) -> Update:
        """End the run within one step; what was painted stays on show."""
        run = self.runs.get(run_id)
        if run is None or run.idle.is_set():
            return buttons(busy=False)
        run.stop.set()
        run.idle.wait(STOP_PATIENCE)
        return {"viewer": run.snapshot({"type": "Stopped"}), **buttons(busy=False)}

    # -- keeping and opening

    def open_trace(self, file: str | None) -> Update:
        """Show a trace file; it can be reflected on if these weights painted it."""
        if file is None:
            return {}
        try:
            trace = Trace.load(file)
        except UserError as error:
            return {"viewer": notice("Failed", str(error))}
        run = Run()
        message = shown(run, trace, "An opened trace")
        self.runs.add(run)
        return {"viewer": message, "run_id": run.id, "picture": portrait(run.events), **buttons(busy=False)}

    def trace(self, run_id: object) -> str:
        """The trace file of a run on show, as text; "" where it is no longer kept."""
        run = self.recorded if run_id == self.recorded.id else self._known(run_id)
        return Trace.of(list(run.events)).to_json() if run and run.events else ""

    def resend(self, request: object) -> list[str]:
        """Messages that the page has missed: ``{"run": id, "missing": [numbers]}``."""
        request = request if isinstance(request, Mapping) else {}
        run, missing = self._known(request.get("run")), request.get("missing")
        if run is None or not isinstance(missing, list):
            return []
        return run.resend([number for number in missing[:2000] if type(number) is int and number >= 0])

    def prefill(self, request: gr.Request) -> Update:
        """Settings from the page's address; they fill the form and never run by themselves."""
        query = dict(request.query_params)
        given = {name: query[name] for name in ("prompt", "method", "model") if name in query}
        try:
            numbers = {name: parsed(name, query[name]) for name in NUMBERS if name in query}
            if not given and not numbers:
                return {}
            settings = Settings.checked(**{"prompt": "a", **given, "backend": self.backend, **numbers})
        except UserError as error:
            return {"viewer": notice("Failed", f"The settings in this page's address cannot be used: {error}")}
        update: Update = {name: getattr(settings, name) for name in numbers}
        if "prompt" in given:
            update["prompt"] = settings.prompt
        if "seed" in numbers:
            update["fresh"] = False
        if given.keys() & {"method", "model"}:
            update["choice"] = {"method": settings.method, "model": settings.model}
        return update

    # -- named endpoints, for gradio_client and MCP

    def api_generate(
        self, prompt: str, method: str = "parm", model: str = "base", paths: int | None = None,
        steps: int | None = None, guidance: float | None = None, temperature: float | None = None,
        seed: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Paint a prompt on several paths, judge them, and return the best picture with the whole trace.

        Args:
            prompt: What to paint, at most 300 characters. The embedded model knows "a photo of two red stars" and such.
            method: "baseline" (no judge), "orm" (best of N), "parm" (judged at every step), "parm++" (with reflection).
            model: The generator's weights, "base" or another that the backend offers.
            paths: How many pictures to try, 1 to 32; by default 8, or 1 for "baseline".
            steps: Mask-predict steps per picture, 1 to 50; by default 18.
            guidance: Classifier-free guidance, 0 to 10; by default the backend's.
            temperature: Noise in choosing which tokens to keep, 0 to 5; by default the backend's.
            seed: 0 to 4294967295; by default one drawn at random, which is returned.

        Returns:
            picture (PNG as a data URL, its settings inside), verdict (path, p_yes, answer and, for the embedded model,
            the checker's truth), settings (with the seed used) and trace (to be given to "reflect" or saved).
        """
        return self._result(lambda backend: searches.search(
            method, backend, prompt, model=model, paths=paths, steps=steps, guidance=guidance, temperature=temperature,
            seed=seed,
        ))  # fmt: skip

    def api_reflect(self, trace: dict[str, Any], anyway: bool = False) -> dict[str, Any]:
        """Criticise the picture of a trace in words, repaint it, and return the better one with the continued trace.

        Args:
            trace: The trace that "generate" or "reflect" returned, or the content of a saved trace.json.
            anyway: Repaint even if the judge calls the picture right already.

        Returns:
            As "generate", with critique (the judge's words; "" where it calls the picture right and leaves it) and
            before (the verdict on the picture that was criticised).
        """
        with spoken_errors():
            events = Trace.from_json(json.dumps(trace)).events
        before = verdict(events)
        result = self._result(lambda backend: searches.reflect(backend, events, anyway=anyway), events)
        return {**result, "before": before}

    def _result(self, begin: Callable[[Any], Iterator[Event]], before: tuple[Event, ...] = ()) -> dict[str, Any]:
        with spoken_errors():
            self.loader.start()
            self.loader.wait(3600)
            events = [*before, *begin(self.loader.result())]
        new = events[len(before) :]
        critiques = [event.text for event in new if isinstance(event, Critiqued) and event.done]
        trace = Trace.of(events)
        return {
            "picture": "data:image/png;base64," + base64.b64encode(png_bytes(events)).decode(),
            "verdict": verdict(events),
            "critique": critiques[-1] if critiques else "",
            "settings": settings_of(trace.started).as_dict(),
            "trace": json.loads(trace.to_json()),
        }


class spoken_errors:
    """Turns what went wrong into words for a client, as the page does."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception):
            raise gr.Error(words_for(error), print_exception=False) from None


NUMBERS = ("paths", "steps", "guidance", "temperature", "seed")


def parsed(name: str, text: str) -> float:
    """A number from an address. Raises UserError; limits are checked by ``Settings``."""
    try:
        return float(text[:40])
    except ValueError:
        raise UserError(f"{name} must be a number.") from None


def chosen(choice: object, backend: str) -> tuple[object, str, object]:
    """Method, backend, model as ``Settings.checked`` takes them, from the value of ``Choices``."""
    choice = choice if isinstance(choice, Mapping) else {}
    return choice.get("method"), backend, choice.get("model")


def words_for(error: Exception) -> str:
    """What the visitor is told. What was not foreseen is logged."""
    if isinstance(error, UserError):
        return str(error)
    log.error("a run failed", exc_info=error)
    # torch's class is known by its name: the page does not import torch
    return OUT_OF_MEMORY if type(error).__name__ == "OutOfMemoryError" else UNEXPECTED


def shown(run: Run, trace: Trace, title: str) -> str:
    """The one message that puts a recorded or opened trace on show."""
    message = run.message(list(trace.events), recorded={"title": title, "created": trace.created})
    if trace.finished is None:
        content = json.loads(message)
        content["events"].append({"type": "Stopped"})
        message = json.dumps(content, separators=(",", ":"))
    run.messages[-1] = message
    return message


def approval(events: list[Event], start: int) -> Judged | None:
    """The judge's "yes" that ended a reflection at once; None where it repainted, or there was no reflection."""
    if start == 0 or any(isinstance(event, RoundStarted) for event in events[start:]):
        return None
    return final_outcome(events)


def final_outcome(events: list[Event] | tuple[Event, ...]) -> Judged | None:
    """The judge's latest answer to "outcome" on the answer of a run."""
    winner = answer(events)
    outcomes = [e for e in events if isinstance(e, Judged) and e.question == "outcome"]
    return next((e for e in reversed(outcomes) if winner and (e.round, e.path) == (winner.round, winner.path)), None)


def verdict(events: list[Event] | tuple[Event, ...]) -> dict[str, Any]:
    """What is said of the answer of a run, JSON-safe."""
    winner, outcome = answer(events), final_outcome(events)
    if winner is None:
        return {}
    truth = [e for e in events if isinstance(e, Checked) and (e.round, e.path) == (winner.round, winner.path)]
    return {
        "round": winner.round,
        "path": winner.path,
        "fallback": winner.fallback,
        "p_yes": outcome.p_yes if outcome else None,
        "answer": outcome.answer if outcome else None,
        "truth": {name: getattr(truth[-1], name) for name in ("correct", "strict", "reason")} if truth else None,
    }


def settings_of(started: RunStarted) -> Settings:
    return Settings(**{field.name: getattr(started, field.name) for field in fields(Settings)})


def png_bytes(events: list[Event] | tuple[Event, ...]) -> bytes:
    """The answer of a run as a PNG file with its settings inside; b"" where there is no picture."""
    winner = answer(events)
    if winner is None or winner.picture is None:
        return b""
    buffer = io.BytesIO()
    write_png(buffer, winner.picture, settings_of(events[0]))
    return buffer.getvalue()


def portrait(events: list[Event] | tuple[Event, ...]) -> Image.Image | None:
    data = png_bytes(events)
    return Image.open(io.BytesIO(data)) if data else None
