"""The ladder: rows that are kept while their weights are, differences that can be counted by hand, and one command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.errors import UserError
from cotdemo.evaluation import ladder as table
from cotdemo.evaluation import results
from cotdemo.evaluation.ladder import (
    SHIPPED,
    Ladder,
    Measured,
    Outcome,
    Workbench,
    chosen,
    measure_rows,
    plan,
    training_seeds,
    values,
)
from cotdemo.evaluation.results import DIFFERENCES, OVERALL, ROWS, Row, aligned, ladder_markdown, paper, read_ladder
from cotdemo.registry import BACKENDS
from cotdemo.ui.measured import measured as measured_by_page
from cotdemo.verifiers.llava import Encoded

SMALL = {"plain": 1, "orm": 2, "parm": 2, "orm-at-parm's-compute": 2, "dpo-iter": 1, "self-correct": 1, "parm++8": 2,
         "parm++8-shuffled": 2, "parm++8-empty": 2, "as-many-as-parm++8": 2, "adaptive": 4,
         "orm-at-adaptive's-compute": 2}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini"))


@pytest.fixture
def few(monkeypatch):
    """The rows with few paths, painted in few steps, and critiques of a few words: weights by chance end none."""
    monkeypatch.setitem(BACKENDS["mini"].defaults, "steps", 6)
    monkeypatch.setattr(Encoded.explain, "__defaults__", (0, 8))
    rows = tuple(replace(row, paths=SMALL[row.name], images=min(row.images, 2)) for row in ROWS if row.name in SMALL)
    for module in (table, results):
        monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(table, "PATHS", (1, 8))
    return rows


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where pools are kept from test to test: they are the same."""
    return tmp_path_factory.mktemp("pools")


def bench(root, ladder, tmp_path, kept, label=SHIPPED):
    return Workbench(MiniBackend(root=root), label, "dev", 0, ladder.entries, kept, tmp_path / "live", lambda _: None)


def measured(geneval, strict=None, operations=1):
    outcome = Outcome(1.0, 1, {"geneval": geneval, "strict": strict or geneval})
    cost = {"operations": {"generator": operations, "decoder": 0, "judge": 0}, "seconds": 0.5}
    return Measured([outcome], cost)


def test_every_row_is_named_once_and_every_difference_is_between_rows():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {end for one in DIFFERENCES for end in (one.of, one.minus)} <= set(names)
    assert {row.paper for row in ROWS} - {None} == set(paper())
    for row in ROWS:  # what a row refers to is measured before it
        for other in (row.as_costly_as, row.beside):
            assert other is None or names.index(other) < names.index(row.name)


def test_the_papers_figures_stand_apart_and_differ_as_it_says():
    by_label = {one.label: one.paper for one in DIFFERENCES}
    assert by_label["PARM - Show-o, base"] == 0.14
    assert by_label["PARM on guided iterative DPO - Show-o, base"] == 0.24
    assert by_label["PARM++ on self-correcting - Show-o, self-correcting"] == 0.19
    assert by_label["PARM - ORM at the compute of PARM"] is None


def test_differences_are_paired_and_come_from_the_file_alone(tmp_path):
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
    plain, parm = (next(row for row in ROWS if row.name == name) for name in ("plain", "parm"))
    ladder.put(plain, SHIPPED, {"showo": "a"}, measured("110000"))
    ladder.put(parm, SHIPPED, {"showo": "a"}, measured("111001"))
    content = read_ladder(tmp_path / "ladder.json")
    (difference,) = [one for one in content["differences"] if (one["of"], one["minus"]) == ("parm", "plain")]
    assert difference["geneval"][OVERALL]["value"] == pytest.approx(2 / 6, abs=1e-6)
    assert Ladder(tmp_path / "ladder.json", "dev", 0, 1).differences() == content["differences"]
    printed = aligned(ladder_markdown(tmp_path / "ladder.json"))
    assert "+.333 [+.333, +.333]" in printed and "not to be compared" in printed and "  .67" in printed


def test_a_row_of_two_choices_counts_each_by_its_share():
    row = {"outcomes": [{"share": 0.25, "strict": "0101"}, {"share": 0.75, "strict": "0011"}]}
    assert values(row, "strict") == [0, 0.25, 0.75, 1]


def test_training_seeds_stand_beside_the_shipped_rows(tmp_path):
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
    row = {row.name: row for row in ROWS}
    ladder.put(row["plain"], SHIPPED, {"showo": "a"}, measured("000000"))
    for label, right in ((SHIPPED, "100000"), ("2", "110000")):
        ladder.put(row["dpo-iter"], label, {"dpo-iter": label}, measured(right))
    found = {one["training_seed"]: one["geneval"][OVERALL]["value"] for one in ladder.differences()}
    assert found == {SHIPPED: pytest.approx(1 / 6, abs=1e-6), "2": pytest.approx(2 / 6, abs=1e-6)}
    assert "Training seed 2" in ladder_markdown(tmp_path / "ladder.json")


def test_rows_are_measured_once_while_their_weights_are_the_same(root, few, kept, tmp_path, monkeypatch):
    def measured(root, names):
        ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
        measure_rows(ladder, [bench(root, ladder, tmp_path, kept)], [row for row in few if row.name in names])
        return ladder

    names = ["plain", "orm", "parm", "orm-at-parm's-compute", "dpo-iter"]
    ladder = measured(root, names)
    rows = ladder.of(SHIPPED)
    assert list(rows) == names
    assert "are missing" in rows["dpo-iter"]["missing"] and "accuracy" not in rows["dpo-iter"]
    assert rows["plain"]["weights"].keys() == {"showo", "magvit"}
    assert rows["parm"]["weights"].keys() == {"showo", "magvit", "judge"}
    assert len(rows["plain"]["outcomes"]) == 2 and rows["parm"]["cost"]["operations"]["judge"] > 0

    mixed = rows["orm-at-parm's-compute"]
    assert sum(one["share"] for one in mixed["outcomes"]) == pytest.approx(1)
    assert [one["paths"] for one in mixed["outcomes"]] == [mixed["outcomes"][0]["paths"] + k for k in (0, 1)]
    costs = [sum(rows[name]["cost"]["operations"].values()) for name in ("parm", "orm-at-parm's-compute")]
    assert costs[0] == pytest.approx(costs[1])

    asked = []
    real = table.measure
    monkeypatch.setattr(table, "measure", lambda row, *more: asked.append(row.name) or real(row, *more))
    measured(root, names)
    assert asked == []
    other = shutil.copytree(root, tmp_path / "other")
    weights = next((other / "judge-orm").glob("*.safetensors"))
    weights.write_bytes(next((root / "judge").glob("*.safetensors")).read_bytes())
    retrained = MiniBackend(root=other)
    monkeypatch.setattr(retrained, "weights_of", changed(retrained.weights_of))
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
    one = replace(bench(root, ladder, tmp_path, kept), backend=retrained)
    measure_rows(ladder, [one], [row for row in few if row.name in names])
    assert asked == ["orm", "orm-at-parm's-compute"]
    # beside the shipped ones: nothing but what depends on weights of its own
    again = replace(one, label="2")
    assert measure_rows(ladder, [one, again], [row for row in few if row.name in names]) is None
    assert ladder.of("2") == {}


def test_adaptive_best_of_n_stands_beside_the_orm_at_its_compute(root, few, kept, tmp_path):
    names = ["orm", "adaptive", "orm-at-adaptive's-compute"]
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
    measure_rows(ladder, [bench(root, ladder, tmp_path, kept)], [row for row in few if row.name in names])
    rows = ladder.of(SHIPPED)
    assert rows["adaptive"]["label"] == "Adaptive best of N, 4 at most"
    assert 2 <= rows["adaptive"]["paths"] <= 4  # that were begun
    costs = [sum(rows[name]["cost"]["operations"].values()) for name in names[1:]]
    assert costs[0] == pytest.approx(costs[1])
    minus = {one["minus"] for one in ladder.differences() if one["of"] == "adaptive"}
    assert minus == {"orm", "orm-at-adaptive's-compute"}


def changed(weights_of):
    def of(model=None, verifier=None):
        return {name: "ffff" if name == "judge-orm" else hash for name, hash in weights_of(model, verifier).items()}

    return of


def test_rows_that_repaint_run_live_and_the_others_read_how_many_paths_they_took(root, few, kept, tmp_path):
    names = ["self-correct", "parm++8", "parm++8-shuffled", "parm++8-empty", "as-many-as-parm++8"]
    # twelve prompts: of six the judge, whose weights are by chance, criticises one
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 2)
    one = bench(root, ladder, tmp_path, kept)
    rows = [row for row in few if row.name in names]
    (told,) = plan(ladder, [one], [row for row in rows if row.name == "parm++8-shuffled"])
    assert told[0].endswith("live: not known before the row that it refers to") and told[1] is None
    measure_rows(ladder, [one], [row for row in rows if row.name == "as-many-as-parm++8"])
    assert list(ladder.of(SHIPPED)) == ["as-many-as-parm++8"]  # what it refers to ran before it, for its records
    assert not ladder.of(SHIPPED)["as-many-as-parm++8"]["missing"]
    measure_rows(ladder, [one], rows)
    found = ladder.of(SHIPPED)
    assert not any(found[name]["missing"] for name in names)
    assert min(found["parm++8"]["cost"]["operations"].values()) > 0 and "reflection" in found["parm++8"]
    assert found["as-many-as-parm++8"]["cost"]["generator_passes"] > 0
    minus = {difference["minus"] for difference in ladder.differences() if difference["of"] == "parm++8"}
    assert {"parm++8-shuffled", "as-many-as-parm++8"} <= minus
    assert list(plan(ladder, [one], rows)) == []
    before = ladder.of(SHIPPED)["parm++8"]["accuracy"]
    measure_rows(ladder, [one], [row for row in rows if row.name == "parm++8"], again=True)
    assert ladder.of(SHIPPED)["parm++8"]["accuracy"] == before


def test_a_table_of_other_prompts_or_of_none_is_refused(tmp_path):
    ladder = Ladder(tmp_path / "ladder.json", "dev", 0, 1)
    ladder.put(ROWS[0], SHIPPED, {}, measured("000000"))
    with pytest.raises(UserError, match="other prompts"):
        Ladder(tmp_path / "ladder.json", "dev", 0, 2)
    for text in ("", "[]", '{"format": "cotdemo-ladder", "version": 2}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(UserError, match="no table"):
            read_ladder(tmp_path / "bad.json")


def test_rows_and_training_seeds_are_named_as_they_are_written(tmp_path):
    assert [row.name for row in chosen(["parm", "plain"])] == ["plain", "parm"]
    assert chosen(None) == ROWS
    with pytest.raises(UserError, match="no row 'best'"):
        chosen(["best"])
    for bad in ("2", "=x", "2=", f"{SHIPPED}=x"):
        with pytest.raises(UserError, match="LABEL=DIR"):
            training_seeds([bad])


def test_the_command_writes_the_table_and_tells_before_how_long_it_takes(root, few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["eval", "--table", "--split", "dev", "--limit", "1"]
    arguments += ["--assets", str(root), "--rows", "plain", "dpo-iter"]
    file = tmp_path / "ladder.json"
    assert cli.main([*arguments, "--json", str(file), "--dry-run"]) == 0
    assert "pool of base (shipped)" in capsys.readouterr().out and not file.exists()
    assert cli.main([*arguments, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "Show-o, base" in printed and "missing: " in printed
    assert [row["name"] for row in json.loads(file.read_text())["rows"]] == ["plain", "dpo-iter"]
    assert [row["name"] for row in measured_by_page(tmp_path)["ladder"]["rows"]] == ["plain", "dpo-iter"]
    kept = json.loads(file.read_text())["created"]
    assert cli.main([*arguments[:-1], "--json", str(file), "--dry-run"]) == 0
    assert "pool of base (shipped)" in capsys.readouterr().out  # a row that is named is measured again
    assert json.loads(file.read_text())["created"] == kept
    assert cli.main([*arguments[:3], "test", "--json", str(file)]) == 2
    assert cli.main(["eval", "--table", "--backend", "show-o"]) == 2


def test_what_shows_the_figures_needs_no_torch():
    code = "import sys; import cotdemo.evaluation.results; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_row_knows_what_it_needs():
    row = Row("x", "parm++", "base")
    assert row.live and row.models == ("base", "self-correct") and row.verifiers == ("parm",)
    assert Row("x", "baseline").verifiers == ()
