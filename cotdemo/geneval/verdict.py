"""What GenEval says of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OFFICIAL = "official"  # the name of GenEval's own detector; any other is told beside each verdict
APPROXIMATE = "approximate"  # of another training, from the Hub


@dataclass(frozen=True)
class Verdict:
    """What GenEval says of an image; ``found`` has of each kind the boxes and scores that it looked at."""

    correct: bool
    reason: str  # the official evaluator's, a line a fault; "" where it is correct
    found: Mapping[str, Sequence[tuple[float, float, float, float, float]]]  # left, top, right, bottom, score
    detector: str = OFFICIAL

    @property
    def words(self) -> str:
        """The verdict as one line for a reader."""
        seen = ", ".join(f"{len(boxes)} {kind}" for kind, boxes in self.found.items()) or "nothing"
        verdict = "right" if self.correct else "; ".join(self.reason.splitlines())
        return f"{verdict} (seen: {seen})"
