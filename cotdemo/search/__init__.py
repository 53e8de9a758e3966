"""Searches: generators of the events of a run, over a generator and a verifier (arXiv 2501.13926).

``search`` is the way in. A strategy is a generator function over a ``Run`` that yields events and returns what it
chose (``Chosen``); closing it stops the work at its next forward pass. ``cotdemo.registry`` names them. Nothing here
imports torch.
"""

from .entry import perform, prepared, reflect, search
from .protocols import Answers, Backend, Context, Encoded, ImageGenerator, SamplingSession, Step, Verifier
from .rounds import Show

__all__ = [
    "Answers",
    "Backend",
    "Context",
    "Encoded",
    "ImageGenerator",
    "SamplingSession",
    "Show",
    "Step",
    "Verifier",
    "perform",
    "prepared",
    "reflect",
    "search",
]
