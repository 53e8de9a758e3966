"""Best of N that paints no more than it takes: paths begin in small waves, and the judge's certainty ends the run.

The ORM's best of N (arXiv 2501.13926 section 3.1) spends as much on a prompt that the first path gets right as on one
that all get wrong. Here the judge is asked after each wave, and where it is sure enough of an image no other is begun,
as Adaptive-Consistency (arXiv 2305.11860) samples answers only until they agree. How sure it has to be is the setting
``enough``, which ``eval --variants --method adaptive`` chooses on dev for an accuracy that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from ..run.events import Event, Judged
from .rounds import Chosen, Round, Run

Wave = Generator[Event, None, tuple[int, Judged]]  # returns its best path, and the answer about that one's image

WAVE = 2  # paths: the fewest that share a batch, as each that comes after a sure one is painted for nothing


def adaptive(run: Run) -> Generator[Event, None, Chosen]:
    """Waves of paths, painted plainly to the end and asked for their outcome, until one has P(yes) ``enough``.

    At most ``settings.paths`` are painted; of all that were, the best wins, and of equals the first. Where no path is
    ever so sure, or ``enough`` is 1, that is the winner of the ORM, whose paths these are: a wave restores its paths in
    the session of all, and each depends on the seed and its own number.
    """
    return (yield from in_waves(run, WAVE, _painted))


def in_waves(run: Run, size: int, paint: Callable[[Round, tuple[int, ...]], Wave]) -> Generator[Event, None, Chosen]:
    """Waves of ``size`` paths, each painted by ``paint``, alone in the batch, until one has P(yes) ``enough``."""
    round, rule = Round(run), run.rule
    yield from round.start()
    count, best, outcome = 0, 0, None
    while count < len(round.paths):
        wave = tuple(round.paths[count : count + size])
        round.wave += 1
        round.session.drop(round.session.live)  # nothing else is painted meanwhile
        for path in wave:
            round.session.restore(path)
        path, answer = yield from paint(round, wave)
        count += len(wave)
        if outcome is None or rule.score(answer) > rule.score(outcome):
            best, outcome = path, answer
        if rule.score(outcome) >= run.settings.enough:
            break
    return (yield from round.finish(best, round.paths[:count], outcome))


def _painted(round: Round, wave: tuple[int, ...]) -> Wave:
    """The best path of a wave that is painted to its end."""
    while not round.session.done:
        yield from round.step(wave if round.ending else ())
    return (yield from round.best(wave))
