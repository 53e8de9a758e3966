"""Made-up weights that every machine computes alike, for comparing with outputs of the public reference code.

A weight depends on its name and shape alone (raw PCG64 stream, stable across numpy versions), so golden data holds
outputs only. The reference ran with the same rule.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn


def data(name: str) -> Path:
    """Path of a file in tests/data."""
    return Path(__file__).parent / "data" / name


def raw_uniform(name: str, n: int, salt: str = "") -> np.ndarray:
    """`n` float64 numbers in [0, 1) that depend on `salt + name` only."""
    seed = int.from_bytes(hashlib.sha256((salt + name).encode("utf-8")).digest(), "little")
    raw = np.random.PCG64(seed).random_raw(n)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def ids_by_rule(name: str, n: int, high: int, salt: str = "") -> np.ndarray:
    """`n` int64 token ids or codes in [0, high)."""
    return np.floor(raw_uniform(name, n, salt) * high).astype(np.int64)


def weight_by_rule(name: str, shape: Sequence[int], salt: str = "") -> np.ndarray:
    """The float32 weight of state-dict key `name`: norms near 1, biases small, matrices scaled by their fan-in."""
    shape = tuple(shape)
    values = ((2 * raw_uniform(name, math.prod(shape), salt) - 1) * math.sqrt(3.0)).reshape(shape)
    if len(shape) > 1:
        return (_std(name, math.prod(shape[1:])) * values).astype(np.float32)
    if name.endswith("bias"):
        return (0.1 * values).astype(np.float32)
    if name.endswith("image_newline"):
        return values.astype(np.float32)
    return (1.0 + 0.1 * values).astype(np.float32)


def _std(name: str, fan_in: int) -> float:
    if name.endswith("embed_tokens.weight"):
        return 1.0
    if name.endswith("lm_head.weight"):
        return 2.0 / math.sqrt(fan_in)
    if name.endswith("position_embedding.weight"):
        return 0.5
    return 1.0 / math.sqrt(fan_in)


@torch.no_grad()
def fill_by_rule(module: nn.Module, salt: str = "", prefix: str = "") -> nn.Module:
    """Set every parameter (no buffer) of `module` in place; `prefix` goes before its name. Returns the module."""
    for name, parameter in module.named_parameters(remove_duplicate=False):
        parameter.copy_(torch.from_numpy(weight_by_rule(prefix + name, parameter.shape, salt)))
    return module
