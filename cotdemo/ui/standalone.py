"""A run as one HTML file that opens anywhere, without a server: the page's own viewer with the run inside.

Nothing is loaded and nothing is sent (the file's own policy forbids it); what needs a server is not offered.
"""

from __future__ import annotations

import html
import json

from .components import joined, source
from .data import labels
from .theme import variables

_LOOKS = (
    "body_background_fill", "body_text_color", "body_text_color_subdued", "background_fill_secondary",
    "block_background_fill", "border_color_primary", "button_primary_background_fill", "button_primary_text_color",
)  # fmt: skip
_DOCUMENT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>
{looks}:root {{ --font: system-ui, sans-serif; --font-mono: ui-monospace, monospace; }}
html {{ color-scheme: light dark; }}
body {{ margin: 0; background: var(--body-background-fill); font-family: var(--font); }}
body > * {{ max-width: 1240px; margin: 20px auto; padding: 0 20px; box-sizing: border-box; }}
*, *::before, *::after {{ box-sizing: border-box; }}
{style}</style>
<body>
<div id="stage"><div class="cot-place-of-stage"></div></div>
<main id="viewer"></main>
<script type="application/json" id="run">{run}</script>
<script>
const looks = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.body.classList.toggle("dark", looks.matches);
looks.addEventListener("change", follow);
follow();
(() => {{
{viewer}}})();
</script>
</body>
</html>
"""
_MOUNT = """const { message, labels } = JSON.parse(document.querySelector("#run").textContent);
mount(document.querySelector("#viewer"), { value: message, labels, settings: [] }, () => {}, null);"""


def standalone(message: str, prompt: str) -> str:
    """The document; ``message`` is the one that puts the run on show (``cotdemo.ui.keep.shown``)."""
    run = {"message": message, "labels": labels()}
    return _DOCUMENT.format(
        title=html.escape(prompt),
        looks=variables(_LOOKS),
        style=source("viewer.css"),
        run=json.dumps(run).replace("<", "\\u003c"),
        viewer=joined("viewer.js", _MOUNT),
    )
