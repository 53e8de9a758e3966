"""Steps replayed as CUDA graphs: what is computed, and when. Without a GPU the graph is one that computes anew."""

from __future__ import annotations

import copy
from contextlib import contextmanager

import pytest
import torch
from showo_cases import small

from cotdemo.backends import load_backend
from cotdemo.compute.graphs import Replayed
from cotdemo.errors import UserError
from cotdemo.generator.mask_predict import MASKED
from cotdemo.generator.showo_generator import CachedPrefix


class Graph:
    """Computes again what was computed while it was captured, into the same tensors."""

    captured: list[Graph] = []

    def __init__(self):
        self.replays, self.again = 0, None
        Graph.captured.append(self)

    def replay(self):
        self.replays += 1
        self.again()


@pytest.fixture
def graphs(monkeypatch):
    Graph.captured = []

    @contextmanager
    def capturing(graph, **options):
        assert options == {"capture_error_mode": "thread_local"}
        yield

    monkeypatch.setattr("torch.cuda.CUDAGraph", Graph)
    monkeypatch.setattr("torch.cuda.graph", capturing)
    real = Replayed._capture

    def capture(self, given):
        real(self, given)
        if self._graph is not None:
            self._graph.again = lambda: self._found.copy_(self._compute(self._given))

    monkeypatch.setattr(Replayed, "_capture", capture)
    return Graph.captured


def test_the_second_call_is_captured_and_from_then_on_it_is_replayed(graphs):
    computed = []

    def double(x):
        computed.append(x.clone())
        return 2 * x

    replayed = Replayed(double)
    answers = [replayed(torch.tensor([value])).item() for value in (1, 2, 3, 4)]
    assert answers == [2, 4, 6, 8]
    (graph,) = graphs
    assert graph.replays == 3


def test_what_cannot_be_captured_is_computed_as_ever_and_the_log_says_why(graphs, monkeypatch, caplog):
    @contextmanager
    def refusing(graph, **options):
        raise RuntimeError("operation not permitted when stream is capturing")
        yield

    monkeypatch.setattr("torch.cuda.graph", refusing)
    replayed = Replayed(lambda x: 2 * x)
    assert [replayed(torch.tensor([value])).item() for value in (1, 2, 3)] == [2, 4, 6]
    assert "not permitted" in caplog.text and caplog.text.count("captured") == 1


def test_a_capture_that_memory_does_not_suffice_for_is_told_to_whoever_halves_the_batch(graphs, monkeypatch):
    @contextmanager
    def too_large(graph, **options):
        raise torch.OutOfMemoryError("too large")
        yield

    monkeypatch.setattr("torch.cuda.graph", too_large)
    replayed = Replayed(lambda x: 2 * x)
    replayed(torch.tensor([1]))
    with pytest.raises(torch.OutOfMemoryError):
        replayed(torch.tensor([2]))


@torch.no_grad()
def test_steps_of_the_same_paths_are_one_graph_and_other_paths_another(graphs):
    showo = copy.deepcopy(small())
    prefixes = [showo.vocabulary.prefix([1, 2]), showo.vocabulary.prefix([3])]
    canvas = torch.full((2, showo.config.num_vq_tokens), MASKED)
    canvases = [canvas.clone().index_fill_(1, torch.arange(known), known) for known in (1, 2, 3, 4)]

    def logits(replayed):
        showo.replayed = replayed
        branches = CachedPrefix(showo, prefixes, showo.vocabulary.prefix())
        both = [torch.stack(branches(one, [0, 1], None)) for one in canvases]
        return both + [torch.stack(branches(one[:1], [1], None)) for one in canvases]

    expected, found = logits(False), logits(True)
    assert all(torch.equal(one, other) for one, other in zip(expected, found))
    assert [graph.replays for graph in graphs] == [3, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")
@torch.no_grad()
def test_a_gpu_replays_what_it_computes():
    weights = torch.randn(64, 64, device="cuda")
    replayed = Replayed(lambda x: (x @ weights).softmax(-1))
    for _ in range(4):
        x = torch.randn(8, 64, device="cuda")
        assert torch.allclose(replayed(x), (x @ weights).softmax(-1), atol=1e-6)


def test_without_an_nvidia_gpu_graphs_are_refused_in_words(monkeypatch):
    monkeypatch.setattr("cotdemo.backends.released.capability", lambda device: None)
    with pytest.raises(UserError, match="leave --graphs out"):
        load_backend("show-o", "cpu", graphs=True)


def test_the_embedded_model_has_no_use_for_them():
    assert load_backend("mini", graphs=True).name == "mini"
