"""Files of weights, read tensor by tensor, so that a checkpoint never lies in memory twice. No file can run code."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ..errors import UserError

_NO_WEIGHTS = ("training_args", "optimizer", "scheduler", "rng_state")


def read_weights(file: Path, dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    """All tensors of a ``.safetensors`` or ``.bin`` file, floating ones as ``dtype`` (by default as they are).

    A pickled file is read by torch's ``weights_only``. Raises UserError for a file that is damaged or holds anything
    but tensors.
    """
    try:
        return {name: _as(tensor, dtype) for name, tensor in _tensors(file)}
    except (SafetensorError, pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{file} is damaged or incomplete, or no file of weights: download it again.") from error


def weight_files(folder: Path) -> list[Path]:
    """The files of a folder's weights, however they are called, whole or in shards.

    Pickled ones are among them only where there are no others, and nothing is that trainings leave beside them.
    """
    pickled = (file for file in folder.glob("*.bin") if file.stem not in _NO_WEIGHTS)
    return sorted(folder.glob("*.safetensors")) or sorted(pickled)


def read_shards(files: Sequence[Path], dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    """All tensors of several files. Raises UserError as ``read_weights`` does, and where two hold the same one."""
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        shard = read_weights(file, dtype)
        if not weights.keys().isdisjoint(shard):
            raise UserError(f"{file} repeats tensors of another file in {file.parent}; keep one set of weights there.")
        weights |= shard
    return weights


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
