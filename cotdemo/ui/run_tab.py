"""The Run tab: settings at the left, the run in the middle, what is kept of it below; and what its buttons do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from ..settings import BACKENDS, GUIDANCE, MAX_PROMPT, PATHS, SEED, STEPS, TEMPERATURE
from .components import Choices, Estimate, Gallery, Share, Viewer
from .examples import examples_of
from .form import FIELDS, OTHERS
from .handlers import Handlers, words_for
from .keep import portrait
from .tab import Page
from .wiring import COMPUTES, QUICK, named

ABOUT = {
    "mini": "**mini**, the embedded model: Show-o, its tokenizer and the judge in small, trained by this project on a "
    "little world of coloured objects. It runs on any CPU and paints nothing but that world.",
    "show-o": "**show-o**, the released Show-o at 256 x 256 pixels with the released PARM judge. It paints anything.",
    "show-o-512": "**show-o-512**, the released Show-o at 512 x 512 pixels with the released PARM judge. It paints "
    "anything.",
}
NOT_LOADED = "The model loads when the page is first opened; you can press Run at once."

FORM = f"""(prompt, choice, ...others) => {{
  const form = {{ prompt, ...choice }};
  {json.dumps(OTHERS)}.forEach((name, place) => {{ form[name] = others[place]; }});
  return [form, form];
}}"""


def build(page: Page) -> None:
    demo, handlers, backend_name = page.demo, page.handlers, page.handlers.backend
    keep, runs = handlers.keep, handlers.keep.recorded
    limits, examples = BACKENDS[backend_name], examples_of(backend_name)
    start = {
        "prompt": examples[2], "method": "parm", "model": "base", "paths": 8, "steps": limits.steps,
        "guidance": limits.guidance, "temperature": limits.temperature, "seed": 0, "judge_from": 1,
        "stopping": "paper", "repaint": limits.repaint,
    }  # fmt: skip
    run_id = gr.State(None)
    with gr.Row(elem_id="cot-page", equal_height=False):
        with gr.Column(elem_id="cot-side"):
            prompt = gr.Textbox(
                value=examples[2], label="Prompt", placeholder=examples[-1], max_length=MAX_PROMPT, lines=2,
                max_lines=4, container=False, show_label=False, elem_id="prompt",
            )  # fmt: skip
            with gr.Row(elem_id="cot-buttons"):
                run = gr.Button("Run", variant="primary", min_width=90, scale=2, elem_id="run")
                stop = gr.Button("Stop", interactive=False, min_width=60, elem_id="stop")
                reflect = gr.Button("Reflect", min_width=70, elem_id="reflect")
            estimate = Estimate(start, backend=backend_name, elem_id="estimate")
            anyway = gr.Button("Repaint anyway", visible=False, elem_id="anyway")
            with gr.Row(elem_id="cot-chips"):
                for example in examples:
                    chip = gr.Button(example.removeprefix("a photo of "), size="sm", min_width=0)
                    chip.click(None, None, prompt, js=f"() => {json.dumps(example)}", api_visibility="private")
            choice = Choices({"method": "parm", "model": "base"}, backend=backend_name, elem_id="choice")
            with gr.Accordion("Paths, steps, guidance, seed", open=False, elem_id="cot-settings"):
                paths = gr.Slider(*PATHS, value=8, step=1, label="Paths", info="pictures tried", elem_id="paths")
                steps = gr.Slider(*STEPS, value=limits.steps, step=1, label="Steps", info="from noise to picture")
                guidance = gr.Slider(
                    *GUIDANCE, value=limits.guidance, step=0.05, label="Guidance", info="pull towards the prompt"
                )
                temperature = gr.Slider(
                    *TEMPERATURE, value=limits.temperature, step=0.1, label="Temperature", info="noise in keeping"
                )
                seed = gr.Number(0, label="Seed", precision=0, minimum=SEED[0], maximum=SEED[1], elem_id="seed")
                judge_from = gr.Slider(
                    *STEPS, value=1, step=1, label="PARM judges from step", info="earlier guesses are hardly ever clear"
                )
                stopping = gr.Radio(
                    [("at a “no”", "paper"), ("leniently", "lenient")], value="paper", label="PARM stops paths",
                    info="at a “no”: as in the paper; leniently: below P(yes) .1, and unclear ones may win",
                    elem_id="stopping",
                )  # fmt: skip
                repaint = gr.Radio(
                    [("the whole picture", "whole"), ("a region of it", "region")], value="whole",
                    label="PARM++ repaints", info="whole: from the critique; region: the rest stays as it is",
                    elem_id="repaint",
                )  # fmt: skip
                fresh = gr.Checkbox(True, label="A new seed for every run", elem_id="fresh")
            with gr.Accordion("What runs here, and what it can paint", open=False, elem_id="cot-about"):
                about = gr.Markdown(f"{ABOUT[backend_name]}\n\n{NOT_LOADED}")
        with gr.Column(elem_id="cot-main"):
            gallery = Gallery(next(iter(runs), ""), runs=keep.cards(), elem_id="gallery")
            viewer = Viewer(
                keep.first_message, resend=handlers.resend, trace=keep.trace, table=keep.table, elem_id="viewer"
            )
        with gr.Column(elem_id="cot-keep"):
            picture = gr.Image(
                portrait(keep.first.state), label="Chosen picture", format="png", interactive=False,
                height=270, alt_text="The picture that was chosen", buttons=["download", "fullscreen"],
                elem_id="picture",
            )  # fmt: skip
            opened = gr.UploadButton(
                "Open a trace or a picture", file_types=[".json", ".png"], size="sm", elem_id="open"
            )
            share = Share(start, backend=backend_name, elem_id="share")

    # before the buttons' events, which would take these names, private as they are
    gr.api(handlers.api_generate, api_name="generate", concurrency_limit=None)
    gr.api(handlers.api_reflect, api_name="reflect", concurrency_limit=None)

    names = {
        "run_id": run_id, "prompt": prompt, "choice": choice, "paths": paths, "steps": steps, "guidance": guidance,
        "temperature": temperature, "seed": seed, "judge_from": judge_from, "stopping": stopping, "repaint": repaint,
        "fresh": fresh, "viewer": viewer, "picture": picture, "run": run, "stop": stop, "reflect": reflect,
        "anyway": anyway, "estimate": estimate, "gallery": gallery,
    }  # fmt: skip
    kinds = [judge_from, stopping, repaint]
    settings = [prompt, choice, paths, steps, guidance, temperature, seed, *kinds]

    def to(*wanted: str) -> list[Any]:
        return [names[name] for name in wanted]

    controls = ("viewer", "run", "stop", "reflect", "anyway")
    painting = gr.on(
        [run.click, prompt.submit], named(handlers.paint, names), [*settings[: -len(kinds)], fresh, *kinds],
        to(*controls, "run_id", "seed", "picture", "estimate", "gallery"), show_progress="hidden", **COMPUTES,
    )  # fmt: skip
    reflections = [
        button.click(
            named(handler, names),
            run_id,
            to(*controls, "picture", "estimate"),
            show_progress="hidden",
            **COMPUTES,
        )  # fmt: skip
        for button, handler in ((reflect, handlers.reflect), (anyway, handlers.reflect_anyway))
    ]
    stop.click(named(handlers.stop, names), run_id, to(*controls), cancels=[painting, *reflections], **QUICK)
    opens = to(*controls, "run_id", "picture", "gallery", *FIELDS)
    page.run.update(names=names, opens=opens)
    opened.upload(named(keep.open_file, names), [opened, run_id], opens, **QUICK)
    gallery.select(named(keep.open_recorded, names), [gallery, run_id], opens, **QUICK)
    changes = [part.change for part in settings]
    gr.on(changes, None, settings, [estimate, share], js=FORM, api_visibility="private")
    demo.load(named(handlers.prefill, names), None, to(*FIELDS, "viewer"), **QUICK)
    demo.load(named(handlers.rates, names), None, estimate, **QUICK)
    demo.load(_tell_of(handlers, backend_name), None, about, **QUICK)


def _tell_of(handlers: Handlers, backend_name: str) -> Callable[[], Any]:
    """Begins to load, and says when it is done. No thread waits meanwhile."""

    async def tell() -> AsyncIterator[str]:
        loader = handlers.loader
        loader.start()
        while not loader.settled:
            await asyncio.sleep(0.25)
        if not loader.ready:
            yield f"{ABOUT[backend_name]}\n\nIt could not be loaded: {words_for(loader.error)}"
            return
        backend = loader.backend
        words = f" It knows {len(backend.words)} words: {', '.join(backend.words)}." if backend.words else ""
        hashes = ", ".join(f"{part} `{value}`" for part, value in backend.weights.items())
        yield f"{ABOUT[backend_name]}{words}\n\nLoaded in {loader.seconds:.1f} s. Weights: {hashes}."

    return tell
