"""What the Results tab is given: figures of the files and nothing else, or words and the command that makes them."""

from __future__ import annotations

import json

import pytest
from results_double import KINDS, WHY_NOT, invent, invent_ladder, invented_curves

from cotdemo.ui.measured import STORY, measured
from cotdemo.ui.page import ASSETS


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    invent(folder)
    return folder


@pytest.fixture(scope="module")
def shown(assets):
    return measured(assets)


def changed(tmp_path, change):
    """What is shown of a table that ``change`` was done to."""
    invent_ladder(tmp_path / "ladder.json")
    content = json.loads((tmp_path / "ladder.json").read_text())
    change(content)
    (tmp_path / "ladder.json").write_text(json.dumps(content))
    return measured(tmp_path)["ladder"]


def test_rows_have_their_figures_and_not_what_came_of_every_prompt(shown):
    rows = {(row["name"], row["seed"]): row for row in shown["ladder"]["rows"]}
    assert rows["parm", "shipped"]["accuracy"]["geneval"]["overall"][0] == pytest.approx(9 / 12, abs=1e-6)
    assert rows["plain", "shipped"]["images"] == 4 and rows["dpo-iter", "2"]["accuracy"]
    assert sum(rows["parm++", "shipped"]["operations"].values()) == pytest.approx(9.4e10)
    assert "outcomes" not in json.dumps(shown) and json.dumps(shown, allow_nan=False)


def test_a_row_that_is_missing_says_why_and_keeps_the_papers_figure(shown):
    (row,) = [row for row in shown["ladder"]["rows"] if row["name"] == "dpo"]
    assert row["missing"] == WHY_NOT and "accuracy" not in row and row["paper"]["overall"] == 0.62


def test_the_papers_figures_are_never_among_those_measured_here(shown):
    for row in shown["ladder"]["rows"]:
        assert set(row.get("accuracy", {})) <= {"geneval", "strict"}
    (one,) = [one for one in shown["ladder"]["differences"] if one["label"] == "PARM - Show-o, base"]
    assert one["paper"] == {
        "single_object": 0.04, "two_object": 0.25, "counting": 0.19, "colors": 0.04, "position": 0.18,
        "color_attr": 0.17, "overall": 0.14,
    }  # fmt: skip
    assert [one["paper"] for one in shown["curves"]["generators"]] == [
        {"orm-zero-shot": 0.61, "orm": 0.63, "prm": 0.55, "parm": 0.67},
        {"orm-zero-shot": None, "orm": 0.58, "prm": None, "parm": 0.64},
    ]


def test_what_the_figures_rest_on_is_said_with_the_command(shown):
    facts, curves = dict(shown["ladder"]["facts"]), shown["curves"]
    assert facts["prompts"].startswith("12, 2 of each kind, test split ")
    assert facts["settings"] == "18 steps, guidance 1, temperature 3" and "torch" in facts["hardware"]
    assert shown["ladder"]["command"] == "python -m cotdemo eval --table --limit 2 --training-seed 2=FOLDER"
    assert shown["ladder"]["images"] == dict.fromkeys(KINDS, 2) and curves["images"] == 12
    assert [one["command"] for one in curves["generators"]] == [
        "python -m cotdemo eval --curves --limit 2",
        "python -m cotdemo eval --curves --limit 2 --model self-correct",
    ]


def test_prompts_that_are_no_longer_those_of_then_are_not_counted(tmp_path):
    shown = changed(tmp_path, lambda content: content["asked"].update(prompts="test 0123456789ab"))
    assert shown["images"] is None and dict(shown["facts"])["prompts"] == "test split 0123456789ab"


def test_without_files_there_are_words_and_commands(tmp_path):
    shown = measured(tmp_path)
    assert shown["ladder"] == {"missing": "Nothing is measured here yet.", "command": "python -m cotdemo eval --table"}
    assert shown["curves"]["command"] == "python -m cotdemo eval --curves"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(version=2),
        lambda content: content["rows"][0].pop("accuracy"),
        lambda content: content["rows"][0]["accuracy"]["strict"]["overall"].update(value="<b>1</b>"),
        lambda content: content["rows"][0]["accuracy"]["strict"]["overall"].update(low=float("nan")),
        lambda content: content["rows"][0]["cost"].update(seconds=float("inf")),
        lambda content: content["rows"][0].update(label=["PARM"]),
        lambda content: content["rows"][0].update(label="x" * 5000),
        lambda content: content["differences"][0].update(of="nothing"),
        lambda content: content["asked"].update(limit="all"),
        lambda content: content.update(rows=7),
    ],
)
def test_a_damaged_table_is_told_of_in_words_that_name_no_folder(tmp_path, change):
    shown = changed(tmp_path, change)
    assert shown["missing"].startswith("ladder.json is damaged") and str(tmp_path) not in shown["missing"]
    assert shown["command"] == "python -m cotdemo eval --table"


@pytest.mark.parametrize("change", [{"generators": [{"model": "base"}]}, {"hardware": None}, {"asked": {}}])
def test_damaged_curves_leave_the_table_as_it_is(tmp_path, change):
    invent_ladder(tmp_path / "ladder.json")
    (tmp_path / "curves.json").write_text(json.dumps(invented_curves() | change))
    shown = measured(tmp_path)
    assert shown["curves"]["missing"].startswith("curves.json is damaged") and shown["ladder"]["rows"]


def test_text_that_is_not_utf8_or_no_json_is_damage_too(tmp_path):
    for data in (b"\xff\xfe{", b"", b"[" * 100_000):
        (tmp_path / "curves.json").write_bytes(data)
        assert "damaged" in measured(tmp_path)["curves"]["missing"]


def test_what_a_row_gains_over_the_plain_generator_is_the_ladders_own_difference(shown):
    content = json.loads((ASSETS / "ladder.json").read_text())
    here = {row["name"]: row for row in content["rows"] if row["training_seed"] == "shipped" and not row["missing"]}
    assert {name for name, row in here.items() if "gain" in row} == {*here} - {"plain"}
    pairs = [one for one in content["differences"] if one["minus"] == "plain" and one["training_seed"] == "shipped"]
    assert pairs and all(here[one["of"]]["gain"][rule] == one[rule] for one in pairs for rule in ("geneval", "strict"))
    rows = {(row["name"], row["seed"]): row for row in shown["ladder"]["rows"]}
    assert rows["parm", "shipped"]["gain"]["geneval"]["overall"][0] == 0.5
    assert rows["plain", "shipped"]["gain"] is None and rows["dpo-iter", "2"]["gain"] is None


def test_rows_that_others_are_held_against_are_known_as_such_and_the_papers_eight_stand_at_the_top():
    rows = {row["name"]: row for row in measured(ASSETS)["ladder"]["rows"] if row["seed"] == "shipped"}
    yardsticks = {name for name, row in rows.items() if row["yardstick"]}
    assert "orm-at-parm's-compute" in yardsticks and "parm++8-shuffled" in yardsticks
    assert not yardsticks & {"plain", "orm", "parm", "parm8", "parm++8", "parm++8-region"}
    assert rows["orm-at-parm's-compute"]["as_costly_as"] == "parm"
    assert sum(row["story"] for row in rows.values()) == len(STORY) == 8


def test_a_table_from_before_gains_were_kept_shows_none(tmp_path):
    shown = changed(tmp_path, lambda content: [row.pop("gain", None) for row in content["rows"]])
    assert all(row.get("gain") is None for row in shown["rows"])
