"""What agents are given by a tool of several outputs: each of them for itself.

An agent that asks for no progress is given the text of one Python tuple instead, image and all (gradio 6.27 to 6.31).
Only Gradio's client makes tuples, of several outputs; what an endpoint returns has been JSON on its way.
"""

from __future__ import annotations

from functools import wraps
from importlib.util import find_spec
from typing import Any


def spread_outputs() -> None:
    """Have Gradio do so, where it serves agents at all."""
    if find_spec("mcp") is None:
        return
    from gradio.mcp import GradioMCPServer

    given = GradioMCPServer.postprocess_output_data
    if hasattr(given, "__wrapped__"):
        return  # done

    @wraps(given)
    def each(self: GradioMCPServer, data: Any, root_url: str) -> Any:
        several = len(data) == 1 and isinstance(data[0], tuple)
        return given(self, data[0] if several else data, root_url)

    GradioMCPServer.postprocess_output_data = each
