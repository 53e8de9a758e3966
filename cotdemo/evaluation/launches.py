"""How many kernels a step launches on a GPU, counted without one: they, not arithmetic, bound a step of one path.

Counted are torch's operations that compute or copy on the device; views cost nothing, and neither do numbers that stay
with the processor: the random ones, drawn there, and scalars. Attention is one fused kernel, and two more where its
mask is boolean, as it is turned into one that is added; what it returns lies in memory as its queries did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

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


def of_a_step(backend: Any, guidance: float = 1.75) -> Counter[str]:
    """Those of a step of one path in the midst of a run. ``backend`` is one of shapes (``full_size.Shapes``)."""
    session = backend.generator("base").start("a photo of a dog left of a bench", range(1), 18, guidance, 1.0, 0)
    session.step()
    return launches(session.step)
