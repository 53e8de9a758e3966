"""Files of weights, read tensor by tensor, so that a checkpoint never lies in memory twice. No file can run code."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ..errors import UserError


def read_weights(file: Path, dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    """All tensors of a ``.safetensors`` or ``.bin`` file, floating ones as ``dtype`` (by default as they are).

    A pickled file is read by torch's ``weights_only``. Raises UserError for a file that is damaged or holds anything
    but tensors.
    """
    try:
        return {name: _as(tensor, dtype) for name, tensor in _tensors(file)}
    except (SafetensorError, pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{file} is damaged or incomplete, or no file of weights: download it again.") from error


def _tensors(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # it is no dict
                yield name, tensors.get_tensor(name)
        return
    content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError("no dictionary of tensors")
    yield from content.items()


def _as(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor
