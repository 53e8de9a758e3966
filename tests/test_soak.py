"""The soak's parts in small: each comes to its figures, and says so where one is not reached."""

from __future__ import annotations

import ast
import asyncio
import json
import math
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import soak
from fastapi.responses import JSONResponse
from soaking import ROOT, bodies, clients, covering, faults, fuzzing, guided, mutating, runs
from soaking.figures import Budget, Figure, Report, quantile
from soaking.mutations import MUTATIONS, Mutation
from soaking.serving import PLACE, Watch

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
        "from cotdemo.search.stopping import LENIENT\n\n\ndef test():\n    assert LENIENT.least > 0\n"
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


# -- the other parts


def reached(report: Report) -> dict[str, float | None]:
    """Its figures by name, each of which is as asked."""
    assert report.ok, (list(map(str, report.figures)), report.notes)
    return {figure.name: figure.reached for figure in report.figures}


def test_faults_of_every_phase_are_told_in_words_and_the_next_run_is_fine():
    figures = reached(faults.soak(Budget(600, scale=0.15)))
    assert figures["faults struck"] == figures["told in words and the next run fine"] >= 30


def test_more_faults_can_be_struck_than_are_asked_for(tmp_path):
    stage, others = faults.Stage(), (faults.Disk(tmp_path), faults.Killed(tmp_path))
    listed = [*stage.faults(), *(fault for one in others for fault in one.faults()), *faults.of_models()]
    phases = {fault.phase for fault in listed}
    assert len(listed) > 1.2 * faults.OF
    assert phases >= {"generator", "verifier", "decoder", "disk", "memory", "kill", "clock", "signal", "load"}


def test_inputs_of_all_kinds_are_refused_in_words_or_taken():
    figures = reached(fuzzing.soak(Budget(600, scale=0.002)))
    assert figures["traces and images"] >= 200 and figures["links and calls"] >= 20


def test_a_fuzzer_builds_upon_what_reaches_new_lines():
    whole = fuzzing._png({"prompt": "a prompt"})
    fuzzer = guided.Fuzzer([whole], guided.of_png)
    seen = []

    def read(data: bytes) -> None:
        seen.append(data)
        try:
            fuzzing.read_png_settings(fuzzing.io.BytesIO(data))
        except fuzzing.UserError:
            pass

    assert fuzzer.inputs(60, read) == len(seen) == 60 and seen[0] == whole
    assert 1 < len(fuzzer.corpus) < 60 and {*fuzzer.corpus} <= {*seen}
    assert all("cotdemo" in code.co_filename for code, _ in fuzzer.lines.seen)


def test_an_exception_that_is_not_the_projects_own_is_counted_and_told():
    report = Report()
    tally = fuzzing.Tally(report)
    for error in (fuzzing.UserError("words"), KeyError("insides")):
        tally.tried("trace", b"{}", lambda error=error: faults._raises(error)(), (fuzzing.UserError,))
    assert (tally.counts["trace"], tally.refused["trace"], tally.exceptions) == (2, 1, 1)
    assert "insides" in report.notes[0]


def test_whoever_watches_a_server_sees_its_loop_stand_still_and_its_memory_grow():
    held = []

    async def app(scope, receive, send):
        time.sleep(0.3)
        held.append(b"x" * 2**26)
        await asyncio.sleep(0.1)
        await JSONResponse([])(scope, receive, send)

    async def ask() -> dict[str, float]:
        transport = httpx.ASGITransport(Watch(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://soak") as client:
            await client.get(PLACE)
            await asyncio.sleep(0.05)
            await client.get("/")
            return (await client.get(PLACE)).json()

    told = asyncio.run(ask())
    assert 0.25 < told["blocked"] < 30 and told["added"] > 6e7


def test_bad_bodies_are_sent_and_what_they_cost_is_told():
    report = bodies.soak(Budget(600, scale=0.1))
    figures = {figure.name: figure for figure in report.figures}  # what a busy machine adds to a block is no fault
    assert figures["bodies"].ok and figures["memory that one adds"].ok, report.notes
    assert figures["longest block of the loop"].reached >= 0


def test_clients_that_ask_at_once_have_their_own_results():
    report = clients.soak(Budget(600, scale=0.1), "scripted")
    figures = {figure.name: figure.reached for figure in report.figures}
    assert figures["answers"] == figures["own results"] == 3 and figures["wrong results"] == 0, report.notes
    assert clients.clear("The line is full: try again later.")
    assert not any(map(clients.clear, ("", "null", "Traceback (most recent call last)")))


def test_runs_end_in_every_way_and_leave_nothing():
    report = runs.soak(Budget(600, scale=0.006))
    figures = {figure.name: figure.reached for figure in report.figures}
    assert figures["runs"] == len(runs.WAYS) and not report.notes, report.notes
    assert figures["files added"] == 0 and figures["tracebacks in the log"] == 0


def test_coverage_is_measured_where_it_can_be():
    figures = reached(covering.soak(Budget(600, scale=0.1)))
    assert (figures["lines"] is None) == (find_spec("coverage") is None)
