"""The named endpoints ``generate`` and ``reflect``: for ``gradio_client``, and as tools for agents (MCP).

An answer is small: an image, and what is said of it as JSON text (Gradio hands agents the text of whatever an endpoint
returns, and a dictionary's is no JSON). Whoever wants the trace asks for it; to reflect, the run's id is enough. The
parameters of ``generate`` and their descriptions derive from ``SETTINGS``.
"""

import inspect  # no postponed annotations here: Gradio reads those of the endpoints
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from ..errors import UserError
from ..fields import OneOf
from ..run.events import Critiqued, Event
from ..run.prose import prose
from ..run.state import RunState
from ..run.trace import Trace
from ..settings import SETTINGS, Setting, Settings
from .caller import Caller
from .handlers import Handlers, verdict, words_for
from .keep import png_bytes
from .session import Run
from .visitors import Visitor


@dataclass(frozen=True)
class Answer:
    """What a client is given; ``before`` is the verdict on the image that a reflection began with.

    ``state`` is that of the run, which keeps none once it is at rest.
    """

    run: Run
    state: RunState
    critique: str
    before: dict[str, Any] | None = None

    def told(self, with_trace: bool) -> dict[str, Any]:
        """All but the image, JSON-safe."""
        told = {
            "run": self.run.id, "verdict": verdict(self.state), "critique": self.critique,
            "settings": self.state.settings.as_dict(),
        }  # fmt: skip
        if self.before is not None:
            told["before"] = self.before
        if with_trace:
            told["trace"] = json.loads(self.run.trace_text())
        return told

    def image(self) -> bytes:
        """A PNG file with its settings inside."""
        return png_bytes(self.state)


class Endpoints:
    """What clients ask of a page; its handlers run it in the same line as its visitors' runs."""

    def __init__(self, handlers: Handlers):
        self._handlers = handlers

    def generate(
        self, prompt: str, method: str = SETTINGS["method"].default, with_trace: bool = False, **settings: Any
    ) -> tuple[dict[str, Any], str]:
        """Paint a prompt on several paths, judge them, and return the best image.

        Args:
            with_trace: Return the trace as well, which holds every step of every path; some 300 kB.

        Returns:
            the image (PNG, its settings inside)
            and JSON with run (to be given to "reflect")
            verdict (path, p_yes, answer and, where there is a checker, its truth; one that errs is named, "by")
            settings (with the seed used).
        """
        return _result(self.painted(prompt, method, **settings), with_trace)

    def reflect(
        self, run: str = "", trace: dict[str, Any] | None = None, anyway: bool = False, with_trace: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Criticise the image of a run in words, repaint it, and return the better one.

        Args:
            run: The run that "generate" or "reflect" named in its answer; it is kept for a while.
            trace: In place of run: the trace that "generate" or "reflect" returned, or the content of a saved one.
            anyway: Repaint even if the judge calls the image right already.
            with_trace: Return the continued trace as well.

        Returns:
            as "generate"
            with critique (the judge's words; empty where it calls the image right and leaves it)
            and before (the verdict on the image that was criticised).
        """
        with spoken_errors():
            given = self._kept(run) if trace is None else Trace.from_json(json.dumps(trace))
        return _result(self.reflected(given, anyway), with_trace)

    def painted(self, prompt: str, method: str = SETTINGS["method"].default, **settings: Any) -> Answer:
        """Raises gr.Error, in words."""
        searches = self._handlers.searches
        with spoken_errors():
            asked = Settings.checked(prompt, method, self._handlers.backend, **settings)
        return self._answer(lambda backend: searches.search(method, backend, prompt, **settings), asked)

    def reflected(self, trace: Trace, anyway: bool = False) -> Answer:
        """Raises gr.Error, in words."""
        searches = self._handlers.searches
        asked = trace.started.settings
        return self._answer(lambda backend: searches.reflect(backend, trace.events, anyway=anyway), asked, trace)

    def _kept(self, run_id: str) -> Trace:
        run = self._handlers.runs.get(run_id)
        if not run_id or run is None:
            raise UserError("There is no such run, or it is no longer kept: generate it again, or give its trace.")
        if not run.idle.is_set() or not run.begun:
            raise UserError("This run is still under way.")
        return run.trace()

    def _answer(self, begin: Callable[[Any], Iterator[Event]], asked: Settings, before: Trace | None = None) -> Answer:
        handlers, run = self._handlers, Run()
        earlier, new = before.events if before else (), list[Event]()
        with spoken_errors(), handlers.line.place(Visitor.here(), asked.work) as place:
            caller = Caller()
            caller.wait(place.wait)
            handlers.loader.start()
            caller.wait(handlers.loader.wait)
            backend = handlers.loader.result()
            with handlers.log.told("api", asked, lambda: RunState.of([*earlier, *new])):
                new.extend(caller.hears(begin(backend)))
        handlers.pace.learn(new)
        run.keep([*earlier, *new])
        critiques = [event.text for event in new if isinstance(event, Critiqued) and event.done]
        said = prose(critiques[-1]) if critiques else ""
        answer = Answer(run, run.state, said, verdict(before.state) if before else None)
        handlers.runs.add(run)
        return answer


def _result(answer: Answer, with_trace: bool) -> tuple[dict[str, Any], str]:
    asked = answer.state.settings
    path = save_bytes_to_cache(answer.image(), f"seed-{asked.seed}.png", get_upload_folder())
    return FileData(path=path, mime_type="image/png").model_dump(), json.dumps(answer.told(with_trace))


class spoken_errors:
    """Turns what went wrong into words for a client, as the page does."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception):
            raise gr.Error(words_for(error), print_exception=False) from None


def taking_settings(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call(prompt, **settings)`` with every setting but the backend as a parameter of its own, described.

    Its other parameters come after these; so they do in its docstring.
    """
    known = [setting for name, setting in SETTINGS.items() if name != "backend"]
    signature = inspect.signature(call)
    own = [one for one in signature.parameters.values() if one.name not in SETTINGS and one.kind is not one.VAR_KEYWORD]
    parameters = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if setting.name == "prompt" else setting.default,
            annotation=_type(setting),
        )
        for setting in known
    ] + own

    @wraps(call)
    def endpoint(*values: Any, **named: Any) -> Any:
        return call(**dict(zip((one.name for one in parameters), values)) | named)

    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=signature.return_annotation)
    endpoint.__annotations__ = {one.name: one.annotation for one in parameters} | {
        "return": signature.return_annotation
    }
    described = "".join(f"    {setting.name}: {_described(setting)}\n" for setting in known)
    endpoint.__doc__ = inspect.getdoc(call).replace("Args:\n", f"Args:\n{described}")
    return endpoint


def _type(setting: Setting) -> Any:
    optional = setting.default is None and setting.name != "prompt"
    return setting.kind.python | None if optional else setting.kind.python


def _described(setting: Setting) -> str:
    """What it is and takes, on one line."""
    kind = setting.kind
    if isinstance(kind, OneOf):
        takes = "; ".join(f'"{name}" ({option.about or option.label})' for name, option in kind.options.items())
    else:
        takes = kind.words
    return f"{setting.described()}. {takes}."
