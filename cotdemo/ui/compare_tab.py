"""The Compare tab: one prompt or two, a seed or several, several methods and models, their results side by side."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from ..registry import MODELS
from ..settings import MAX_PROMPT, SETTINGS
from .comparison import AT_FIRST, SEEDS, Comparing, Recorded, compared
from .components import Anew, Board
from .examples import examples_of
from .form import component
from .tab import Page
from .wiring import COMPUTES, QUICK, named


def build(page: Page) -> None:
    backend, run_tab = page.handlers.backend, page.run["names"]
    recorded = Recorded.of(backend, page.assets)
    comparing = Comparing(page.handlers, recorded)
    offered = compared(backend)
    choices = [(f"{choice.title} · {MODELS[choice.model].label}", choice.name) for choice in offered]
    at_first = [choice.name for choice in AT_FIRST if choice in offered]
    comparison = gr.State(None)
    with gr.Row(elem_id="cot-compare-page", equal_height=False):
        with gr.Column(elem_id="cot-compare-side"):
            prompt = gr.Textbox(
                value=recorded.prompt or examples_of(backend)[2], label="Prompt", max_length=MAX_PROMPT, lines=1,
                max_lines=4, elem_id="compare-prompt",
            )  # fmt: skip
            other = gr.Textbox(
                label="A second prompt", placeholder="to compare two (optional)", max_length=MAX_PROMPT, lines=1,
                max_lines=4, elem_id="compare-other",
            )  # fmt: skip
            with gr.Row():
                compare = gr.Button("Compare", variant="primary", scale=2, min_width=90, elem_id="compare")
                stop = gr.Button("Stop", interactive=False, min_width=60, elem_id="compare-stop")
            which = gr.CheckboxGroup(choices, value=at_first, label="Methods and models", elem_id="compare-which")
            several = replace(SETTINGS["paths"], note="of every method but the baseline")
            paths = component(several, several.usual, "compare-paths")
            seed = component(SETTINGS["seed"], 0, "compare-seed")
            seeds = gr.Slider(*SEEDS, value=SEEDS[0], step=1, label="Seeds, from that one on", elem_id="compare-seeds")
            take = gr.Button("Take prompt, attempts and seed from Run", size="sm", elem_id="compare-take")
        with gr.Column(elem_id="cot-compare-main"):
            shown = {"own": prompt.value, "run": run_tab["prompt"].value}
            anew = Anew(shown, compared=[recorded.prompt] if recorded.prompt else [], elem_id="anew")
            board = Board(recorded.message(), elem_id="board")

    names = {"comparison": comparison, "board": board, "anew": anew, "compare": compare, "stop": stop}
    prompts = [prompt, run_tab["prompt"]]
    gr.on(
        [one.change for one in prompts], None, prompts, anew, js="(own, run) => ({ own, run })",
        api_visibility="private",
    )  # fmt: skip
    chosen = anew.select(None, anew, prompt, js="({ chosen }) => chosen", api_visibility="private")
    asked = [prompt, which, paths, seed, other, seeds], list(names.values())
    gr.on(
        [compare.click, prompt.submit, other.submit], named(comparing.compare, names), *asked, show_progress="hidden",
        **COMPUTES,
    )  # fmt: skip
    chosen.then(named(comparing.compare, names), *asked, show_progress="hidden", **COMPUTES)
    stop.click(named(comparing.stop, names), comparison, [compare, stop], **QUICK)
    board.select(named(comparing.open, run_tab), run_tab["run_id"], page.run["opens"], **QUICK)
    taken = [run_tab[name] for name in ("prompt", "paths", "seed")]
    take.click(None, taken, [prompt, paths, seed], js="(...values) => values", api_visibility="private")
