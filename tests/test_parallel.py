"""Two processes make the step that one makes, and three the evaluation that one makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import align_tiny
import pytest
import tiny_mini
import torch

from cotdemo import cli
from cotdemo.compute import parallel
from cotdemo.evaluation.entries import of_split

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def as_many_threads():
    """As before: what is asked for holds for the process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def started(*command: str) -> str:
    """What a program says that can import what lies here."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS))), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def logged(work: Path, processes: int) -> list[dict]:
    """What an alignment by some processes has logged."""
    assert sorted(work.glob("process-*")) == [work / f"process-{index}" for index in range(processes)]
    return [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]


def asked_of(out: Path, metadata: Path, *more: str) -> list[str]:
    """The arguments of an evaluation."""
    asked = ["eval", "--method", "orm", "--paths", "2", "--steps", "3", "--images", "2", "--threads", "1"]
    asked += ["--metadata", str(metadata), "--out", str(out / "images"), "--json", str(out / "eval.json")]
    return [*asked, *more]


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A folder in which processes have aligned and evaluated, alone and side by side, and what these said."""
    folder = tmp_path_factory.mktemp("parallel")
    tiny = tiny_mini.build(folder / "mini")
    align_tiny.main([str(tiny), str(folder / "aligned-1")])
    metadata = folder / "prompts.jsonl"  # four prompts: two, one and one
    metadata.write_text("".join(json.dumps(entry) + "\n" for entry in of_split("dev")[:400:100]))
    assert cli.main(asked_of(folder / "one", metadata)) == 0

    # killed: one process had written two records, another one half a record; fewer go on
    shutil.copytree(folder / "one", folder / "killed")
    content = json.loads((folder / "killed" / "eval.json").read_text())
    (folder / "killed" / "eval.json").unlink()
    head = json.dumps({name: content[name] for name in ("format", "version", "asked")})
    lines = [json.dumps(record) for record in content["records"]]
    (folder / "killed" / "eval.json.partial").write_text("\n".join([head, *lines[:2], ""]))
    (folder / "killed" / "eval.json.partial-2").write_text("\n".join([head, lines[4], lines[5][:40]]))

    jobs = [
        (2, "align_tiny", [str(tiny), str(folder / "aligned-2")]),
        (3, "cotdemo.cli", asked_of(folder / "three", metadata)),
        (2, "cotdemo.cli", asked_of(folder / "killed", metadata, "--resume")),
    ]
    return folder, started(str(TESTS / "side_by_side.py"), json.dumps(jobs))


def test_two_processes_lose_what_one_does(worked):
    folder, _ = worked
    alone, together = (logged(folder / f"aligned-{processes}", processes) for processes in (1, 2))
    assert len(alone) == len(together) == 6  # only one of them writes
    for one, two in zip(alone, together):
        for name in ("loss", "chosen", "rejected", "preferred"):
            assert two[name] == pytest.approx(one[name], abs=1e-3), (one["step"], name)
    assert alone[-1]["loss"] < alone[0]["loss"]


def test_three_processes_share_an_evaluation_and_two_go_on_after_a_kill(worked):
    folder, said = worked
    assert said.count("orm on mini") == 2  # each time by one of them

    def essence(name: str) -> list:
        content = json.loads((folder / name / "eval.json").read_text())
        return [(r["index"], r["sample"], r["seed"], r["rounds"]) for r in content["records"]]

    def images(name: str) -> list[Path]:
        return sorted(path.relative_to(folder / name) for path in (folder / name).rglob("*.png"))

    assert len(essence("one")) == len(images("one")) == 8
    for name in ("three", "killed"):
        assert essence(name) == essence("one") and images(name) == images("one")
        assert not list((folder / name).glob("*.partial*"))


TOLD = """
import sys
from cotdemo.compute import parallel
place = parallel.team().process_index
sys.stdout.write(f"{place} {parallel.agreed(place)} {parallel.own('abcde')}\\n")  # in one piece
parallel.leave()
"""


def test_who_is_started_by_torchrun_knows_its_place(tmp_path):
    """It is what ``accelerate launch`` calls for several GPUs; without a GPU that starts one process alone."""
    (tmp_path / "told.py").write_text(TOLD)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    said = started(*launcher, str(tmp_path / "told.py"))
    assert sorted(said.splitlines()) == ["0 0 ['a', 'c', 'e']", "1 0 ['b', 'd']"]


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    class Team:
        num_processes, process_index = 3, 1

    monkeypatch.setattr(parallel, "team", Team)
    assert parallel.share(12) == slice(4, 8)
    with pytest.raises(ValueError, match="shared out"):
        parallel.share(10)
