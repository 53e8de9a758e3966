"""GenEval's scorer as the checker of a released backend: what its detector finds in a final image, which may be wrong.

Asked are GenEval's six kinds of prompts alone, word for word as the benchmark has them: of any other sentence its rules
say nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import UserError, is_out_of_memory
from ..geneval.prompts import article, phrase, plural
from ..geneval.rules import evaluate
from ..geneval.scorer import Scorer
from ..geneval.verdict import OFFICIAL
from ..world.faults import Fault, judge_reading
from ..world.prompts import verbatim

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What is found amiss in an image, in words ("" where nothing is), and who says so."""

    correct: bool
    reason: str
    by: str

    @property
    def strict(self) -> bool:
        """GenEval asks no more of an image than what its prompt names, and a detector finds one thing twice."""
        return self.correct


class Checker:
    """Called with a prompt and its final image, as ``cotdemo.search.protocols.Backend.check``.

    ``scorer`` gives the scorer, and is first asked for it when there is something to score. What goes wrong ends the
    checking and no run: ``refused`` says why, in words.
    """

    def __init__(self, scorer: Callable[[], Scorer]):
        self._scorer = scorer
        self.refused = ""

    def __call__(self, prompt: str, image: np.ndarray) -> Verdict | None:
        """The verdict; None for a prompt that is not of GenEval's kinds, and where nothing is checked any more."""
        entry = entry_of(prompt)
        if entry is None or self.refused:
            return None
        try:
            return verdict(self._scorer(), entry, image)
        except Exception as error:  # whatever it is, the run goes on
            self.refused = _words(error)
            log.warning("Images are not checked: %s", self.refused, exc_info=not isinstance(error, UserError))
            return None


def _words(error: Exception) -> str:
    if isinstance(error, (UserError, FloatingPointError)):
        return str(error)
    if is_out_of_memory(error):
        return "There is not enough memory for GenEval's scorer beside the models. Start the page without --scored."
    return f"GenEval's scorer has failed ({type(error).__name__}), and it has been logged."


@lru_cache(64)
def entry_of(prompt: str) -> Mapping[str, Any] | None:
    """GenEval's object of a prompt of its six kinds, word for word; None for any other."""
    entry = verbatim(prompt)
    return entry if entry and _is_genevals(entry) else None


def _is_genevals(entry: Mapping[str, Any]) -> bool:
    """Whether a prompt is of the benchmark's make: one kind in a number, or one or two things, coloured or not."""
    include = entry["include"]
    coloured = ["color" in thing for thing in include]
    if any(thing["count"] > 1 for thing in include):
        return coloured == [False]
    return len(include) <= 2 and len(set(coloured)) == 1 and not (coloured[0] and entry["tag"] == "position")


def verdict(scorer: Scorer, entry: Mapping[str, Any], image: np.ndarray) -> Verdict:
    """What GenEval says of an image ``(height, width, 3)`` uint8."""
    found = scorer.look(entry, image)
    correct, _ = evaluate(found, dict(entry))
    by = "GenEval's detector" if scorer.detector == OFFICIAL else scorer.detector
    broken = [fault for fault in judge_reading(found, dict(entry)).faults if fault.fault != "extra"]
    return Verdict(correct, "; ".join(_sentence(fault, entry) for fault in broken), by)


def _sentence(fault: Fault, entry: Mapping[str, Any]) -> str:
    """A fault as what was found, as it is a detector that found it."""
    thing = fault.thing
    match fault.fault:
        case "missing":
            return f"no {thing} found"
        case "count":
            return f"{fault.found} {thing if fault.found == 'one' else plural(thing)} found, not {fault.expected}"
        case "colour":
            return f"{article(fault.found)} {fault.found} {thing} found, not {fault.expected}"
        case _:
            anchor, _ = entry["include"]
            return f"{article(thing)} {thing} found, not {fault.expected} {phrase(anchor)}"
