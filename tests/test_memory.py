"""Weights that do not fit side by side, and batches that do not fit at once."""

from __future__ import annotations

from itertools import count
from weakref import WeakSet

import numpy as np
import pytest
import tiny_mini
import torch

from cotdemo.backends import MiniBackend, ReleasedBackend, base
from cotdemo.compute import memory
from cotdemo.compute.memory import bytes_of, halving


class Card:
    """In place of a device's memory: what the networks that are alive leave of its bytes, whoever holds them."""

    def __init__(self, size: int):
        self.size, self.backend, self.alive = size, None, WeakSet()

    def free(self, device: str) -> int:
        for part in self.backend._parts.values():
            self.alive.add(getattr(part, "showo", None) or part.model)
        return self.size - sum(bytes_of(network) for network in self.alive)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini"))


@pytest.fixture
def backend(root, monkeypatch):
    """A backend on a card that one generator and one judge fit on, and nothing besides."""
    told = []
    card = Card(0)
    backend = card.backend = MiniBackend(root=root)
    backend._tell, backend.told, backend.card = told.append, told, card
    generator, judge = backend.generator("base"), backend.verifier("parm")
    card.size = int(1.2 * (bytes_of(generator.showo) + bytes_of(judge.model)))
    monkeypatch.setattr(base, "free_bytes", card.free)
    return backend


def names(backend) -> list[str]:
    return list(backend._parts)


def test_what_was_used_longest_ago_leaves_where_another_needs_the_room(backend):
    backend.generator("base")
    for judge in ("orm", "zero-shot", "parm"):
        backend.verifier(judge)
        assert names(backend)[-1] == f"the judge {judge}"
        assert backend.card.free("") >= 0
        backend.generator("base")
        assert backend.card.free("") >= 0
    assert any("leaves the memory" in words for words in backend.told)


def test_a_part_that_a_run_still_holds_is_no_room_and_the_others_stay(backend):
    held = backend.verifier("parm"), backend.generator("base")
    before = names(backend)
    backend.verifier("prm")
    assert len(names(backend)) == len(before)  # one left in vain, one came: not all of them
    assert len(held) == 2  # to the end


def test_a_gpu_that_is_only_lent_later_is_not_asked_for_its_memory(root, monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(base, "free_bytes", lambda device: pytest.fail("asked"))
    backend = MiniBackend(root=root)
    backend.warm_up()
    assert len(names(backend)) == 2


def test_where_memory_is_not_known_everything_stays(root):
    backend = MiniBackend(root=root)
    for judge in ("parm", "orm", "zero-shot", "prm"):
        backend.verifier(judge)
    assert len(names(backend)) == 4


@pytest.mark.parametrize(("name", "least", "most"), [("show-o", 21e9, 22e9), ("show-o-512", 23e9, 24e9)])
def test_the_memory_that_is_asked_for_follows_precision_and_resolution(name, least, most):
    assert least < ReleasedBackend(name, "cuda").needed < most
    assert ReleasedBackend(name, "cpu").needed > 1.7 * ReleasedBackend(name, "cuda").needed


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_free_memory_is_asked_of_whatever_accelerator_is_here(monkeypatch, kind):
    monkeypatch.setattr(memory, "accelerator", lambda: kind)
    for name, value in {"memory_reserved": 5, "memory_allocated": 3, "mem_get_info": (10, 20)}.items():
        monkeypatch.setattr(getattr(torch, kind), name, lambda device, value=value: value)
    assert memory.free_bytes(f"{kind}:0") == 12 and memory.free_bytes("cpu") is None  # what torch holds unused is free


def test_a_macs_free_memory_is_what_it_recommends_less_what_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "accelerator", lambda: "mps")
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 20)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 7)
    assert memory.free_bytes("mps") == 13


def short_of_memory(work, most: int):
    """``work`` on a device that has room for ``most`` rows."""

    def bounded(batch, *rest):
        if len(batch) > most:
            raise torch.OutOfMemoryError("no room")
        return work(batch, *rest)

    return bounded


def test_work_is_halved_until_it_fits_and_comes_in_order():
    batch = torch.arange(11)
    assert torch.equal(halving(short_of_memory(lambda part: part * 2, 3), batch), batch * 2)
    with pytest.raises(torch.OutOfMemoryError):
        halving(short_of_memory(lambda part: part, 0), batch)


def test_a_session_whose_batch_does_not_fit_samples_the_same_in_halves(root, monkeypatch):
    generator = MiniBackend(root=root).generator("base")

    def sampled() -> tuple[torch.Tensor, np.ndarray]:
        session = generator.start("a photo of a red dog", range(5), 3, seed=1)
        *_, last = session
        return last.codes, session.decode(last.codes)

    whole, images = sampled()
    calls = count()
    logits, decode = type(generator).logits, type(generator.magvit).decode

    def scarce(self, prefix, canvas, rows, where):
        next(calls)
        if len(rows) > 2:
            raise torch.OutOfMemoryError("no room")
        return logits(self, prefix, canvas, rows, where)

    def scarce_decode(self, codes, grid):
        return short_of_memory(lambda part: decode(self, part, grid), 2)(codes)

    monkeypatch.setattr(type(generator), "logits", scarce)
    monkeypatch.setattr(type(generator.magvit), "decode", scarce_decode)
    halves, again = sampled()
    assert torch.equal(halves, whole) and next(calls) > 9
    assert np.abs(again.astype(int) - images).max() <= 1
