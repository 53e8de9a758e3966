"""Stopping rules as values: what the three that settings name decide, and what further fields change."""

from __future__ import annotations

import dataclasses

import pytest

from cotdemo.run.events import Judged
from cotdemo.search.stopping import LENIENT, PAPER, RELEASED, RULES, StoppingRule, log_odds, rule_of
from cotdemo.settings import STOPPINGS, Settings


def judged(answer, p_yes=0.5, p_no=0.4, question="potential"):
    return Judged(0, 0, 0, question, p_yes, p_no, answer)


def test_settings_name_the_rules_and_no_others():
    assert tuple(RULES) == tuple(STOPPINGS)
    named = {"paper": PAPER, "lenient": LENIENT}
    for stopping, rule in named.items():
        assert rule_of(Settings.checked("a dog", seed=0, stopping=stopping)) is rule
    assert rule_of(Settings.checked("a dog", seed=0, original=True)) is RELEASED
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAPER.stops = False


@pytest.mark.parametrize(
    ("rule", "answer", "clear", "promising", "hopeless"),
    [
        (PAPER, "yes", True, True, False),
        (PAPER, "no", False, False, True),
        (PAPER, "neither", False, False, False),  # asked again at the next step
        (RELEASED, "yes", True, True, False),
        (RELEASED, "neither", True, False, False),
        (RELEASED, "no", False, False, True),  # but stops nothing
    ],
)
def test_what_an_answer_means(rule, answer, clear, promising, hopeless):
    assert rule.clear(judged(answer, question="clarity")) == clear
    assert (rule.promising(judged(answer), 0.0), rule.hopeless(judged(answer), 0.0)) == (promising, hopeless)
    assert PAPER.stops and LENIENT.stops and not RELEASED.stops


@pytest.mark.parametrize(("p_yes", "goes_on"), [(0.1, True), (0.0999, False), (0.9, True)])
def test_lenient_rules_go_by_the_probability_whatever_the_answer(p_yes, goes_on):
    for answer in ("yes", "no", "neither"):
        said = judged(answer, p_yes)
        assert (LENIENT.promising(said, 0.0), LENIENT.hopeless(said, 0.0)) == (goes_on, not goes_on)


def test_behind_is_measured_from_the_best_path():
    rule = StoppingRule(behind=2.0)
    said = judged("no", 0.5)  # log-odds 0
    assert rule.promising(said, 2.0) and rule.hopeless(said, 2.1)
    assert log_odds(0.0) == log_odds(1e-9) == pytest.approx(-13.8, abs=0.1)


def test_settled_paths_are_asked_again_where_the_rule_says_so():
    rule = StoppingRule(again=(3,))
    assert rule.asked(1, (0, 1, 2), {1}) == [0, 2]
    assert rule.asked(2, (0, 1, 2), {1}) == [0, 1, 2]  # the third step


def test_who_may_win_and_by_what():
    assert PAPER.survivors((0, 2, 3), {3, 2}) == [2, 3] and LENIENT.survivors((0, 2, 3), {2}) == [0, 2, 3]
    neither = judged("neither", 0.7, 0.1)
    assert (RELEASED.p_no(neither), RELEASED.score(neither)) == (50.0, 0.0)
    assert (PAPER.p_no(neither), PAPER.score(neither)) == (0.1, 0.7)
    assert PAPER.judges_fallback and not RELEASED.judges_fallback


def test_survivors_come_in_the_order_of_their_numbers():
    """Those of a set come as their hashes lie; of equals the first survivor wins."""
    assert PAPER.survivors(range(9), {8, 1}) == [1, 8]
