"""The results as Markdown: every number of the page is one of the file's, and none is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from results_double import WHY_NOT, invent_ladder

from cotdemo.errors import UserError
from cotdemo.evaluation.results import ladder_markdown

SHIPPED = Path(__file__).parents[1] / "assets" / "ladder.json"


def tables(page: str) -> dict[str, list[list[str]]]:
    """Cells of the tables by title, without their heads."""
    found: dict[str, list[list[str]]] = {}
    for section in page.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
        found[title] = rows[1:]
    return found


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    file = tmp_path_factory.mktemp("assets") / "ladder.json"
    invent_ladder(file)
    return tables(ladder_markdown(file))


def test_every_shipped_row_stands_in_the_table_with_its_figures():
    content, found = json.loads(SHIPPED.read_text()), tables(ladder_markdown(SHIPPED))
    shipped = [row for row in content["rows"] if row["training_seed"] == "shipped"]
    assert [row[0] for row in found["The ladder"]] == [f"`{row['name']}`" for row in shipped]
    assert [row[0] for row in found["By kind of prompt"]] == [row["label"] for row in shipped]
    for row, cells in zip(shipped, found["The ladder"]):
        for rule, cell in zip(("geneval", "strict"), cells[3:5]):
            overall = row["accuracy"][rule]["overall"]
            numbers = [float(number) for number in cell.replace("[", "").replace("]", "").replace(",", "").split()]
            assert numbers == [round(overall[end], 3) for end in ("value", "low", "high")]
    for row, cells in zip(shipped, found["By kind of prompt"]):
        told = [round(row["accuracy"]["geneval"][kind]["value"], 2) for kind in content["kinds"]]
        assert [float(cell) for cell in cells[1:]] == pytest.approx(told)
    differences = [one for one in content["differences"] if one["training_seed"] == "shipped"]
    assert [row[0] for row in found["Differences"]] == [one["label"] for one in differences]
    seeds = {row["training_seed"] for row in content["rows"]} - {"shipped"}
    assert {name for name in found if name.startswith("Training seed")} == {f"Training seed {seed}" for seed in seeds}


def test_numbers_are_written_as_the_paper_writes_them(invented):
    rows = {row[0]: row for row in invented["The ladder"]}
    assert rows["`parm`"][2:4] == ["20", ".750 [.667, .833]"] and rows["`parm`"][5:] == ["94", ".67"]
    assert rows["`dpo`"][3] == f"missing: {WHY_NOT}" and rows["`dpo`"][-1] == ".62"
    differences = {row[0]: row for row in invented["Differences"]}
    assert (
        differences["PARM - Show-o, base"][1].startswith("+.500 [") and differences["PARM - Show-o, base"][3] == "+.14"
    )


def test_training_seeds_have_tables_of_their_own(invented):
    (row, difference) = invented["Training seed 2"][0], invented["Training seed 2"][-1]
    assert row[:2] == ["Show-o, iterative DPO", ".500 [.500, .500]"]
    assert difference[0] == "Show-o, iterative DPO - Show-o, base" and difference[1].startswith("+.250")


def test_what_stopping_and_repainting_do_is_told_of_the_rows_that_do_it():
    found = tables(ladder_markdown(SHIPPED))
    assert "PARM" in [row[0] for row in found["What stopping paths does"]]
    rows = [row[0] for row in found["What repainting does"]]
    assert all(row.count("PARM++") == 1 or row.startswith("Repair") for row in rows)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "ladder.json").write_text("{}")
    with pytest.raises(UserError, match="no table"):
        ladder_markdown(tmp_path / "ladder.json")
