"""The checklist: what the judge says of each requirement of the prompt, guess by guess. It chooses nothing.

So one sees what will go wrong with a path, and when that is decided. The small judge has learnt the question; the
released one is asked it without having seen it. It costs little: all questions share the image's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..run.events import Event, Present, Progress
from .protocols import Encoded, Requirement

Place = tuple[int, int, int]  # round, path, step of a guess


def probability(p: float) -> float:
    """What a judge gives as one. A softmax in low precision may exceed 1 by a rounding.

    Raises FloatingPointError where it is none.
    """
    if not math.isfinite(p):
        raise FloatingPointError("The judge's probabilities are not finite: look at its weights and its dtype.")
    return min(max(p, 0.0), 1.0)


@dataclass
class Checklist:
    """The requirements that a run's judge is asked about; none where that is not wanted or they are not known."""

    requirements: Sequence[Requirement] = ()
    known: set[Place] = field(default_factory=set)  # guesses that were gone through, each once in a run

    def ask(self, encoded: Encoded, places: Sequence[Place], doing: Callable[[str], Progress]) -> Iterator[Event]:
        """Go through the guesses of a look that are not known; ``doing`` tells what is asked just now."""
        rows = [row for row, place in enumerate(places) if place not in self.known]
        if not rows or not self.requirements:
            return
        said = []
        for requirement in self.requirements:
            yield doing(f"looking for {requirement.words}")
            said.append(encoded.ask("present", requirement.words, rows).p_yes.tolist())
        for row, *p_yes in zip(rows, *said):
            round, path, step = places[row]
            self.known.add(places[row])
            yield Present(round, path, step, tuple(map(probability, p_yes)))

    def named_by(self, critique: str) -> tuple[int, ...]:
        """The requirements that words on what is wrong speak of, by place."""
        return tuple(place for place, one in enumerate(self.requirements) if one.named_by(critique))
