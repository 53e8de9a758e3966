"""PARM, the potential assessment reward model (arXiv 2501.13926 section 3.3)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from ..run.events import Event, Judged, PathPruned, Progress
from .rounds import FIRST, Beginning, Chosen, Round, Run
from .stopping import NEVER_CLEAR, StoppingRule, log_odds


def parm(run: Run, beginning: Beginning = FIRST) -> Generator[Event, None, Chosen]:
    """Clarity of each guess until it is clear, then potential; "no" stops the path; best of the survivors.

    Guesses of steps before ``judge_from``, which hardly ever are clear, may be left unasked (by default none).

    A path is asked for its potential at once when it becomes clear. "yes" settles it: it is asked nothing more until
    the end. "no" stops it. After an answer that is neither, it is asked for its potential again at the next step.
    Paths that never became clear are no survivors. Without survivors the path with the lowest P(no) to potential is
    restored, finished and chosen. All this is ``run.rule``'s to decide: other rules decide otherwise.
    """
    rule, round = run.rule, Round(run, beginning)
    yield from round.start()
    session, known = round.session, _Known(clear=set(round.paths) if rule.all_clear else set())
    while not session.done:
        asked = rule.asked(round.next_step, session.live, known.settled) if round.judging else []
        # final images are judged once more, so all of them are needed
        yield from round.step(session.live if round.ending else asked)
        if not asked:
            continue
        yield round.progress("looking", round.guesses[asked[0]].step)
        encoded = round.encode(asked)
        answers = yield from round.ask(encoded, "clarity", asked, [path for path in asked if path not in known.clear])
        known.clear.update(path for path, answer in answers.items() if rule.clear(answer))
        answers = yield from round.ask(encoded, "potential", asked, [path for path in asked if path in known.clear])
        yield from _prune(round, known.learn(rule, list(answers.values()), session.live))
        yield from round.go_through(encoded, asked)
    survivors = rule.survivors(session.live, known.promising)
    if survivors:
        path, outcome = yield from round.best(survivors)
        return (yield from round.finish(path, survivors, outcome))
    path = min(round.paths, key=lambda path: known.p_no.get(path, NEVER_CLEAR))
    yield from _resume(round, path)
    outcome = (yield from round.best([path]))[1] if rule.judges_fallback else None
    return (yield from round.finish(path, (), outcome, fallback=True))


@dataclass
class _Known:
    """What the judge has said of the paths so far."""

    clear: set[int]
    settled: set[int] = field(default_factory=set)  # asked nothing more, unless again
    promising: set[int] = field(default_factory=set)
    p_no: dict[int, float] = field(default_factory=dict)
    odds: dict[int, float] = field(default_factory=dict)  # path -> log-odds of "yes" to potential, the latest

    def learn(self, rule: StoppingRule, answers: Sequence[Judged], live: Sequence[int]) -> list[Judged]:
        """Take in answers to potential; returns those whose paths stop."""
        self.odds |= {answer.path: log_odds(answer.p_yes) for answer in answers}
        self.p_no |= {answer.path: rule.p_no(answer) for answer in answers}
        best = max((self.odds[path] for path in live if path in self.odds), default=0.0)
        hopeless = [answer for answer in answers if rule.hopeless(answer, best)]
        self.promising -= {answer.path for answer in hopeless}
        self.promising |= {answer.path for answer in answers if rule.promising(answer, best)}
        self.settled = self.settled | {answer.path for answer in answers} if rule.asked_once else set(self.promising)
        return hopeless if rule.stops else []


def _prune(round: Round, hopeless: Sequence[Judged]) -> Generator[Event, None, None]:
    if hopeless:
        round.session.drop([answer.path for answer in hopeless])
    for answer in hopeless:
        yield PathPruned(round.number, answer.path, answer.step, answer.p_no)


def _resume(round: Round, path: int) -> Generator[Event, None, None]:
    """Finish ``path`` from where it was stopped, alone."""
    session = round.session
    yield Progress(f"no path survived - finishing path {path}, the least hopeless one")
    if round.guesses[path].step == round.last_step:
        return
    session.drop([other for other in session.live if other != path])
    session.restore(path)
    while not session.done:
        yield from round.step((path,) if round.ending else ())
