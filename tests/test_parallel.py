"""Two processes make the step that one makes, and three the evaluation that one makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_mini

from cotdemo.compute import parallel
from cotdemo.evaluation.entries import of_split

SCRIPT = Path(__file__).with_name("align_tiny.py")
# what ``accelerate launch`` calls for several GPUs; without a GPU it starts one process, whatever it is asked for
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def align(folder: Path, work: Path, *launcher: str) -> list[dict]:
    """What one alignment logs."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), str(SCRIPT.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(SCRIPT), str(folder), str(work)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(work.glob("process-*")) == [work / f"process-{index}" for index in range(2 if launcher else 1)]
    return [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]


def test_two_processes_lose_what_one_does(tmp_path):
    folder = tiny_mini.build(tmp_path / "mini")
    alone, together = align(folder, tmp_path / "one"), align(folder, tmp_path / "two", *TWO)
    assert len(alone) == len(together) == 6  # only one of them writes
    for one, two in zip(alone, together):
        for name in ("loss", "chosen", "rejected", "preferred"):
            assert two[name] == pytest.approx(one[name], abs=1e-3), (one["step"], name)
    assert alone[-1]["loss"] < alone[0]["loss"]


def evaluate(out: Path, metadata: Path, processes: int, *more: str) -> tuple[dict, subprocess.CompletedProcess]:
    """What an evaluation by some processes writes: its file, and its output."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m", "cotdemo")
    command = [sys.executable, *(launcher if processes > 1 else ("-m", "cotdemo")), "eval", "--method", "orm"]
    command += ["--paths", "2", "--steps", "3", "--images", "2", "--threads", "1", "--metadata", str(metadata)]
    command += ["--out", str(out / "images"), "--json", str(out / "eval.json"), *more]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "eval.json").read_text()), done


def test_three_processes_share_an_evaluation_and_go_on_after_a_kill(tmp_path):
    metadata = tmp_path / "prompts.jsonl"
    metadata.write_text("".join(json.dumps(entry) + "\n" for entry in of_split("dev")[:400:100]))
    alone, _ = evaluate(tmp_path / "one", metadata, 1)
    together, said = evaluate(tmp_path / "three", metadata, 3)  # four prompts: two, one and one
    assert said.stdout.count("orm on mini") == 1
    assert not list((tmp_path / "three").glob("*.partial*"))

    def essence(content: dict) -> list:
        return [(r["index"], r["sample"], r["seed"], r["rounds"]) for r in content["records"]]

    assert essence(together) == essence(alone) and len(essence(alone)) == 8
    images = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.png"))
    assert len(images) == 8
    assert images == sorted(path.relative_to(tmp_path / "three") for path in (tmp_path / "three").rglob("*.png"))

    # killed: one process had written two records, another one half a record; fewer go on
    file = tmp_path / "three" / "eval.json"
    content = json.loads(file.read_text())
    head = json.dumps({"format": content["format"], "version": content["version"], "asked": content["asked"]})
    lines = [json.dumps(record) for record in content["records"]]
    (tmp_path / "three" / "eval.json.partial").write_text("\n".join([head, *lines[:2], ""]))
    (tmp_path / "three" / "eval.json.partial-2").write_text("\n".join([head, lines[4], lines[5][:40]]))
    file.unlink()
    again, _ = evaluate(tmp_path / "three", metadata, 2, "--resume")
    assert essence(again) == essence(alone)
    assert not list((tmp_path / "three").glob("*.partial*"))


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    class Team:
        num_processes, process_index = 3, 1

    monkeypatch.setattr(parallel, "team", Team)
    assert parallel.share(12) == slice(4, 8)
    with pytest.raises(ValueError, match="shared out"):
        parallel.share(10)
