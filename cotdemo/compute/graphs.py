"""CUDA graphs: what is computed again and again in the same shapes, launched at once instead of kernel by kernel."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)


class Replayed:
    """``compute`` of one tensor, whose shape, type and device stay the same.

    The first call computes as ever, so that what is made once is there; the second is captured, and from then on the
    graph is replayed. What a call returns is overwritten by the next one. What cannot be captured is computed as ever,
    and the log says why; a capture that memory does not suffice for raises ``torch.OutOfMemoryError``.
    """

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor]):
        self._compute, self._calls = compute, 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        self._calls += 1
        if self._calls == 2:
            self._capture(given)
        if self._graph is None:
            return self._compute(given)
        self._given.copy_(given)
        self._graph.replay()
        return self._found

    def _capture(self, given: torch.Tensor) -> None:
        self._given, graph = given.clone(), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may compute meanwhile
                self._found = self._compute(self._given)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.warning("A step could not be captured as a CUDA graph, and is computed as ever: %s", error)
        else:
            self._graph = graph
