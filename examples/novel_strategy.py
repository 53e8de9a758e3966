"""A strategy that is in no paper: a race. Whoever trails the leader by more than the steps left could mend, stops.

A strategy is a generator of events over a ``Run``, made of rounds: paths in one batch, stepped, decoded, asked about.
It returns what it chose, and may be closed after any event.
"""

from __future__ import annotations

from collections.abc import Generator

from cotdemo.run.events import Event, PathPruned
from cotdemo.search.rounds import Chosen, Round, Run


def race(run: Run) -> Generator[Event, None, Chosen]:
    """Judge every x0 guess; a path stops when its P(yes) is further behind the leader's than the share of steps left.

    So nobody stops at first, when guesses say little, and at the end only those side by side with the leader are left.
    """
    round = Round(run)
    yield from round.start()
    session = round.session
    while not session.done:
        paths = session.live
        yield from round.step(paths)
        answers = yield from round.ask(round.encode(paths), "outcome", paths, paths)
        leader = max(answers.values(), key=lambda answer: answer.p_yes)
        margin = 1 - (leader.step + 1) / run.settings.steps
        behind = [answer for answer in answers.values() if leader.p_yes - answer.p_yes > margin]
        if behind and not session.done:  # whoever has arrived cannot stop any more
            session.drop([answer.path for answer in behind])
            for answer in behind:
                yield PathPruned(round.number, answer.path, answer.step, answer.p_no)
    return (yield from round.finish(leader.path, session.live, leader))
