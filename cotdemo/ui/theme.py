"""The page's looks: Gradio's theme with quiet colours, contrast of at least 4.5 to 1, and fonts that Gradio ships."""

from __future__ import annotations

from collections.abc import Iterable

import gradio as gr

PAPER = gr.themes.Color(
    *"#fafaf8 #f4f4f1 #e9e8e4 #d8d7d2 #a9a8a4 #76757a #5a5a60 #434349 #2a2b31 #1b1c21 #121317".split()
)
INDIGO = gr.themes.Color(
    *"#f0f0ff #e4e4fd #cccdfb #a9abf6 #8085ee #5f64e2 #4a4fd0 #3f43b4 #343891 #2b2f73 #1b1d4a".split()
)


_LOOKS = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color": "*neutral_900",
    "body_text_color_dark": "*neutral_100",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "background_fill_primary": "white",
    "background_fill_primary_dark": "*neutral_900",
    "background_fill_secondary": "*neutral_100",
    "background_fill_secondary_dark": "*neutral_800",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_border_width": "1px",
    "block_shadow": "none",
    "block_shadow_dark": "none",
    "block_label_text_color": "*neutral_700",
    "block_label_text_color_dark": "*neutral_200",
    "block_title_text_color": "*neutral_800",
    "block_title_text_color_dark": "*neutral_100",
    "block_title_text_weight": "600",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_400",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#33353e",
    "input_background_fill": "white",
    "input_background_fill_dark": "*neutral_900",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "#3d3f49",
    "input_border_width": "1px",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_500",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_dark": "*neutral_800",
    "button_secondary_background_fill_hover_dark": "#35363e",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "#3d3f49",
    "button_border_width": "1px",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_400",
    "color_accent": "*primary_600",
    "color_accent_soft": "*primary_50",
    "color_accent_soft_dark": "#22244a",
    "link_text_color": "*primary_600",
    "link_text_color_dark": "*primary_300",
}


def variables(names: Iterable[str]) -> str:
    """Those of the looks as style rules, for a document without Gradio."""
    hues = {"neutral": PAPER, "primary": INDIGO}

    def value(name: str) -> str:
        hue, _, shade = _LOOKS[name].removeprefix("*").partition("_")
        return getattr(hues[hue], f"c{shade}") if hue in hues else _LOOKS[name]

    def rule(selector: str, end: str) -> str:
        lines = (f"--{name.replace('_', '-')}: {value(name + end)};" for name in names if name + end in _LOOKS)
        return f"{selector} {{ {' '.join(lines)} }}\n"

    return rule(":root", "") + rule(".dark", "_dark")


def theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=INDIGO,
        secondary_hue=INDIGO,
        neutral_hue=PAPER,
        radius_size=gr.themes.sizes.radius_lg,
        font=(gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    ).set(**_LOOKS)
