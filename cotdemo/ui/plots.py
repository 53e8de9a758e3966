"""Gradio asks matplotlib for its backend at every call, in the event loop.

At the first one matplotlib would be imported there, and would try which windows this machine has: .6 s of an idle
machine, and two of a busy one, in which the page answers nobody (gradio 6.31).
"""

from __future__ import annotations

import importlib
import os
import threading


def settle_plots() -> None:
    """Have it imported beside, for files: the page opens no windows."""
    os.environ.setdefault("MPLBACKEND", "agg")
    threading.Thread(target=importlib.import_module, args=("matplotlib",), name="plots").start()
