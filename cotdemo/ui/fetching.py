"""No address that a visitor names is fetched.

Gradio takes an object of an input that looks like its own record of a file for one, in an endpoint's JSON as well, and
downloads what its path names where that is an address (gradio 6.27 to 6.31): from the public network only, but of any
size, and in the visitor's stead.
"""

from __future__ import annotations

from typing import NoReturn

import gradio as gr
from gradio import processing_utils


def fetch_nothing() -> None:
    """Have Gradio refuse to, in words."""
    processing_utils.async_ssrf_protected_download = _refuse


async def _refuse(url: str, cache_dir: str) -> NoReturn:
    raise gr.Error("No addresses are fetched here: upload the file itself.", print_exception=False)
