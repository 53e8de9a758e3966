"""Two processes make the step that one makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_mini

from cotdemo.training import parallel

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


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    class Team:
        num_processes, process_index = 3, 1

    monkeypatch.setattr(parallel, "team", Team)
    assert parallel.share(12) == slice(4, 8)
    with pytest.raises(ValueError, match="shared out"):
        parallel.share(10)
