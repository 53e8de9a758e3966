"""When PARM calls an image clear, stops a path and lets it win: rules as values, which ``Settings`` merely name.

``PAPER`` is the paper's rule (arXiv 2501.13926 section 3.3) and the default. ``RELEASED`` is that of the released code
(github ZiyuGuo99/Image-Generation-CoT, parm.py), where it differs: an image is clear unless the answer is "no";
potential is asked once; a "no" does not stop the path, which only cannot win; an answer that is neither counts
P(no) = 50 for potential and P(yes) = 0 for outcome; the image chosen without survivors is not judged. ``LENIENT`` is
ours (docs/notebook.md): the best path of a hard prompt may be called hopeless while it is unfinished, so a path stops
only below P(yes) = .1; and an image that never was called clear may win, as the final question tells better whether it
is right. Others are tried by ``eval --variants``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..run.events import Judged
from ..settings import Settings

NEVER_CLEAR = 1.0  # P(no) of a path that was never asked for its potential, in the released code and here


@dataclass(frozen=True)
class StoppingRule:
    """PARM's decisions about a path; a field names what differs from the paper. Steps count from 1.

    A rule with ``least`` or ``behind`` goes by P(yes) instead of the answer: every path asked then either goes on or
    stops. ``behind`` measures from the best of the live paths at that step, by the latest each was told.
    """

    all_clear: bool = False  # no image is asked for its clarity
    clear_unless_no: bool = False  # an answer that is neither makes an image clear, too
    least: float | None = None  # P(yes) to potential below which a path is hopeless
    behind: float | None = None  # how far its log-odds of "yes" may be behind those of the best path
    stops: bool = True  # a hopeless path leaves the batch; without, it is painted on and cannot win
    asked_once: bool = False  # for its potential, whatever the answer
    again: tuple[int, ...] = ()  # steps at which promising paths are asked once more
    unclear_wins: bool = False  # whatever is not stopped survives, called promising or not
    neither_is_worst: bool = False  # an answer that is neither ranks a path last
    judges_fallback: bool = True  # the outcome of the image chosen without survivors is asked

    def clear(self, clarity: Judged) -> bool:
        """Whether the image can be judged."""
        return clarity.answer != "no" if self.clear_unless_no else clarity.answer == "yes"

    def promising(self, potential: Judged, best: float) -> bool:
        """Whether the path goes on, and may win; ``best`` are the highest log-odds among the live paths."""
        return self._reaches(potential, best) if self._by_probability else potential.answer == "yes"

    def hopeless(self, potential: Judged, best: float) -> bool:
        """Whether the path can no longer win, and stops here where the rule ``stops`` any."""
        return not self._reaches(potential, best) if self._by_probability else potential.answer == "no"

    def asked(self, step: int, live: Collection[int], settled: Collection[int]) -> list[int]:
        """Which live paths are asked at a step (from 0); ``settled`` ones only ``again``."""
        return [path for path in live if path not in settled or step + 1 in self.again]

    def survivors(self, live: Collection[int], promising: Collection[int]) -> list[int]:
        """Who may win at the end."""
        return sorted(live if self.unclear_wins else promising)

    def p_no(self, potential: Judged) -> float:
        """P(no) by which the least hopeless path is found."""
        return 50.0 if self.neither_is_worst and potential.answer == "neither" else potential.p_no

    def score(self, outcome: Judged) -> float:
        """P(yes) by which the best of the survivors is found; a "no" can still be the best."""
        return 0.0 if self.neither_is_worst and outcome.answer == "neither" else outcome.p_yes

    @property
    def _by_probability(self) -> bool:
        return self.least is not None or self.behind is not None

    def _reaches(self, potential: Judged, best: float) -> bool:
        if self.least is not None:
            return potential.p_yes >= self.least
        return log_odds(potential.p_yes) >= best - self.behind


PAPER = StoppingRule()
RELEASED = StoppingRule(
    clear_unless_no=True, stops=False, asked_once=True, neither_is_worst=True, judges_fallback=False
)
LENIENT = StoppingRule(least=0.1, unclear_wins=True)
RULES: Mapping[str, StoppingRule] = {"paper": PAPER, "lenient": LENIENT}  # by ``Settings.stopping``


def rule_of(settings: Settings) -> StoppingRule:
    """The rule that a run's settings name."""
    return RELEASED if settings.original else RULES[settings.stopping]


def log_odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))
