"""Figures and checkpoints take their place in one move: a process that ends before it leaves what was there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from cotdemo.evaluation.records import write_json
from cotdemo.run.trace import Trace
from cotdemo.training.loop import Schedule, fit


def figures(folder: Path, number: int) -> Path:
    write_json(folder / "figures.json", {"number": number})
    return folder / "figures.json"


def checkpoint(folder: Path, number: int) -> Path:
    def loss(model: torch.nn.Linear, step: int) -> dict[str, torch.Tensor]:
        return {"loss": model(torch.ones(1, 2)).square().sum()}

    with pytest.raises(SystemExit, match="run the same command again"):
        fit(torch.nn.Linear(2, 2), loss, Schedule(steps=9, lr=0.1, warmup=0), folder, stop_after_minutes=1e-9)
    return folder / "checkpoint.pt"


def trace(folder: Path, number: int) -> Path:
    Trace((), f"2026-01-0{number}").save(folder / "trace.json")
    return folder / "trace.json"


@pytest.mark.parametrize("write", [figures, checkpoint, trace])
def test_a_file_takes_its_place_in_one_move(tmp_path, monkeypatch, write):
    before = (file := write(tmp_path, 1)).read_bytes()

    def ends(*places, **how):
        raise OSError(errno.ENOSPC, "the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", ends)
        patched.setattr(Path, "replace", ends)
        with pytest.raises(OSError):
            write(tmp_path, 2)
        assert file.read_bytes() == before
    assert write(tmp_path, 2).read_bytes() != before
