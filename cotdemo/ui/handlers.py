"""What the page does: each handler takes values of components and gives updates for them, by the component's name."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from ..errors import OUT_OF_MEMORY, UserError, is_out_of_memory
from ..fields import MAX_TOKENS, plain_text
from ..registry import BACKENDS
from ..run.events import Event, Judged
from ..run.prose import prose
from ..run.state import RunState
from ..run.trace import Trace
from ..search import entry as searches
from ..search import prepared, taken_back
from ..settings import MAX_PROMPT, Settings
from ..version import versions
from ..world.prompts import lessened
from .eta import Pace
from .form import FIELDS, Update, asked, buttons, from_address
from .keep import GONE, Keep, portrait
from .queue import MOST, Line, Place
from .run_log import RunLog
from .session import Loader, Run, Runs, notice
from .visitors import Visitor

log = logging.getLogger(__name__)

A_MINUTE = 4  # of the largest runs, how many one public address may ask for in a minute
STOP_PATIENCE = 60.0  # seconds to wait for the step under way when Stop is pressed
_PATH = re.compile(r"""(?<![\w:/\\.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'"():,;]+){2,}""")  # of a file, from its root on
UNEXPECTED = "Something went wrong inside, and it has been logged. Your settings are kept: press Run to try again."


class Handlers:
    """``load`` gives the backend (``cotdemo.search.Backend``); ``recorded`` are runs to be opened, by name.

    ``searches`` has the functions of ``cotdemo.search``, by which everything is painted; ``max_queue`` runs are taken
    in, under way or waiting. ``log`` is told of every run.
    """

    def __init__(
        self,
        backend: str,
        load: Callable[[], Any],
        recorded: Mapping[str, Trace] | None = None,
        searches: Any = searches,
        max_queue: int = MOST,
        log: RunLog | None = None,
    ):
        self.backend = backend
        self.searches = searches
        self.loader = Loader(load)
        self.line = Line(max_queue, A_MINUTE * BACKENDS[backend].cap)
        self.pace = Pace()
        self.runs = Runs()
        self.keep = Keep(backend, self.runs, recorded or {})
        self.log = log or RunLog()
        self._told = ""  # why images are not checked, once that has been said

    def health(self) -> dict[str, Any]:
        """How the server is, JSON-safe; ``status`` is idle before the model is asked for, loading, ready or failed."""
        loader = self.loader
        status = "ready" if loader.ready else "failed" if loader.error else "loading" if loader.loading else "idle"
        return {
            "status": status, "backend": self.backend, "in_line": self.line.taken, "line": self.line.most,
            "versions": versions(),
        }  # fmt: skip

    # -- painting

    def paint(self, *form: Any) -> Iterator[Update]:
        """Search, streaming; ``form`` are the values of ``FIELDS``. A new seed, where one is drawn, is shown."""
        try:
            values = dict(zip(FIELDS, form))
            settings, visitor = asked(values, self.backend), Visitor.here()
            # at once: nothing typed later is lost
            drawn = {} if settings.seed == values["seed"] else {"seed": settings.seed}
            yield {**drawn, **buttons(busy=True)}
            with self.line.place(visitor, settings.work) as place:
                yield from self._turn(place)
                backend = yield from self._loaded()
                settings = prepared(settings, backend)
                events = self.searches.perform(settings, backend)
                run = Run()
                self.runs.add(run)
                yield {"run_id": run.id, "picture": None, "gallery": ""}
                yield from self._stream("page", settings, run, events)
        except Exception as error:
            yield {"viewer": notice("Failed", words_for(error)), **buttons(busy=False)}

    def reflect(self, run_id: str | None, anyway: bool = False) -> Iterator[Update]:
        """One round of reflection on what is on show."""
        begin = partial(self.searches.reflect, anyway=anyway)
        yield from self._further("reflect", run_id, begin)

    def reflect_anyway(self, run_id: str | None) -> Iterator[Update]:
        yield from self.reflect(run_id, anyway=True)

    def brush(self, run_id: str | None, event: gr.EventData) -> Iterator[Update]:
        """Paint the marked tokens of the answer on show anew, from another prompt where there is one; without any
        tokens, go back to what it was before."""
        asked = event._data if isinstance(event._data, Mapping) else {}
        tokens, prompt = asked.get("tokens"), asked.get("prompt", "")
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens[:MAX_TOKENS]):
            return
        if not isinstance(prompt, str):
            return
        if tokens:
            marked = tokens[:MAX_TOKENS]
            begin = partial(self.searches.brush, tokens=marked, prompt=prompt[: MAX_PROMPT + 1])
            yield from self._further("brush", run_id, begin)
        else:
            yield self._take_back(run_id)

    def _take_back(self, run_id: str | None) -> Update:
        try:
            run, _ = self._on_show(run_id)
            if not run.idle.is_set():
                return {}
            run.keep([taken_back(run.events)])
            update = {"viewer": run.snapshot(), "picture": portrait(run.state)}
            self.runs.add(run)
            return {**update, **buttons(busy=False)}
        except UserError as error:
            return {"viewer": notice("Failed", str(error))}

    def _further(
        self, by: str, run_id: str | None, begin: Callable[[Any, Sequence[Event]], Iterator[Event]]
    ) -> Iterator[Update]:
        """What goes on after the end of the run on show."""
        try:
            (run, shown), visitor = self._on_show(run_id), Visitor.here()
            yield {**shown, "gallery": "", **buttons(busy=True)}
            with self.line.place(visitor, run.state.settings.work if run.begun else 0) as place:
                yield from self._turn(place)
                backend = yield from self._loaded()
                yield from self._stream(by, run.state.settings, run, begin(backend, run.events))
        except Exception as error:
            yield {"viewer": notice("Failed", words_for(error)), **buttons(busy=False)}

    def _stream(self, by: str, settings: Settings, run: Run, events: Iterator[Event]) -> Iterator[Update]:
        rounds = len(run.state.rounds)  # that there were before
        try:
            with self.log.told(by, settings, lambda: run.state):
                for message in run.stream(events):
                    yield {"viewer": message}
            yield self._ended(run, rounds)
        except Exception as error:
            yield {"viewer": run.snapshot({"type": "Failed", "message": words_for(error)}), **buttons(busy=False)}
        finally:
            self.runs.add(run)  # what it holds counts from now on

    def _ended(self, run: Run, rounds: int) -> Update:
        """``rounds`` are those that there were before."""
        state = run.state
        if state.phase != "finished":
            return self._stopped(run)
        self.tell_unchecked()
        if not rounds:
            self.pace.learn([state.started, state.finished])
        approved = approval(state, rounds)
        notices = [{"type": "Approved", "round": approved.round, "p_yes": approved.p_yes}] if approved else []
        update = {"viewer": run.snapshot(*notices), "picture": portrait(state)}
        return {**update, **self.rates(), **buttons(busy=False, anyway=approved is not None)}

    def tell_unchecked(self) -> None:
        """Say, to whose run met it first, why images that were to be checked are not."""
        words = getattr(self.loader.backend, "unchecked", "")
        if words and words != self._told:
            self._told = words
            gr.Warning(f"Images are not checked. {words_for(UserError(words))}", duration=None)

    def heard(self, prompt: str) -> Update:
        """Whether what is typed can be painted, which is told before Run. Nothing is loaded for it."""
        words, backend = "", self.loader.backend
        if backend is not None and prompt.strip():
            try:
                backend.canonical(plain_text("prompt", prompt, MAX_PROMPT))
            except UserError as error:
                words = words_for(error).partition("\n")[0]  # the rest is told where it is run all the same
        return {"estimate": gr.update(refused={"prompt": prompt, "words": words})}

    @staticmethod
    def less(prompt: object) -> list[tuple[str, str]]:
        """What the brush may take away from an image of a prompt, and the prompt that is left."""
        return lessened(prompt) if isinstance(prompt, str) and len(prompt) <= MAX_PROMPT else []

    def rates(self) -> Update:
        """What is known of how long runs take."""
        return {"estimate": gr.update(rates=self.pace.table())}

    def _turn(self, place: Place) -> Iterator[Update]:
        told = 0
        while not place.wait(0.05 if not told else 0.5):
            before = place.before
            if before not in (0, told):
                runs = "One run is" if before == 1 else f"{before} runs are"
                yield {"viewer": notice("Waiting", f"{runs} before yours. It starts by itself; Stop leaves the line.")}
            else:
                yield {}  # a moment for Gradio to notice that the visitor has left
            told = before

    def _loaded(self) -> Generator[Update, None, Any]:
        self.loader.start()
        told = ""
        while not self.loader.wait(0.5 if told else 0.2):
            words = self.loader.words
            what = f"{words[:1].upper()}{words[1:]}: the first run waits for it."
            yield {"viewer": notice("Waiting", what)} if words != told else {}
            told = words
        return self.loader.result()

    def _on_show(self, run_id: str | None) -> tuple[Run, Update]:
        """The run that this visitor sees, and what makes it his own where the page has shown it to everybody at first.

        Raises UserError if there is none.
        """
        if run_id is None:
            return self.keep.take_first()
        run = self.runs.get(run_id)
        if run is None:
            raise UserError("This run is no longer kept here. Press Run again, or open its trace if you saved it.")
        return run, {}

    def stop(self, run_id: str | None) -> Update:
        """End the run within one step; what was painted stays on show."""
        run = self.runs.get(run_id)
        if run is None or run.idle.is_set():  # it was loading, or waiting in line
            return {"viewer": notice("Stopped"), **buttons(busy=False)}
        run.halt()
        run.idle.wait(STOP_PATIENCE)
        return self._stopped(run)

    @staticmethod
    def _stopped(run: Run) -> Update:
        return {"viewer": run.snapshot({"type": "Stopped"}), **buttons(busy=False, chosen=run.state.answer is not None)}

    def resend(self, request: object) -> list[str]:
        """Messages that the page has missed: ``{"run": id, "missing": [numbers]}``."""
        request = request if isinstance(request, Mapping) else {}
        run, missing = self.runs.get(request.get("run")), request.get("missing")
        if run is None or not isinstance(missing, list):
            return []
        return run.resend([number for number in missing[:2000] if type(number) is int and number >= 0])

    def prefill(self, request: gr.Request, fresh: object = False) -> Update:
        """What the page's address names: a run, or settings. They fill the form and never run by themselves.

        ``fresh`` is whether the seed was random when this page was reloaded, which it stays beside the run.
        """
        query = dict(request.query_params)
        found = self.keep.open_named(query["run"]) if "run" in query else {}
        if found:
            return {**found, "fresh": fresh is True}
        try:
            update = from_address(query, self.backend)
        except UserError as error:
            return {"viewer": notice("Failed", f"The settings in this page's address cannot be used: {error}")}
        if "prompt" in update:
            gone = "The run of this link is no longer kept here. " if "run" in query else ""
            same = ", with its seed the same image" if "seed" in update else ""
            update["viewer"] = notice("Offered", f"{gone}This link asks for “{update['prompt']}”{same}.")
        elif "run" in query:
            update["viewer"] = notice("Failed", GONE)
        return update

    def revisit(self, run_id: str | None, event: gr.EventData) -> Update:
        """The run of an address that the visitor has gone back to."""
        asked = event._data if isinstance(event._data, Mapping) else {}
        return self.keep.revisit(asked.get("run"), asked.get("fresh") is True, run_id)


def words_for(error: Exception) -> str:
    """What the visitor is told; of files of the server their names only. What was not foreseen is logged."""
    if isinstance(error, UserError):
        return _PATH.sub(lambda path: re.split(r"[/\\]", path.group())[-1], str(error))
    log.error("a run failed", exc_info=error)
    if isinstance(error, FloatingPointError):
        return str(error)
    return OUT_OF_MEMORY if is_out_of_memory(error) else UNEXPECTED


def approval(state: RunState, rounds: int) -> Judged | None:
    """The judge's "yes" that ended a reflection at once; None where there are more than the ``rounds`` before."""
    return state.answer_path.outcome if rounds and len(state.rounds) == rounds else None


def verdict(state: RunState) -> dict[str, Any]:
    """What is said of the answer of a run, JSON-safe."""
    winner, path = state.answer, state.answer_path
    if winner is None:
        return {}
    outcome, checked = path.outcome, path.checked
    withheld = {"withheld": True} if winner and winner.withheld else {}
    true = {"correct": checked.correct, "strict": checked.strict, "reason": prose(checked.reason)} if checked else None
    if checked and checked.by:
        true["by"] = checked.by
    return {
        "round": winner.round,
        "path": winner.path,
        "fallback": winner.fallback,
        "p_yes": outcome.p_yes if outcome else None,
        "answer": outcome.answer if outcome else None,
        "truth": true,
        **withheld,
    }
