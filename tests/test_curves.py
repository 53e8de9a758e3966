"""Curves of a pool of a tiny model: what must hold between them, their file, and the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.errors import UserError
from cotdemo.evaluation.curves import COMPARED, apart, bins, curves, draw
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.pool import YES, Maker, Pool, SampledPaths, fill
from cotdemo.evaluation.results import read_curves
from cotdemo.registry import BACKENDS
from cotdemo.settings import verifier_of
from cotdemo.ui.measured import measured

ENTRIES = select(of_split("dev"), limit=2)
NUMBERS = (1, 2, 4)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="module")
def pool(root, tmp_path_factory):
    """A pool in which half of the paths are right, drawn by chance: the tiny model itself never is."""
    pool = Pool(MiniBackend(root=root), "base", "dev", steps=5, folder=tmp_path_factory.mktemp("pools"))
    fill(Maker(pool, max(NUMBERS), [verifier_of(method) for method in COMPARED]), ENTRIES, lambda _: None)
    rng = np.random.default_rng(0)
    for entry in ENTRIES:
        part = pool.sampled(entry.index)
        right = rng.random(part.paths) < 0.5
        pool.keep(entry.index, SampledPaths(**{**vars(part), "correct": right, "strict": right}))
    return pool


@pytest.fixture(scope="module")
def found(pool):
    return curves(pool, ENTRIES, NUMBERS)


def value(point):
    return point["accuracy"]["strict"]["value"]


def test_with_one_path_there_is_nothing_to_choose(found):
    first = [one["points"][0] for one in found["methods"]]
    assert len({value(point) for point in [*first, found["oracle"][0]]}) == 1


def test_no_method_is_better_than_the_oracle_and_more_paths_cost_more(found):
    for one in found["methods"]:
        assert [point["paths"] for point in one["points"]] == list(NUMBERS)
        for point, oracle in zip(one["points"], found["oracle"]):
            assert value(point) <= value(oracle)
        spent = [sum(point["operations"].values()) for point in one["points"]]
        assert spent == sorted(spent) and spent[0] > 0


def test_the_shares_of_pruning_are_shares(found, pool):
    for row in found["pruning"]:
        shares = [row["stopped"], row["none_left"], row["passes_saved"], row["lost"]["strict"]]
        assert all(0 <= share <= 1 for share in shares)
    assert found["pruning"][-1]["stopped"] > 0
    assert 1 <= found["pruning"][-1]["step"] <= pool.settings.steps


def test_judges_are_measured_at_every_step_and_on_final_images(found, pool):
    assert [row["step"] for row in found["by_step"]] == [1, 2, 3, 4, 5]
    for row in found["by_step"]:
        assert 0 <= row["potential"]["strict"] <= 1 and 0 <= row["prm"]["geneval"] <= 1
    assert found["outcome"].keys() == set(COMPARED)
    assert found["weights"].keys() == {"showo", "magvit", "judge", "judge-orm", "judge-prm", "judge-zero-shot"}


def test_answers_are_counted_in_bins_as_a_run_would_ask_for_them(found, pool):
    of = found["calibration"]
    assert list(of) == ["clarity", "potential", "outcome"] and {len(rows) for rows in of.values()} == {10}
    counts = {question: sum(row["count"] for row in rows) for question, rows in of.items()}
    paths, steps = len(ENTRIES) * max(NUMBERS), pool.settings.steps
    assert counts["outcome"] == paths and 0 < counts["potential"] <= paths <= counts["clarity"] <= paths * steps
    yes = pool.said(ENTRIES, "parm", "clarity", max(NUMBERS)) == YES
    assert counts["potential"] == yes.any(-1).sum()
    assert counts["clarity"] == (np.where(yes.any(-1), yes.argmax(-1) + 1, steps)).sum()
    right = np.stack([truth[: max(NUMBERS)] for truth in pool.truths(ENTRIES)["strict"]])
    known = [row for row in of["outcome"] if row["count"]]
    assert sum(row["count"] * row["right"]["strict"] for row in known) == pytest.approx(right.sum(), abs=0.01)
    assert all(row["from"] <= row["stated"] <= row["from"] + 0.1001 for row in known)


def test_a_bin_has_the_mean_of_what_was_stated_and_the_share_that_was_right():
    stated = np.array([[0.0, 0.05, 0.72, 0.78], [1.0, 0.74, 0.5, np.nan]])
    counted = np.array([[True, True, True, True], [True, True, False, False]])
    truths = {
        "geneval": np.array([[False, True, True, False], [True, True, True, True]]),
        "strict": np.array([[0], [1]]),
    }
    rows = bins(stated, truths, counted)
    assert [row["count"] for row in rows] == [2, 0, 0, 0, 0, 0, 0, 3, 0, 1]
    assert rows[0]["stated"] == 0.025 and rows[0]["right"] == {"geneval": 0.5, "strict": 0.0}
    assert rows[7]["stated"] == 0.7467 and rows[7]["right"] == {"geneval": 0.6667, "strict": 0.3333}
    assert rows[9]["right"] == {"geneval": 1.0, "strict": 1.0} and rows[1]["stated"] is None


def test_curves_from_before_there_was_a_calibration_are_shown_without(found, tmp_path):
    content = {
        "format": "cotdemo-curves", "version": 1, "created": "2026-01-02", "hardware": "a processor",
        "asked": {"prompts": "dev x", "seed": 0, "steps": 5, "guidance": 1.0, "temperature": 3.0, "limit": 2},
        "generators": [found, {name: value for name, value in found.items() if name != "calibration"}],
    }  # fmt: skip
    (tmp_path / "curves.json").write_text(json.dumps(content))
    new, old = measured(tmp_path)["curves"]["generators"]
    assert old["calibration"] == {} and new["calibration"].keys() == {"clarity", "potential", "outcome"}
    assert new["calibration"]["outcome"][0].keys() == {"from", "count", "stated", "right"}


def test_the_figures_are_drawn_from_the_file_alone(found, tmp_path):
    names = draw(json.loads(json.dumps({"generators": [found]})), tmp_path)
    assert names == ["accuracy-base.png", "judges-by-step-base.png", "pruning-base.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_labels_stay_in_order_apart_and_below_the_top():
    moved = apart([1.0, 0.99, 0.2, 1.0])
    assert moved[2] == 0.2 and max(moved) <= 1.0
    assert min(np.diff(sorted(moved))) >= 0.07 - 1e-9
    assert apart([0.3, 0.9]) == [0.3, 0.9]


def test_the_command_adds_generators_to_the_file_and_draws(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(BACKENDS["mini"].defaults, "steps", 5)
    file = tmp_path / "curves.json"
    command = ["eval", "--curves", "--split", "dev", "--limit", "1", "--paths", "2", "--assets", str(root)]
    command += ["--json", str(file), "--out", str(tmp_path / "figures")]
    assert cli.main([*command, "--dry-run"]) == 0
    assert "hours of one process" in capsys.readouterr().out and not file.exists()
    for model in ("base", "self-correct"):
        assert cli.main([*command, "--model", model]) == 0
    assert [one["model"] for one in read_curves(file)["generators"]] == ["base", "self-correct"]
    assert [one["model"] for one in measured(tmp_path)["curves"]["generators"]] == ["base", "self-correct"]
    assert len(list((tmp_path / "figures").iterdir())) == 6
    assert cli.main([*command, "--seed", "1"]) == 2  # another evaluation's file
    assert cli.main([*command[:3], "pretrain"]) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"format": "cotdemo-curves", "version": 1}'])
def test_a_file_without_curves_is_refused(tmp_path, text):
    (tmp_path / "curves.json").write_text(text)
    with pytest.raises(UserError, match="no curves"):
        read_curves(tmp_path / "curves.json")
