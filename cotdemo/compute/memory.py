"""A device's memory: how much is free, and work that is done in halves where it does not suffice."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn

from .hardware import accelerator

Batch = TypeVar("Batch", torch.Tensor, Sequence[int])


def free_bytes(device: str | torch.device) -> int | None:
    """Bytes that can still be allocated on an accelerator, what torch itself holds unused among them.

    None where that cannot be known: for a CPU, whose system swaps, and for a device that does not tell or is not here.
    """
    device = torch.device(device)
    if device.type != accelerator():
        return None
    if device.type in ("cuda", "xpu"):
        of = getattr(torch, device.type)
        unused = of.memory_reserved(device) - of.memory_allocated(device)
        return of.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return None


def release(device: str | torch.device) -> None:
    """Give back to the device what torch holds and nobody uses, models that only refer to themselves among it."""
    gc.collect()
    kind = torch.device(device).type
    if kind != "cpu" and hasattr(getattr(torch, kind, None), "empty_cache"):
        getattr(torch, kind).empty_cache()


def bytes_of(module: nn.Module) -> int:
    """Bytes of a module's weights and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def bring_in_groups(module: nn.Module, device: str | torch.device) -> None:
    """Keep a module's weights in the processor's memory, each brought to ``device`` for its own call (diffusers').

    Without streams: they would fetch ahead in the order of the module's ``forward``, which nobody calls here.
    """
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(module, torch.device(device), torch.device("cpu"), offload_type="leaf_level")


def halving(work: Callable[[Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
    """The result of ``work`` on a batch: at once, or on its halves where the device's memory does not suffice."""
    try:
        return work(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    if torch.accelerator.is_available():
        release(torch.accelerator.current_accelerator())
    middle = len(batch) // 2
    return torch.cat([halving(work, batch[:middle]), halving(work, batch[middle:])])
