"""Pools: a replayed search is the live one, a killed pool goes on, and a damaged file says so."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tiny_mini

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.backends.metered import Count, Instrumented
from cotdemo.errors import UserError
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.pool import Maker, Pool, budget, fill, joined
from cotdemo.evaluation.records import Journal
from cotdemo.evaluation.runner import Recorded, Runner, replay
from cotdemo.search import perform
from cotdemo.settings import VERIFIERS, Settings

ENTRIES = select(of_split("dev"), limit=1)
PATHS, STEPS = 5, 4
# of a probability: decoded in another batch a pixel may be one level off, to which a judge of random weights is
# sensitive; the shipped ones move by about 1e-5
TOLERANCE = 2e-2
COUNTED = 0.02  # a question about a single image goes to other kernels than one about several, and counts more


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    return MiniBackend(root=tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini")))


def pool_in(folder, backend, **settings):
    return Pool(backend, "base", "dev", steps=STEPS, folder=folder, **settings)


@pytest.fixture(scope="module")
def pool(backend, tmp_path_factory):
    pool = pool_in(tmp_path_factory.mktemp("pools"), backend)
    fill(Maker(pool, PATHS, VERIFIERS), ENTRIES, lambda _: None)
    return pool


def settings(method, paths):
    return Settings.checked(ENTRIES[0].prompt, method, paths=paths, steps=STEPS, seed=0, checklist=False)


def comparable(record):
    """Everything but seconds and the checker's reasons; probabilities apart."""
    values = record.as_dict() | {"seconds": 0.0}
    probabilities = []
    for one in values["rounds"]:
        for path in one["paths"]:
            probabilities += [number for _, _, *both, _ in path["verdicts"] for number in both]
            path["verdicts"] = [[step, question, said] for step, question, _, _, said in path["verdicts"]]
            path["reason"] = ""
    return values, probabilities


@pytest.mark.parametrize(
    ("method", "paths"),
    [("baseline", 1), ("baseline", 4), ("orm", 3), ("orm-zero-shot", 5), ("prm", 4)]
    + [("parm", paths) for paths in (1, 2, 4, 5)],
)
def test_a_replayed_search_is_the_live_one(pool, backend, tmp_path, method, paths):
    runner = Runner(backend, settings(method, paths), finish_pruned=True)
    with Journal(tmp_path / "live.json", {}) as journal:
        live = list(runner.run(ENTRIES, journal))
    for entry, record in zip(ENTRIES, live):
        replayed = replay(pool, entry, method, paths)
        (expected, p), (found, q) = comparable(record), comparable(replayed)
        operations = expected.pop("operations"), found.pop("operations")
        assert found == expected
        np.testing.assert_allclose(q, p, atol=TOLERANCE)
        assert operations[1] == pytest.approx(operations[0], rel=COUNTED)


def test_replays_stop_paths_and_fall_back_as_a_live_run_does(pool):
    """What the test before compares is not all of one kind."""
    records = [replay(pool, entry, "parm", PATHS) for entry in ENTRIES]
    pruned = [path.pruned is not None for record in records for path in record.rounds[0].paths]
    assert any(pruned) and not all(pruned)
    assert all(path.strict is not None for record in records for path in record.rounds[0].paths)


@pytest.mark.parametrize(("method", "paths"), [("baseline", 1), ("orm", 4), ("prm", 3), ("parm", 1), ("parm", 5)])
def test_a_replay_costs_the_operations_of_the_live_run(pool, backend, method, paths):
    entry, count = ENTRIES[3], Count()
    live = Settings.from_dict(settings(method, paths).as_dict() | {"prompt": entry.prompt, "seed": entry.seed(0)})
    list(perform(live, Instrumented(backend, count), show="none"))
    replayed = replay(pool, entry, method, paths)
    for part, operations in count.totals.items():
        assert replayed.operations[part] == pytest.approx(operations, rel=COUNTED), part


def test_a_replay_refuses_what_the_pool_does_not_hold(pool):
    with pytest.raises(UserError, match="6 paths"):
        replay(pool, ENTRIES[0], "orm", PATHS + 1)
    with pytest.raises(UserError, match="does not hold"):
        replay(pool, select(of_split("dev"), limit=2)[1], "orm", 2)
    with pytest.raises(UserError, match="other settings"):
        other = Settings.checked(ENTRIES[0].prompt, "orm", paths=2, steps=STEPS + 1, seed=1)
        list(perform(other, Recorded(pool, ENTRIES[0])))
    with pytest.raises(UserError, match="self-correct"):
        other = Settings.checked(ENTRIES[0].prompt, "orm", model="self-correct", paths=2)
        list(perform(other, Recorded(pool, ENTRIES[0])))


# -- making


def equal(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("codes", "correct", "strict", "said", "clear")
        if hasattr(a, name)
    )


def test_a_killed_pool_goes_on_and_more_paths_are_added(pool, backend, tmp_path, monkeypatch):
    going = pool_in(tmp_path, backend)
    judge, done = Maker._judge, []

    def killed(self, entry, verifier, codes, first):
        done.append(verifier)
        if len(done) == 4:
            raise KeyboardInterrupt
        return judge(self, entry, verifier, codes, first)

    monkeypatch.setattr(Maker, "_judge", killed)
    with pytest.raises(KeyboardInterrupt):
        fill(Maker(going, 2, ["parm", "orm"]), ENTRIES[:3], lambda _: None)
    assert not list(tmp_path.rglob("*.part"))
    again = pool_in(tmp_path, backend)
    fill(Maker(again, PATHS, ["parm", "orm"]), ENTRIES[:3], lambda _: None)
    opened = pool_in(tmp_path, backend)
    for entry in ENTRIES[:3]:
        assert equal(opened.sampled(entry.index), pool.sampled(entry.index))
        for verifier in ("parm", "orm"):
            assert equal(opened.answers(verifier, entry.index), pool.answers(verifier, entry.index))
    before = len(done)
    fill(Maker(opened, PATHS, ["parm", "orm"]), ENTRIES[:3], lambda _: None)
    assert len(done) == before


def test_new_weights_of_a_judge_leave_the_paintings_and_the_other_judges(pool, backend, tmp_path):
    root = shutil.copytree(backend.root, tmp_path / "mini")
    weights = next((root / "judge").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes() + b" ")
    other = Pool(MiniBackend(root=root), "base", "dev", steps=STEPS, folder=pool.folder.parent)
    index = ENTRIES[0].index
    assert other.folder == pool.folder
    assert other.paths(index) == other.paths(index, "orm") == PATHS
    assert other.paths(index, "parm") == 0


def test_the_budget_is_told_before_and_its_sample_is_kept(backend, tmp_path):
    pool = pool_in(tmp_path, backend)
    maker = Maker(pool, 3, ["orm"])
    told = budget(maker, ENTRIES[:2], sample=2)
    assert told.paths == {"paintings": 1 + 3, "orm": 1 + 3}
    assert told.hours > 0 and "hours of one process" in str(told)
    assert sorted(pool.paths(entry.index) for entry in ENTRIES[:2]) == [0, 2]
    fill(maker, ENTRIES[:2], lambda _: None)
    assert str(budget(maker, ENTRIES[:2])) == "nothing is missing"


def test_the_command_fills_a_pool_by_shares(backend, tmp_path, capsys):
    command = ["pool", "--split", "dev", "--limit", "1", "--paths", "2", "--judges", "orm"]
    command += ["--assets", str(backend.root), "--pools", str(tmp_path)]
    assert cli.main([*command, "--dry-run"]) == 0
    assert "hours of one process" in capsys.readouterr().out
    for share in ("1/2", "2/2"):
        assert cli.main([*command, "--share", share]) == 0
        said = capsys.readouterr().out
        assert "holds 2 paths of 3 prompts" in said and "any of 2 on" in said
    assert len(list(tmp_path.glob("base-dev-seed0-*/paintings/*.npz"))) == len(ENTRIES)
    for wrong in (["--share", "3/2"], ["--share", "half"], ["--paths", "33"], ["--split", "pretrain"]):
        assert cli.main([*command, *wrong]) == 2
    assert cli.main([*command, "--model", "dpo"]) == 2


# -- files that are not what they must be


def damaged(kind):
    def write(file):
        with np.load(file) as saved:
            values = dict(saved)
        if kind == "truncated":
            file.write_bytes(file.read_bytes()[:-200])
        elif kind == "text":
            file.write_text("no archive")
        else:
            name, value = kind
            values[name] = value(values[name])
            np.savez(file, **values)

    return write


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "text",
        ("said", lambda said: said[:, :1]),
        ("said", lambda said: said + 7),
        ("p", lambda p: p * 0 + 2),
        ("p", lambda p: p.astype(np.float64)),
        ("p", lambda p: np.array([{"an": "object"}], dtype=object)),
        ("clear", lambda clear: np.zeros(9_000_000)),
        ("seconds", lambda seconds: seconds * np.nan),
    ],
)
def test_a_damaged_file_says_which_one_and_what_to_do(pool, backend, tmp_path, kind):
    shutil.copytree(pool.folder.parent, tmp_path, dirs_exist_ok=True)
    copied = pool_in(tmp_path, backend)
    (folder,) = copied.folder.glob("parm-*")
    damaged(kind)(folder / f"{ENTRIES[0].index:04}.npz")
    with pytest.raises(UserError, match=r"parm-.*npz is damaged \(.*delete it"):
        replay(copied, ENTRIES[0], "parm", 2)
    assert replay(copied, ENTRIES[0], "orm", 2)


def test_joining_adds_paths_and_what_they_took(pool):
    part = pool.sampled(ENTRIES[0].index)
    both = joined(part, part)
    assert both.paths == 2 * PATHS and both.elapsed == 2 * part.elapsed
    assert (both.operations == 2 * part.operations).all() and (both.seconds == 2 * part.seconds).all()
