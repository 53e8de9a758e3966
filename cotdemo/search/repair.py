"""The plain generator's image, and once more what the generator itself does not believe of it; nobody judges.

Mask-predict keeps a token for good, and the first ones it keeps it has sampled with hardly anything around them. Given
the finished image it may find them unlikely: as Token-Critic (arXiv 2209.04439) and self-guided revision of language
models do, those are masked again, and painted with all the rest in sight.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..errors import UserError
from ..run.events import Event, Progress
from . import regions
from .best_of_n import baseline, painted
from .rounds import Beginning, Chosen, Run

SHARE = 1 / 8  # of the tokens; a quarter gained half as much on dev, three eighths nothing (docs/notebook.md)
STEPS = 4  # in which they are painted anew: twice as many gain no more


def repair(run: Run) -> Generator[Event, None, Chosen]:
    """``baseline``, then a round that repaints the tokens of its image that are likeliest to be wrong.

    Raises UserError for less than two steps: there is none to repaint in.
    """
    s = run.settings
    if s.steps < 2:
        raise UserError("Repair takes 2 steps or more: an image of a single step leaves none to paint it anew in.")
    before = yield from baseline(run)
    yield Progress("looking for tokens that the rest of the image makes unlikely")
    codes = before.winner.codes
    belief, passes = run.backend.generator(s.model).belief(s.prompt, codes, s.guidance)
    run.meter.generator_passes += passes
    doubted = np.argsort(belief, kind="stable")[: max(1, round(SHARE * len(codes)))]
    tokens = tuple(sorted(doubted.tolist()))
    after = regions.marked(run, codes, tokens, STEPS)
    beginning = Beginning(1, None, before.winner.picture, after=after, tokens=tokens, spent=passes)
    return (yield from painted(run, beginning))
