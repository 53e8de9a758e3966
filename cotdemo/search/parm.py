"""PARM, the potential assessment reward model (arXiv 2501.13926 section 3.3)."""

from __future__ import annotations

from collections.abc import Generator

from ..events import Event, Judged, PathPruned, Progress
from .rounds import Chosen, Round, Run
from .verdicts import NEVER_CLEAR, doubt, is_clear, is_hopeless, is_promising


def parm(run: Run) -> Generator[Event, None, Chosen]:
    """Clarity of each guess until it is clear, then potential; "no" stops the path; best of the survivors.

    Guesses of steps before ``judge_from``, which hardly ever are clear, may be left unasked (by default none).

    A path is asked for its potential at once when it becomes clear. "yes" settles it: it is asked nothing more until
    the end. "no" stops it (by the original rules it is painted on, but cannot win). After an answer that is neither, it
    is asked for its potential again at the next step (by the original rules not). Paths that never became clear are no
    survivors. Without survivors the path with the lowest P(no) to potential is restored, finished and chosen.

    Lenient rules (``cotdemo.search.verdicts``) stop fewer paths, and every path that is not stopped is a survivor.
    """
    settings, original = run.settings, run.settings.original
    round = Round(run)
    yield from round.start()
    painting = round.painting
    clear: set[int] = set()
    settled: set[int] = set()
    promising: set[int] = set()
    doubts: dict[int, float] = {}
    while not painting.done:
        asked = _unsettled(painting.live, settled) if round.judging else []
        # final pictures are judged once more, so all of them are needed
        yield from round.step(painting.live if round.ending else asked)
        if not asked:
            continue
        yield round.progress("looking", round.guesses[asked[0]].step)
        look = round.look(asked)
        answers = yield from round.ask(look, "clarity", asked, [path for path in asked if path not in clear])
        clear.update(path for path, answer in answers.items() if is_clear(answer, original))
        answers = yield from round.ask(look, "potential", asked, [path for path in asked if path in clear])
        doubts.update((path, doubt(answer, original)) for path, answer in answers.items())
        promising.update(path for path, answer in answers.items() if is_promising(answer, settings))
        settled |= set(answers) if original else promising
        yield from _prune(round, [answer for answer in answers.values() if is_hopeless(answer, settings)])
    survivors = painting.live if settings.stopping == "lenient" else sorted(promising)
    if survivors:
        path, outcome = yield from round.best(survivors)
        return (yield from round.finish(path, survivors, outcome))
    path = min(range(settings.paths), key=lambda path: doubts.get(path, NEVER_CLEAR))
    yield from _resume(round, path)
    outcome = None if original else (yield from round.best([path]))[1]
    return (yield from round.finish(path, (), outcome, fallback=True))


def _unsettled(live: tuple[int, ...], settled: set[int]) -> list[int]:
    return [path for path in live if path not in settled]


def _prune(round: Round, hopeless: list[Judged]) -> Generator[Event, None, None]:
    if hopeless:
        round.painting.drop([answer.path for answer in hopeless])
    for answer in hopeless:
        yield PathPruned(round.number, answer.path, answer.step, answer.p_no)


def _resume(round: Round, path: int) -> Generator[Event, None, None]:
    """Finish ``path`` from where it was stopped, alone."""
    painting = round.painting
    yield Progress(f"no path survived - finishing path {path}, the least hopeless one")
    if round.guesses[path].step == round.last_step:
        return
    painting.drop([other for other in painting.live if other != path])
    painting.restore(path)
    while not painting.done:
        yield from round.step((path,) if round.ending else ())
