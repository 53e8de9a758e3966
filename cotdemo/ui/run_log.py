"""A line of the log for each run, as JSON: by what it was asked for, its settings, what it cost, how it ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from ..errors import UserError
from ..run.state import RunState
from ..settings import Settings

log = logging.getLogger(__name__)


class Left(UserError):
    """Whoever asked is no longer there."""


class RunLog:
    """``prompts``: whether what visitors have written is logged, too."""

    def __init__(self, prompts: bool = False):
        self._prompts = prompts

    @contextmanager
    def told(self, by: str, asked: Settings, state: Callable[[], RunState]) -> Iterator[None]:
        """Tell of the run that is under way in this block, whose ``state`` is asked for before and after it.

        ``outcome`` is finished, stopped, left (by whoever asked), refused (in words) or failed; the passes are those of
        this block, of the judge only where the run came to its end.
        """
        before, begun, outcome = _passes(state()), perf_counter(), "failed"
        try:
            yield
            outcome = "finished" if state().phase == "finished" else "stopped"
        except (GeneratorExit, Left):
            outcome = "left"
            raise
        except UserError:
            outcome = "refused"
            raise
        finally:
            after = state()
            passes = [late - early for early, late in zip(before, _passes(after))]
            self._tell(by, after.settings or asked, outcome, perf_counter() - begun, *passes)

    def _tell(self, by: str, asked: Settings, outcome: str, seconds: float, generator: int, judge: int) -> None:
        settings = asked.as_dict()
        if not self._prompts:
            del settings["prompt"]
        told = {
            "event": "run", "by": by, "outcome": outcome, "seconds": round(seconds, 3), "generator_passes": generator,
            "judge_passes": judge if outcome == "finished" else None, "settings": settings,
        }  # fmt: skip
        log.info("%s", json.dumps(told))


def _passes(state: RunState) -> tuple[int, int]:
    """Of the generator, by the steps so far, and of the judge, by the last end."""
    generator = sum(step.event.passes or 0 for step in state.steps.values())
    return generator, state.finished.judge_passes if state.finished else 0
