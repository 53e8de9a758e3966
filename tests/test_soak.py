"""The soak's parts in small: each comes to its figures, and says so where one is not reached."""

from __future__ import annotations

import ast
import json
import math
from functools import cache
from pathlib import Path

import pytest
import soak
from soaking import ROOT, mutating
from soaking.figures import Figure, Report, quantile
from soaking.mutations import MUTATIONS, Mutation

TESTS = Path(__file__).parent


# -- figures


def test_a_figure_says_what_was_asked_and_whether_it_is_reached():
    assert Figure("wrong results", 0, most=0).ok and not Figure("wrong results", 1, most=0).ok
    assert not Figure("noticed", None, least=1).ok and not Figure("p95", math.nan, most=5).ok
    assert str(Figure("p95", 6.25, most=5, unit="s")) == "p95 6.25 s (asked at most 5 s) - NOT REACHED"
    assert str(Figure("lines", None, note="no coverage here")) == "lines not measured (no coverage here)"
    report = Report()
    assert not report.ok  # of which nothing is known
    report.add("runs", 1000, least=1000)
    assert report.ok and json.loads(json.dumps(report.as_dict()))["figures"][0]["asked"] == "at least 1,000"


def test_a_quantile_is_one_of_the_values():
    assert quantile(range(1, 101), 0.95) == 95 and quantile([3, 1], 0.95) == 3 and quantile([7], 0.95) == 7
    assert math.isnan(quantile([], 0.5))


def test_a_part_that_breaks_off_or_does_not_end_fails_and_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(soak.PARTS, "coverage", ("no such module", ""))
    assert soak.main(["coverage", "--json", str(tmp_path / "soak.json")]) == 1
    assert "FAILS" in capsys.readouterr().out
    told = json.loads((tmp_path / "soak.json").read_text())["parts"]["coverage"]
    assert not told["ok"] and "No module named" in told["notes"][0]


def test_a_part_that_there_is_not_is_named(capsys):
    with pytest.raises(SystemExit):
        soak.main(["nothing"])
    assert "there is no part nothing" in capsys.readouterr().err


# -- mutations


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_every_mutation_still_applies_and_can_be_compiled(mutation):
    file = ROOT / "cotdemo" / mutation.file
    mutated = mutating.applied(file.read_text(encoding="utf-8"), mutation)
    assert ast.dump(compile(mutated, str(file), "exec", ast.PyCF_ONLY_AST)) != ast.dump(_parsed(file))
    for test in mutation.tests:
        name, _, function = test.partition("::")
        assert function in {one.name for one in _parsed(TESTS / name).body if isinstance(one, ast.FunctionDef)}, test


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def test_there_are_sixty_mutations_of_five_kinds():
    assert len(MUTATIONS) == len({one.name for one in MUTATIONS}) == mutating.OF == 60
    assert {one.file.split("/")[0] for one in MUTATIONS} == {"search", "generator", "ui", "run", "fields.py"}
    assert mutating.spread(MUTATIONS, 60) == MUTATIONS and len({*mutating.spread(MUTATIONS, 7)}) == 7


def test_a_mutation_is_noticed_by_a_test_that_fails_and_by_no_other(tmp_path):
    copy = mutating.copied(tmp_path)
    file = copy / "cotdemo" / "search" / "stopping.py"
    source = file.read_text(encoding="utf-8")
    (tmp_path / "tests" / "test_small.py").write_text(
        "def test(): import cotdemo.search.stopping as s; s.LENIENT.least > 0"
    )
    noticing = Mutation("", "search/stopping.py", "least=0.1, unclear_wins", "unclear_wins", ("test_small.py",))
    unseen = Mutation("", "search/stopping.py", "NEVER_CLEAR = 1.0", "NEVER_CLEAR = 0.0", ("test_small.py",))
    gone = Mutation("", "search/stopping.py", "NEVER_CLEAR = 2.0", "NEVER_CLEAR = 0.0", ("test_small.py",))
    nothing = Mutation(
        "", "search/stopping.py", "NEVER_CLEAR = 1.0", "NEVER_CLEAR = 0.0", ("test_that_there_is_not.py",)
    )
    outcomes = [mutating.tried(copy, one, 300)[0] for one in (noticing, unseen, gone, nothing)]
    assert outcomes == ["noticed", "survived", "not run", "not run"]
    assert file.read_text(encoding="utf-8") == source
