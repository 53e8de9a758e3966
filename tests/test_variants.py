"""Other rules of stopping paths: where they are PARM's they choose as PARM does; none spends more than it may."""

from __future__ import annotations

import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.metered import Metered
from cotdemo.evaluation.pool import Pool
from cotdemo.evaluation.pooling import Maker, fill
from cotdemo.evaluation.replay import Replay, replay
from cotdemo.evaluation.variants import BRANCH, RULES_TRIED, Rule, choose
from cotdemo.world.geneval import Verdict

ENTRIES = select(of_split("dev"), limit=1)
PATHS, STEPS = 4, 12


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    backend = MiniBackend(root=tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini")))
    pool = Pool(backend, "base", "dev", steps=STEPS, folder=tmp_path_factory.mktemp("pools"))
    fill(Maker(pool, 2 * PATHS, ["parm", "orm"]), ENTRIES, lambda _: None)
    return pool


def settings(pool, entry):
    return pool.settings_of(entry, method="parm", paths=PATHS)


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        (Rule("the paper's"), {}),
        (Rule("later", judge_from=9), {"judge_from": 9}),
        (Rule("lenient", judge_from=3, least=0.1, unclear=True), {"judge_from": 3, "stopping": "lenient"}),
    ],
)
def test_the_rules_of_the_product_choose_the_same_here(pool, rule, asked):
    for entry in ENTRIES:
        run = Replay(pool)
        choice = choose(rule, run, settings(pool, entry))
        record = replay(pool, entry, "parm", PATHS, **asked)
        assert choice.picture[1] == record.rounds[0].winner
        assert choice.stopped == sum(path.pruned is not None for path in record.rounds[0].paths)
        assert run.spent.operations["generator"] == record.operations["generator"]
        assert run.spent.operations["judge"] == pytest.approx(record.operations["judge"], rel=0.05)


@pytest.mark.parametrize("rule", RULES_TRIED, ids=lambda rule: rule.words)
def test_no_rule_spends_much_more_on_painting_than_all_paths_to_their_ends(pool, rule):
    entry = ENTRIES[0]
    run = Metered(pool.backend) if rule.refill == "branch" else Replay(pool)
    choice = choose(rule, run, settings(pool, entry))
    spent = run.operations if rule.refill == "branch" else run.spent.operations
    prices = pool.paintings(entry.index).prices
    # steps are given back for steps, and the last ones of a path cost less than its first ones
    assert spent["generator"] <= (1.02 if choice.painted == PATHS else 1.25) * prices.of_whole_paths(PATHS)
    assert PATHS <= choice.painted <= 2 * PATHS and choice.stopped <= choice.painted


class Told:
    """The pool's backend, whose checker says what it is told to, and which notes what paintings go on after."""

    def __init__(self, backend, truths):
        self.backend, self.truths, self.began = backend, iter(truths), []

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def painter(self, model):
        return self

    def start(self, *arguments, **after):
        self.began.append(after.get("after"))
        return self.backend.painter("base").start(*arguments, **after)

    def check(self, prompt, picture):
        right = next(self.truths)
        return Verdict(right, right, "")


def test_branches_leave_the_best_path_where_the_saved_steps_are_enough_for_them(pool):
    """Three of four paths are stopped at step 10 of 12: that is six steps, for two branches of three."""
    rule = Rule("branches", judge_from=10, knows=True, refill="branch")
    told = Told(pool.backend, [True, False, False, False] + 2 * [True])
    choice = choose(rule, told, settings(pool, ENTRIES[0]))
    assert choice.stopped == 3 and choice.painted == PATHS + 2
    first, branches = told.began
    assert first is None and branches.index + 1 == BRANCH and branches.paths == (PATHS, PATHS + 1)
    assert (branches.codes[0] == branches.codes[1]).all()


def test_the_command_compares_every_rule_with_parm_and_the_orm(tmp_path, monkeypatch, capsys):
    root = tiny_mini.build_all_judges(tmp_path / "mini")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cotdemo.evaluation.variants.RULES_TRIED", RULES_TRIED[:2])
    arguments = ["eval", "--variants", "--split", "dev", "--limit", "1", "--paths", "2", "--assets", str(root)]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1::2]] == [rule.words for rule in RULES_TRIED[:2]]
