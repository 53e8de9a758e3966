"""The device that is asked for, wherever it is asked: it is here, or words say that it is not."""

from __future__ import annotations

import pytest
import torch

from cotdemo import cli
from cotdemo.backends import load_backend
from cotdemo.compute import hardware
from cotdemo.compute.hardware import device_of
from cotdemo.errors import UserError
from cotdemo.ui.handlers import words_for
from cotdemo.ui.page import Loading

ABSENT = ("mps", "xpu", "cuda", "cuda:7", "cpu:3", "meta", "nonsense", "cuda:x", "", "7")


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)


def with_accelerator(monkeypatch, kind: str, count: int) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)


def test_the_processor_is_always_here():
    assert device_of("cpu") == "cpu" and hardware.accelerator() is None


@pytest.mark.parametrize("asked", ABSENT)
@pytest.mark.parametrize("backend", ["mini", "show-o"])
def test_what_is_not_here_is_refused_in_python(asked, backend):
    with pytest.raises(UserError, match="cpu"):
        load_backend(backend, asked)


@pytest.mark.parametrize("asked", ABSENT[:-2])
def test_what_is_not_here_is_refused_by_commands(asked, tmp_path, capsys):
    commands = (
        ["generate", "a dog", "--out", str(tmp_path / "out")],
        ["eval", "--limit", "1", "--json", str(tmp_path / "eval.json")],
        ["bench", "--json", str(tmp_path / "bench.json")],
        ["bench", "--random", "--backend", "show-o", "--json", str(tmp_path / "bench.json")],
        ["train", "tokenizer", "--work", str(tmp_path)],
    )
    for command in commands:
        assert cli.main([*command, "--device", asked]) == cli.USER_ERROR
        assert "cpu" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", ABSENT[:-2])
def test_the_page_says_so_too(asked):
    with pytest.raises(UserError) as refused:
        Loading("mini", asked, None)()
    assert asked in words_for(refused.value)


def test_torch_decides_which_accelerator_is_here(monkeypatch):
    with_accelerator(monkeypatch, "xpu", 2)
    assert hardware.accelerator() == "xpu"
    assert [device_of(asked) for asked in ("cpu", "xpu", "xpu:1")] == ["cpu", "xpu", "xpu:1"]
    for asked in ("xpu:2", "cuda", "mps", "nonsense"):
        with pytest.raises(UserError, match="xpu:0, xpu:1"):
            device_of(asked)


def test_a_released_backend_takes_the_accelerator_and_the_embedded_one_the_processor(monkeypatch):
    with_accelerator(monkeypatch, "mps", 1)
    monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: None)  # there is none to ask
    assert (load_backend("show-o").device, load_backend("show-o").dtype) == ("mps", torch.bfloat16)
    assert (load_backend("mini").device, load_backend("show-o", "cpu").dtype) == ("cpu", torch.float32)
