"""Floating-point operations of a computation, and how many a second this machine can do at best.

Counted are matrix products, convolutions and attention, by torch's own counter; a multiplication with its addition is
two. Everything else a transformer does is small beside them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..products import linear

Result = TypeVar("Result")


def _attention(query, key, value, *_, **__) -> int:
    """Operations of attention whose queries ``(rows, heads, n, width)`` each see all keys; masks are not discounted."""
    rows, heads, queries, width = query
    return 2 * rows * heads * queries * key[2] * (width + value[3])


def _linear(x, weight, *_, **__) -> int:
    """Operations of ``x (..., in)`` times ``weight (out, in)`` by oneDNN."""
    return 2 * math.prod(x) * weight[0]


# torch's counter knows the kernels of GPUs, and MKL's products, only
_KERNELS = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    _KERNELS[torch.ops.mkldnn._linear_pointwise] = _linear


class Count:
    """Operations counted in the blocks it was entered for, by name."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        with FlopCounterMode(display=False, custom_mapping=_KERNELS) as counter:
            yield
        self.totals[part] = self.totals.get(part, 0) + counter.get_total_flops()


def counted(work: Callable[[], Result]) -> tuple[Result, int]:
    """What ``work`` returns, and its operations."""
    count = Count()
    with count("all"):
        result = work()
    return result, count.totals["all"]


@torch.inference_mode()
def matmul_rate(device: str = "cpu", dtype: torch.dtype = torch.float32, seconds: float = 0.5) -> float:
    """Operations a second of large square matrix products: the best of many within about ``seconds``."""
    size = 4096 if device.startswith("cuda") else 1024
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, until = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < until:
        begun = time.perf_counter()
        linear(a, b)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best
