"""What work comes to, counted as it is done: floating-point operations, and the kernels that a GPU would launch.

Operations are those of matrix products, convolutions and attention, by torch's own counter; a multiplication with its
addition is two. Everything else a transformer does is small beside them. Kernels, not arithmetic, bound a step of one
path; they are counted without a GPU.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from .linear import linear

T = TypeVar("T")

# -- operations


def _attention(query, key, value, *_, **__) -> int:
    """Operations of attention whose queries ``(rows, heads, n, width)`` each see all keys; masks are not discounted."""
    rows, heads, queries, width = query
    return 2 * rows * heads * queries * key[2] * (width + value[3])


def _linear(x, weight, *_, **__) -> int:
    """Operations of ``x (..., in)`` times ``weight (out, in)`` by oneDNN."""
    return 2 * math.prod(x) * weight[0]


# torch's counter knows neither oneDNN's kernels nor the processor's attention; some versions refuse that of a GPU
# where keys have fewer heads than queries
_ATTENTION = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention")
_KERNELS = {
    getattr(torch.ops.aten, f"_scaled_dot_product_{name}"): _attention
    for name in _ATTENTION
    if hasattr(torch.ops.aten, f"_scaled_dot_product_{name}")
}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    _KERNELS[torch.ops.mkldnn._linear_pointwise] = _linear


def counted(work: Callable[[], T]) -> tuple[T, int]:
    """What ``work`` returns, and its operations."""
    with FlopCounterMode(display=False, custom_mapping=_KERNELS) as counter:
        result = work()
    return result, counter.get_total_flops()


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


# -- kernels

# Counted are torch's operations that compute or copy on the device; views cost nothing, and neither do numbers that
# stay with the processor: the random ones, drawn there, and scalars. Attention is one fused kernel, and two more where
# its mask is boolean, as it is turned into one that is added; what it returns lies in memory as its queries did.
_FREE = (  # views, and what only reserves memory
    "view", "expand", "transpose", "permute", "slice", "select", "unsqueeze", "squeeze", "t.", "detach", "alias",
    "split", "unbind", "as_strided", "_unsafe_view", "empty", "new_empty", "lift", "scalar_tensor", "rand.",
)  # fmt: skip


class _Operations(TorchDispatchMode):
    def __init__(self, found: Counter[str]):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.")
        rehearsed = name.startswith("_to_copy") and args[0].device.type == "cpu"  # a real canvas, taken for a shape
        if not name.startswith(_FREE) and not rehearsed:
            self.found[name.partition(".")[0]] += 1
        return function(*args, **(kwargs or {}))


class _Attention(TorchFunctionMode):
    def __init__(self, found: Counter[str]):
        super().__init__()
        self.found = found

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is not F.scaled_dot_product_attention:
            return function(*args, **kwargs)
        query, _, value = args[:3]
        mask = kwargs.get("attn_mask")
        self.found["attention"] += 1
        self.found["mask"] += 2 * (mask is not None and mask.dtype == torch.bool)
        shape = (*query.shape[:-1], value.shape[-1])
        return query.transpose(1, 2).new_empty([shape[one] for one in (0, 2, 1, 3)]).transpose(1, 2)


def launches(work: Callable[[], Any]) -> Counter[str]:
    """The kernels that ``work`` launches, by name; its tensors are shapes, on the meta device."""
    found: Counter[str] = Counter()
    with _Attention(found), _Operations(found):
        work()
    return found
