"""The Run tab: settings at the left, the run in the middle, what is kept of it below; and what its buttons do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from ..errors import UserError
from ..registry import BACKENDS
from ..settings import MAX_PROMPT, SETTINGS
from ..version import in_words
from .components import Choices, Estimate, Fresh, Gallery, Palette, Share, Stage, Viewer
from .endpoints import Endpoints, taking_settings
from .examples import examples_of
from .exports import Exports, menu
from .form import CHOICE, FIELDS, OTHERS, Update, component, start
from .handlers import Handlers, words_for
from .tab import Page
from .wiring import COMPUTES, QUICK, named

NOT_LOADED = "The model loads when the page is first opened; you can press Run at once."

FORM = f"""(prompt, choice, ...others) => {{
  const form = {{ prompt, ...choice }};
  {json.dumps(FIELDS[2:])}.forEach((name, place) => {{ form[name] = others[place]; }});
  return [form, form, form];
}}"""


Parts = dict[str, Any]  # components by name


def build(page: Page) -> None:
    backend = page.handlers.backend
    at_first = start(page.handlers.keep.first_prompt or examples_of(backend)[2], backend)
    parts: Parts = {"run_id": gr.State(None)}
    with gr.Row(elem_id="cot-page", equal_height=False):
        with gr.Column(elem_id="cot-stage"):
            parts["stage"] = Stage(at_first, elem_id="stage")
        with gr.Column(elem_id="cot-side"):
            parts |= _form(backend, at_first)
        with gr.Column(elem_id="cot-main"):
            parts |= _shown(page.handlers)
        with gr.Column(elem_id="cot-keep"):
            parts |= _saved(page.handlers, at_first)
    # before the buttons' events, which would take these names, private as they are
    endpoints = Endpoints(page.handlers)
    gr.api(taking_settings(endpoints.generate), api_name="generate", concurrency_limit=None)
    gr.api(endpoints.reflect, api_name="reflect", concurrency_limit=None)
    _wire(page, parts)


def _form(backend: str, at_first: Update) -> Parts:
    """The prompt, the buttons, and every setting that the page offers."""
    examples = examples_of(backend)
    prompt = gr.Textbox(
        value=at_first["prompt"], label="Prompt", placeholder="a photo of ...", max_length=MAX_PROMPT, lines=1,
        max_lines=4, container=False, show_label=False, elem_id="prompt",
    )  # fmt: skip
    with gr.Row(elem_id="cot-buttons"):
        run = gr.Button("Run", variant="primary", min_width=90, scale=2, elem_id="run")
        stop = gr.Button("Stop", interactive=False, min_width=60, elem_id="stop")
        reflect = gr.Button("Reflect", min_width=70, elem_id="reflect")
        anyway = gr.Button("Repaint anyway", visible=False, min_width=70, elem_id="anyway")
    with gr.Row(elem_id="cot-seed"):
        fresh = Fresh(True, elem_id="fresh")
        seed = component(SETTINGS["seed"], at_first["seed"], show_label=False, container=False, min_width=60)
    # who types a seed means it; who empties the field does not
    seed.input(None, seed, fresh, js="(seed) => seed === null", api_visibility="private")
    estimate = Estimate(at_first, backend=backend, elem_id="estimate")
    with gr.Row(elem_id="cot-chips"):
        for example in examples:
            chip = gr.Button(example.removeprefix("a photo of "), size="sm", min_width=0)
            chip.click(None, None, prompt, js=f"() => {json.dumps(example)}", api_visibility="private")
    if BACKENDS[backend].palette:
        palette = Palette(at_first["prompt"], backend=backend, elem_id="palette")
        prompt.change(None, prompt, palette, js="(prompt) => prompt", api_visibility="private")
        palette.select(None, palette, prompt, js="(prompt) => prompt", api_visibility="private")
    choice = Choices({name: at_first[name] for name in CHOICE}, backend=backend, elem_id="choice")
    with gr.Accordion("Attempts, steps, guidance", open=False, elem_id="cot-settings"):
        more = {name: component(SETTINGS[name], at_first[name]) for name in OTHERS if name != "seed"}
    with gr.Accordion("What runs here, and what it can paint", open=False, elem_id="cot-about"):
        about = gr.Markdown(f"{_about(backend)}\n\n{NOT_LOADED}")
    return {
        "prompt": prompt, "choice": choice, **more, "seed": seed, "fresh": fresh, "run": run, "stop": stop,
        "reflect": reflect, "anyway": anyway, "estimate": estimate, "about": about,
    }  # fmt: skip


def _shown(handlers: Handlers) -> Parts:
    """The recorded runs, and the run that is looked at."""
    keep = handlers.keep
    return {
        "gallery": Gallery(next(iter(keep.recorded), ""), runs=keep.cards(), elem_id="gallery"),
        "viewer": Viewer(
            keep.first_message,
            backend=handlers.backend,
            resend=handlers.resend,
            less=handlers.less,
            export=Exports(keep).export,
            exports=menu(),
            elem_id="viewer",
        ),
    }


def _saved(handlers: Handlers, at_first: Update) -> Parts:
    """The chosen image, and ways to open and to share."""
    return {
        "picture": gr.Image(
            handlers.keep.first_image(), label="Chosen image", format="png", interactive=False,
            height=270, alt_text="The image that was chosen", buttons=["download", "fullscreen"], elem_id="picture",
        ),
        "opened": gr.UploadButton(
            "Open a trace or an image", file_types=[".json", ".png"], size="sm", elem_id="open"
        ),
        "share": Share(at_first, backend=handlers.backend, elem_id="share"),
    }  # fmt: skip


def _wire(page: Page, parts: Parts) -> None:
    """What the buttons, the gallery and an address do."""
    demo, handlers, keep = page.demo, page.handlers, page.handlers.keep
    run_id = parts["run_id"]

    def to(*wanted: str) -> list[Any]:
        return [parts[name] for name in wanted]

    controls = ("viewer", "run", "stop", "reflect", "anyway")
    running = gr.on(
        [parts["run"].click, parts["prompt"].submit], named(handlers.paint, parts), to(*FIELDS),
        to(*controls, "run_id", "seed", "picture", "estimate", "gallery"), show_progress="hidden", **COMPUTES,
    )  # fmt: skip
    further = (
        (parts["reflect"].click, handlers.reflect), (parts["anyway"].click, handlers.reflect_anyway),
        (parts["stage"].select, handlers.brush),
    )  # fmt: skip
    reflections = [
        begins(
            named(handler, parts), run_id, to(*controls, "run_id", "picture", "estimate", "gallery"),
            show_progress="hidden", **COMPUTES,
        )
        for begins, handler in further
    ]  # fmt: skip
    parts["stop"].click(
        named(handlers.stop, parts), run_id, to(*controls), cancels=[running, *reflections], **QUICK
    )  # fmt: skip
    opens = to(*controls, "run_id", "picture", "gallery", *FIELDS)
    page.run.update(names=parts, opens=opens)
    parts["opened"].upload(named(keep.open_file, parts), [parts["opened"], run_id], opens, **QUICK)
    parts["gallery"].select(named(keep.open_recorded, parts), [parts["gallery"], run_id], opens, **QUICK)
    parts["stage"].apply(named(keep.take_settings, parts), run_id, to("viewer", *FIELDS), **QUICK)
    form = to(*FIELDS)
    changes = [part.change for part in form]
    gr.on(changes, None, form, to("stage", "estimate", "share"), js=FORM, api_visibility="private")
    parts["viewer"].select(named(handlers.revisit, parts), run_id, opens, **QUICK)
    remembered = "() => Boolean(history.state?.fresh)"  # of this page before it was reloaded
    demo.load(named(handlers.prefill, parts), parts["fresh"], opens, js=remembered, **QUICK)
    parts["prompt"].change(
        named(handlers.heard, parts), parts["prompt"], parts["estimate"], trigger_mode="always_last", **QUICK
    )  # fmt: skip
    demo.load(named(handlers.rates, parts), None, parts["estimate"], **QUICK)
    demo.load(_tell_of(handlers, handlers.backend), None, parts["about"], **QUICK)


def _about(backend: str) -> str:
    row = BACKENDS[backend]
    return f"**{row.name}**, the {row.label}: {row.about}"


def _tell_of(handlers: Handlers, backend_name: str) -> Callable[[], Any]:
    """Begins to load, and says when it is done. No thread waits meanwhile."""

    async def tell() -> AsyncIterator[str]:
        loader = handlers.loader
        loader.start()
        while not loader.settled:
            await asyncio.sleep(0.25)
        if not loader.ready:
            yield f"{_about(backend_name)}\n\nIt could not be loaded: {words_for(loader.error)}"
            return
        backend = loader.backend
        words = f" It knows {len(backend.words)} words, as the palette above has them." if backend.words else ""
        hashes = ", ".join(f"{part} `{value}`" for part, value in backend.weights.items())
        loaded = f"Loaded in {loader.seconds:.1f} s by {in_words()}."
        yield f"{_about(backend_name)}{words}{_watched(backend)}\n\n{loaded} Weights: {hashes}."

    return tell


def _watched(backend: Any) -> str:
    """Who looks at the images besides the judge."""
    said = " Images that a safety checker flags are withheld." if getattr(backend, "guarded", False) else ""
    if unchecked := getattr(backend, "unchecked", ""):
        said += f" Final images are not checked: {words_for(UserError(unchecked))}"
    elif getattr(backend, "scored", None):
        said += (
            " Final images are checked by GenEval's own scorer, a detector, which errs, where the prompt is of its "
            "kinds, as “a photo of a dog right of a bench” is. The judge does not see what it says."
        )
    return said
