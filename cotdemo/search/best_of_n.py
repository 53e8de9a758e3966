"""Strategies that judge final pictures at most: the plain generator, and the outcome reward model (ORM)."""

from __future__ import annotations

from collections.abc import Generator

from ..events import Event
from .rounds import Chosen, Round, Run


def baseline(run: Run) -> Generator[Event, None, Chosen]:
    """The plain generator: path 0 is the answer, whatever else is painted to be looked at beside it."""
    paths = range(run.settings.paths)
    round = yield from _paint(run, see=paths if run.truth else (0,))
    return (yield from round.finish(0, (0,), None))


def orm(run: Run) -> Generator[Event, None, Chosen]:
    """Best of N by the outcome question about the final pictures (arXiv 2501.13926 section 3.1)."""
    paths = tuple(range(run.settings.paths))
    round = yield from _paint(run, see=paths)
    path, outcome = yield from round.best(paths)
    return (yield from round.finish(path, paths, outcome))


def _paint(run: Run, see: tuple[int, ...] | range) -> Generator[Event, None, Round]:
    """Paint all paths to the end; the final pictures of those in ``see`` are decoded."""
    round = Round(run)
    yield from round.start()
    while not round.painting.done:
        yield from round.step(see if round.ending else ())
    return round
