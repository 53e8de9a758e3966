"""The page's own components: ``gr.HTML`` with a static template, drawn by the modules in ``web/``.

How the JavaScript gets into the page: a component's ``js_on_load`` is the body of a function that Gradio runs once when
the component is mounted, so the modules a component needs are joined into that text, without their import lines and
``export`` keywords. It thus travels with the component, whoever launches the page and however: no ``head`` or ``js`` to
remember at ``launch()``, no file route, no order of loading, nothing global. The files stay plain modules that a linter
reads and ``node --test`` imports. The price: names at the top level of modules that are joined must differ, imports are
relative and named, exports are ``export function|class|const`` (``joined`` raises if anything else is there).

The style sheets go into ``head``, which Gradio copies as it is. ``css_template`` would not do: templates are evaluated
as JavaScript. For the same reason no value ever meets a template: ``html_template`` is empty and all drawing is done
with ``textContent`` and canvases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import gradio as gr

from ..registry import BACKENDS, resolve
from ..run.trace import MAX_BYTES
from ..settings import MAX_PROMPT, SEED
from .data import choices_of, labels, names, settings_of

WEB = Path(__file__).with_name("web")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |class |const )", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)

TITLE = "Watch an image generator think"
ABOUT = (
    "It paints several attempts at a prompt; a judge stops the hopeless ones, crowns the best and says what to mend."
)
HEADING = """
<header class="cot-heading">
  <h1>{title}</h1>
  <p>{about}
  <a href="https://arxiv.org/abs/2501.13926" target="_blank" rel="noopener">Paper</a> ·
  <a href="https://arxiv.org/abs/2408.12528" target="_blank" rel="noopener">Show-o</a> ·
  <a href="https://huggingface.co/ZiyuG/Image-Generation-CoT" target="_blank" rel="noopener">Judge</a> ·
  <a href="#learn">How it works</a></p>
  <span class="cot-backend"><b>{painter}</b> ({backend}){beside}</span>
</header>
"""  # fixed text: templates are code
PAINTERS = {True: "a small Show-o, trained here", False: "the released Show-o"}  # by whether its weights ship
GENERATED = " · all images here are generated, whatever they seem to show"
BESIDE = ' · <a href="mini/">embedded model</a>'  # cotdemo.ui.embedded_beside serves it


@cache  # Gradio makes a component anew for every update that does not touch it
def joined(entry: str, call: str) -> str:
    """The module ``entry`` and all it imports as the body of one function that ends with ``call``."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for needed in _IMPORT.findall(source(name)):
                visit(needed)
            order.append(name)

    visit(entry)
    text = "\n".join(_EXPORT.sub("", _IMPORT.sub("", source(name))) for name in dict.fromkeys(order))
    names = _NAME.findall(text)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"names used twice at the top level of joined modules: {sorted(twice)}")
    left = re.search(r"^\s*(?:import|export)\b.*", text, re.MULTILINE)
    if left:
        raise ValueError(f"this line cannot be joined: {left.group()}")
    return f'"use strict";\n{text}\n{call}\n'


@cache
def source(name: str) -> str:
    """A file of ``web/``."""
    return (WEB / name).read_text(encoding="utf-8")


@cache  # every visitor's session holds components of its own: not the text, too
def _style(name: str) -> str:
    return f"<style>\n{source(name)}</style>"


def page_style() -> str:
    """The page's own sheet, for the document's head: what is drawn later has its room at once."""
    return _style("page.css")


def _drawn(module: str, call: str, style: str | None = None) -> dict[str, Any]:
    """The options of a component that ``module`` draws, begun by ``call``; ``style`` is its sheet, if it has one."""
    head = _style(style) if style else None
    return {"html_template": "", "js_on_load": joined(module, call), "head": head, "apply_default_css": False}


@cache
def _quotes(script: str, name: str) -> bool:
    return any(f"{mark}{name}{mark}" in script for mark in "'\"`")


class Drawn(gr.HTML):
    """Gradio asks a component for some thirty names that it may have, once for every visitor and in the event loop.

    Each that it has not is looked for in its script, as it might be an event: here once and for all.
    """

    def __getattr__(self, name: str) -> Any:
        if not _quotes(self.__dict__.get("js_on_load") or "", name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return super().__getattr__(name)


class Stage(Drawn):
    """Where the viewer puts a run's image and what is said of it: apart from its grid, before the form on a phone.

    Its value is the form. Its "select" event brings the tokens that the brush has marked, none where that is to be
    taken back; "apply" wants the settings of the run on show in the form.
    """

    def __init__(self, value: dict[str, Any] | None = None, **options: Any):
        super().__init__(value=value, **_drawn("place.js", "mountPlace(element, props, trigger, watch);"), **options)


class Viewer(Drawn):
    """A run, as it is painted. Its value is the latest message of the stream (``cotdemo.ui.session.Run``), a text.

    Its "select" event wants the run that an address names, to which the visitor goes back.

    ``resend({run, missing})`` returns messages that were lost on the way; ``less(prompt)`` what the brush may take away
    from an image, and the prompt that is left each time; ``export({run, what})`` a file, of the rows that ``exports``
    has (``cotdemo.ui.exports``).
    """

    def __init__(
        self, value: str = "", *, backend: str, resend: Callable[[Any], list[str]],
        less: Callable[[Any], list[tuple[str, str]]], export: Callable[[Any], dict[str, Any]],
        exports: list[dict[str, str]], **options: Any,
    ):  # fmt: skip
        super().__init__(
            value=value,
            **_drawn("viewer.js", "mount(element, props, watch, server, trigger);", "viewer.css"),
            server_functions=[_function(one) for one in (resend, less, export)],
            exports=exports,
            most_bytes=MAX_BYTES,
            labels=labels(),
            settings=settings_of(backend),
            **options,
        )


def _function(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method as a plain function of the same name: Gradio marks server functions with an attribute."""

    @wraps(method)
    def call(argument: Any) -> Any:
        return method(argument)

    return call


class Choices(Drawn):
    """Method and model of one backend, as ``{"method", "model"}``."""

    def __init__(self, value: dict[str, str] | None = None, *, backend: str, **options: Any):
        super().__init__(
            value=value,
            **_drawn("choices.js", "mountChoices(element, props, watch);", "choices.css"),
            **choices_of(backend),
            **options,
        )


class Fresh(Drawn):
    """Whether Run draws a new seed; otherwise it keeps the one in the field beside this. Styled as ``Choices``."""

    def __init__(self, value: bool = True, **options: Any):
        super().__init__(value=value, **_drawn("seed.js", "mountSeed(element, props, watch);"), **options)


class Palette(Drawn):
    """What the backend can be asked for, to be clicked into the prompt, which is its value.

    Its "select" event says that it has changed the prompt. ``cot-choice-note`` is styled as in ``Choices``.
    """

    def __init__(self, value: str = "", *, backend: str, **options: Any):
        row = BACKENDS[backend]
        super().__init__(
            value=value,
            **_drawn("palette.js", "mountPalette(element, props, trigger, watch, server);", "palette.css"),
            server_functions=[_function(resolve(row.drawings))],
            words=resolve(row.palette)(),
            most=MAX_PROMPT,
            **options,
        )


class Board(Drawn):
    """Results of a comparison. Its value is the latest message of ``cotdemo.ui.comparison``, a text.

    Its "select" event brings the id of the run that is to be opened.
    """

    def __init__(self, value: str = "", **options: Any):
        super().__init__(
            value=value,
            **_drawn("compare.js", "mountCompare(element, props, trigger, watch);", "compare.css"),
            **options,
        )


class Anew(Drawn):
    """An offer to compare another prompt. Its value is ``{"own", "run"}``, the prompts of the Compare tab and of Run.

    ``compared`` are the prompts of the comparison on show. Its "select" event wants the value's ``chosen`` compared.
    """

    def __init__(self, value: dict[str, str] | None = None, *, compared: Sequence[str] = (), **options: Any):
        self.compared = compared  # Gradio takes an update's values from attributes
        drawn = _drawn("anew.js", "mountAnew(element, props, trigger, watch);")
        super().__init__(value=value, **drawn, compared=compared, **options)


class Results(Drawn):
    """Measured figures (``cotdemo.ui.measured``), which do not change. Its colours and resets are the viewer's."""

    def __init__(self, value: str = "", *, ladder: dict[str, Any], curves: dict[str, Any], **options: Any):
        super().__init__(
            value=value,
            **_drawn("results.js", "mountResults(element, props);", "results.css"),
            ladder=ladder,
            curves=curves,
            **options,
        )


class Tour(Drawn):
    """The tour's button; the tour itself lies over the page. ``tour`` is that of ``cotdemo.ui.learn.tour_of``.

    With ``offer`` there is no button: new visitors are asked, in a corner of the page.
    """

    def __init__(self, value: str = "", *, tour: dict[str, Any], offer: bool = False, **options: Any):
        drawn = _drawn("tour.js", "mountTour(element, props);", "learn.css")
        super().__init__(value=value, **drawn, tour=tour, offer=offer, **options)


class Lesson(Drawn):
    """How to read the page: fixed text."""

    def __init__(self, value: str = "", **options: Any):
        template = source("learn.html")
        super().__init__(value=value, html_template=template, js_on_load="", apply_default_css=False, **options)


class Heading(Drawn):
    """The page's title, and its style sheet."""

    def __init__(self, value: str = "", *, backend: str, **options: Any):
        ships = BACKENDS[backend].ships
        beside = "" if ships else BESIDE + GENERATED
        template = HEADING.format(title=TITLE, about=ABOUT, painter=PAINTERS[ships], backend=backend, beside=beside)
        super().__init__(
            value=value, html_template=template, js_on_load="", head=_style("page.css"), apply_default_css=False,
            **options,
        )  # fmt: skip


class Estimate(Drawn):
    """What Run will do and how long that takes, or what stands in its way. Its value is the form.

    ``rates`` are those of ``cotdemo.ui.eta.Pace``; ``refused`` is a prompt that cannot be painted, and why:
    {prompt, words}.
    """

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        backend: str,
        rates: dict[str, float] | None = None,
        refused: dict[str, str] | None = None,
        **options: Any,
    ):
        self.rates, self.refused = rates or {}, refused or {}  # Gradio takes an update's values from attributes
        super().__init__(
            value=value,
            **_drawn("estimate.js", "mountEstimate(element, props, watch);", "keep.css"),
            rates=self.rates,
            refused=self.refused,
            limits={"backend": backend, "cap": BACKENDS[backend].cap, "prompt": MAX_PROMPT, "seed": SEED[1]},
            names=names(),
            **options,
        )


class Share(Drawn):
    """The form's settings as a link and as code, to copy. Its value is the form."""

    def __init__(self, value: dict[str, Any] | None = None, *, backend: str, **options: Any):
        super().__init__(
            value=value,
            **_drawn("share.js", "mountShare(element, props, watch);"),
            backend=backend,
            settings=settings_of(backend),
            most=MAX_BYTES,
            **options,
        )


class Gallery(Drawn):
    """Recorded runs, as ``cotdemo.ui.keep.Keep.cards`` gives them. Its value is the name of the one on show, or ""."""

    def __init__(self, value: str = "", *, runs: list[dict[str, Any]], **options: Any):
        super().__init__(
            value=value,
            **_drawn("gallery.js", "mountGallery(element, props, trigger, watch);"),
            runs=runs,
            **options,
        )
