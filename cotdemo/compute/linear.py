"""Matrix products on a processor, by the faster of the two libraries in torch.

For float32 torch calls MKL, which uses AVX2 on processors that are not Intel's, even where they have AVX-512. oneDNN,
which torch brings along too and uses for convolutions, has no such rule: on an AMD EPYC of 2024 it is twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

_WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.is_available()
_by_onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if _WIDE else None
_allowed = True


class Linear(nn.Linear):
    """torch's, by oneDNN where no gradient is wanted and it is the faster one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """``x (..., in)`` times the transpose of ``weight (out, in)``, plus ``bias``: torch's ``F.linear``."""
    fits = x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() > 0
    if not (_by_onednn and _allowed and fits) or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight, bias)
    if x.numel() == x.shape[-1]:  # a single row takes another path and is rounded otherwise than in company
        return _by_onednn(x.expand(2, *x.shape), weight, bias, "none", [], "")[0]
    return _by_onednn(x, weight, bias, "none", [], "")


def use_onednn(model: nn.Module) -> None:
    """Let all linear layers of ``model`` compute as ``linear`` does."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear


@contextmanager
def as_torch_does() -> Iterator[None]:
    """Within this block every product is torch's own, to compare with."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before
