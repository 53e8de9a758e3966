"""Adaptive waves that are thinned out half-way: the likelier half of a wave goes on, as another judge sees it.

PARM (arXiv 2501.13926 section 3.3) looks at every guess and stops what it calls hopeless. Most of what that is worth
comes from one look (docs/notebook.md): about half-way a guess is clear enough to tell which of two paths is likelier
to come right, and earlier it is not. That is successive halving (arXiv 1502.07943) with one halving. The ORM chooses
at the end: where PARM's judge errs about a path, it errs about its final image, too.
"""

from __future__ import annotations

from collections.abc import Generator

from ..run.events import Event, PathPruned
from .adaptive import Wave, in_waves
from .rounds import Chosen, Round, Run

WAVE = 4  # paths, of which two are finished


def think(run: Run) -> Generator[Event, None, Chosen]:
    """Waves of paths, the likelier half of each painted to its end, until the judge is sure ``enough`` of an image."""
    return (yield from in_waves(run, WAVE, _halved))


def _halved(round: Round, wave: tuple[int, ...]) -> Wave:
    """The best path of a wave, of those that were likelier than the rest when half of their steps were done."""
    half = (round.settings.steps + 1) // 2
    while not round.session.done:
        halving = round.next_step + 1 == half and len(wave) > 1 and not round.ending
        yield from round.step(wave if halving or round.ending else ())
        if halving:
            wave = yield from _likelier(round, wave)
    return (yield from round.best(wave))


def _likelier(round: Round, wave: tuple[int, ...]) -> Generator[Event, None, tuple[int, ...]]:
    """The half of a wave with the highest P(yes) to potential; of equals the first. The others leave the batch."""
    yield round.progress("looking", round.guesses[wave[0]].step)
    answers = yield from round.ask(round.encode(wave, round.run.watcher), "potential", wave, wave)
    ranked = sorted(wave, key=lambda path: -answers[path].p_yes)
    going, behind = ranked[: (len(wave) + 1) // 2], sorted(ranked[(len(wave) + 1) // 2 :])
    for path in behind:
        yield PathPruned(round.number, path, answers[path].step, answers[path].p_no, outdone=True)
    round.session.drop(behind)
    return tuple(sorted(going))
