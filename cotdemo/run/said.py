"""What a chosen image is called, and why a run has ended, in the page's own words: declared in ``ui/web/said.js``.

What stands between the braces there is JSON, so that the page's JavaScript and this read the same lines.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from .state import EVEN, PathState, RoundState, RunState

SHARED = Path(__file__).parents[1] / "ui" / "web" / "said.js"
_TEXT = SHARED.read_text(encoding="utf-8")
_SAID = json.loads(_TEXT[_TEXT.index("{") : _TEXT.rindex("}") + 1])
NOT_JUDGED: str = _SAID["notJudged"]
BAD_LOT: str = _SAID["badLot"]  # the judge says "no" of the best there is
CHOSEN = "chosen"


def chances(share: float) -> str:
    """A probability in plain words: "73%", "<1%". As ``chances`` in ui/web/words.js."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{math.floor(100 * share + 0.5)}%"


def standing(round: RoundState) -> str:
    """What the winner of a round is called; it must have one. As ``standing`` in ui/web/words.js."""
    path: PathState = round.paths[round.winner.path]
    p_yes = path.mean if path.mean is not None else path.outcome.p_yes if path.outcome else round.winner.p_yes
    if p_yes is None:
        return NOT_JUDGED
    answer = path.outcome.answer if path.outcome else "yes" if p_yes >= EVEN else "no"
    return CHOSEN if answer == "yes" else BAD_LOT


def ending(state: RunState) -> str:
    """Why a run whose paths began in waves has ended, and what painting all of them would have cost by its counted
    passes; "" for other runs, and where they went on after that. As ``ending`` in ui/web/words.js."""
    end, round = state.finished, state.rounds[0]
    if end is None or state.settings.enough == 1 or state.rounds_begun > 1 or round.winner.p_yes is None:
        return ""
    tried, paths = len(round.tried), len(round.paths)
    times = (end.generator_passes + end.passes_saved) / max(end.generator_passes, 1)
    words = _SAID["sure"] if tried < paths else _SAID["neverSure"] if paths > 1 else ""
    values = {"tried": tried, "paths": paths, "chances": chances(round.winner.p_yes)}
    return words.format(**values, times=f"{math.floor(10 * times + 0.5) / 10:.1f}")
