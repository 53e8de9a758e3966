"""Figures and checkpoints take their place in one move: a process that ends before it leaves what was there."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cotdemo.errors import UserError
from cotdemo.files import write_json
from cotdemo.run import animation
from cotdemo.run.trace import Trace
from cotdemo.training.arrays import Arrays
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


# Data of the repository itself, which are committed once they are whole.
IN_PLACE = {"world/splits.py", "things/splits.py", "things/sheet.py", "cotdemo/files.py"}
WRITES = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)]*[\"']w|\bnp\.savez?(?:_compressed)?\((?!stream)")


def test_what_is_kept_is_written_in_one_move_everywhere():
    package = Path(__file__).parents[1] / "cotdemo"
    found = {
        f"{file.relative_to(package.parent)}: {line.strip()}"
        for file in package.rglob("*.py")
        if "/".join(file.parts[-2:]) not in IN_PLACE
        for line in file.read_text(encoding="utf-8").splitlines()
        if WRITES.search(line)
    }
    assert found == set()


def test_an_animation_takes_its_place_in_one_move(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "animated", lambda trace, form: b"moving")
    animation.save(None, tmp_path / "run.gif")
    monkeypatch.setattr(os, "replace", lambda *places: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(animation, "animated", lambda trace, form: b"another")
    with pytest.raises(OSError):
        animation.save(None, tmp_path / "run.gif")
    assert (tmp_path / "run.gif").read_bytes() == b"moving" and os.listdir(tmp_path) == ["run.gif"]


@dataclass(frozen=True)
class Numbers(Arrays):
    numbers: np.ndarray


@pytest.mark.parametrize("content", [b"", b"PK", b"no file of arrays", b"cut"])
def test_a_damaged_file_of_arrays_is_told_in_words(tmp_path, content):
    file = tmp_path / "kept.npz"
    Numbers(np.arange(1000)).save(file)
    assert len(Numbers.load(file).numbers) == 1000
    file.write_bytes(file.read_bytes()[:-100] if content == b"cut" else content)
    with pytest.raises(UserError, match="damaged: delete it"):
        Numbers.load(file)
