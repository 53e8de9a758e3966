"""Other stopping rules than PARM's: each is PARM itself by that rule, and none spends more than it may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.backends.metered import Instrumented, Prices
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.pool import Maker, Pool, fill
from cotdemo.evaluation.runner import replay, replaying
from cotdemo.evaluation.variants import BRANCH, VARIANTS, Variant, choose
from cotdemo.search.stopping import LENIENT, StoppingRule

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
    ("variant", "asked"),
    [
        (Variant("the paper's"), {}),
        (Variant("later", judge_from=9), {"judge_from": 9}),
        (Variant("lenient", LENIENT, 3), {"judge_from": 3, "stopping": "lenient"}),
    ],
)
def test_the_rules_of_the_product_choose_the_same_here(pool, variant, asked):
    for entry in ENTRIES:
        run = replaying(pool, entry)
        choice = choose(variant, run, settings(pool, entry))
        record = replay(pool, entry, "parm", PATHS, **asked)
        assert choice.picture[0] == choice.path == record.rounds[0].winner
        assert choice.stopped == sum(path.pruned is not None for path in record.rounds[0].paths)
        assert run.meter.totals == record.operations


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.words)
def test_no_rule_spends_much_more_on_painting_than_all_paths_to_their_ends(pool, variant):
    entry = ENTRIES[0]
    live = Instrumented(pool.backend, Prices())
    run = live if variant.refill == "branch" else replaying(pool, entry, variant.knows)
    choice = choose(variant, run, settings(pool, entry))
    whole = replay(pool, entry, "orm", PATHS).operations["generator"]
    # steps are given back for steps, and the last ones of a path cost less than its first ones
    assert run.meter.totals["generator"] <= (1.02 if choice.painted == PATHS else 1.25) * whole
    assert PATHS <= choice.painted <= 2 * PATHS and choice.stopped <= choice.painted


class Told:
    """The pool's backend, whose judge says what it is told to, and which notes what paintings go on after."""

    def __init__(self, backend, promising):
        self.backend, self.promising, self.began = backend, iter(promising), []

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def generator(self, model):
        return self

    def start(self, *arguments, **after):
        self.began.append(after.get("after"))
        return self.backend.generator("base").start(*arguments, **after)

    def verifier(self, name):
        return self

    def encode(self, images):
        self.seen = self.backend.verifier("parm").encode(images)
        return self

    def ask(self, question, prompt, rows):
        yes = np.array([next(self.promising) if question == "potential" else True for _ in rows])
        return replace(self.seen.ask(question, prompt, rows), yes=yes, no=~yes)


def test_branches_leave_the_best_path_where_the_saved_steps_are_enough_for_them(pool):
    """Three of four paths are stopped at step 10 of 12: that is six steps, for two branches of three."""
    told = Told(pool.backend, [True, False, False, False] + 2 * [True])
    choice = choose(Variant("branches", judge_from=10, refill="branch"), told, settings(pool, ENTRIES[0]))
    assert choice.stopped == 3 and choice.painted == PATHS + 2
    first, branches = told.began
    assert first is None and branches.index + 1 == BRANCH and branches.paths == (PATHS, PATHS + 1)
    assert (branches.codes[0] == branches.codes[1]).all()


def test_fresh_paths_are_the_next_ones_of_the_pool(pool):
    """All paths but one are stopped at the first step: the steps of three are enough for two whole paths. Where the
    judge, whose weights are by chance, says the same of all, none is behind another."""
    rule = StoppingRule(all_clear=True, behind=0.0, unclear_wins=True)
    variant, painted = Variant("fresh", rule, refill="fresh"), []
    for entry in ENTRIES:
        choice = choose(variant, replaying(pool, entry), settings(pool, entry))
        assert 0 <= choice.path < choice.painted
        painted.append(choice.painted)
    assert set(painted) <= {PATHS, PATHS + 2} and painted.count(PATHS + 2) > len(ENTRIES) / 2


def test_a_judge_that_knows_stops_what_would_come_out_wrong(pool):
    variant = Variant("told the truth", StoppingRule(all_clear=True), knows=True)
    for entry in ENTRIES:
        choice = choose(variant, replaying(pool, entry, knows=True), settings(pool, entry))
        assert choice.stopped == PATHS - pool.sampled(entry.index).strict[:PATHS].sum()


def test_the_command_compares_every_rule_with_parm_and_the_orm(tmp_path, monkeypatch, capsys):
    root = tiny_mini.build_all_judges(tmp_path / "mini")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cotdemo.evaluation.variants.VARIANTS", VARIANTS[:2])
    arguments = ["eval", "--variants", "--split", "dev", "--limit", "1", "--paths", "2", "--assets", str(root)]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1::2]] == [variant.words for variant in VARIANTS[:2]]
