"""Strategies that paint all paths to the end: the plain generator, outcome and process reward models (ORM, PRM)."""

from __future__ import annotations

from collections.abc import Generator
from statistics import mean

from ..run.events import Event, Judged
from .rounds import FIRST, Beginning, Chosen, Round, Run


def baseline(run: Run) -> Generator[Event, None, Chosen]:
    """The plain generator: path 0 is the answer, whatever else is painted to be looked at beside it."""
    return (yield from painted(run))


def painted(run: Run, beginning: Beginning = FIRST) -> Generator[Event, None, Chosen]:
    """A round that nobody judges: its path 0 is the answer."""
    paths = range(run.settings.paths)
    round = yield from _sample(run, paths if run.truth else (0,), beginning)
    return (yield from round.finish(0, (0,), None))


def orm(run: Run, beginning: Beginning = FIRST) -> Generator[Event, None, Chosen]:
    """Best of N by the outcome question about the final images (arXiv 2501.13926 section 3.1)."""
    paths = tuple(range(run.settings.paths))
    round = yield from _sample(run, paths, beginning)
    path, outcome = yield from round.best(paths)
    return (yield from round.finish(path, paths, outcome))


def prm(run: Run) -> Generator[Event, None, Chosen]:
    """Best of N by the outcome question about the guess of every step: the highest mean P(yes) of a path wins.

    The judge of "prm" has learnt whether a guess can still come right (arXiv 2501.13926 sections 3.2 and 4.1), which
    the paper asks of all steps alike, the first ones too.
    """
    paths = tuple(range(run.settings.paths))
    round = Round(run)
    yield from round.start()
    said: dict[int, list[Judged]] = {path: [] for path in paths}
    while not round.session.done:
        yield from round.step(paths)
        encoded = round.encode(paths)
        answers = yield from round.ask(encoded, "outcome", paths, paths)
        yield from round.go_through(encoded, paths)
        for path, answer in answers.items():
            said[path].append(answer)
    path = max(paths, key=lambda path: mean(run.rule.score(answer) for answer in said[path]))
    return (yield from round.finish(path, paths, said[path][-1]))


def _sample(run: Run, see: tuple[int, ...] | range, beginning: Beginning = FIRST) -> Generator[Event, None, Round]:
    """Paint all paths to the end; the final images of those in ``see`` are decoded."""
    round = Round(run, beginning)
    yield from round.start()
    while not round.session.done:
        yield from round.step(see if round.ending else ())
    return round
