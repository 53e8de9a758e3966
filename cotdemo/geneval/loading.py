"""Networks from folders in transformers' layout, in float32, whole or refused in words."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from ..errors import UserError

Model = TypeVar("Model", bound=PreTrainedModel)

# whatever files come to that are damaged, cut off or of something else
UNREADABLE = (
    pickle.UnpicklingError, SafetensorError, EOFError, OSError, RuntimeError, ValueError, LookupError, AttributeError,
    TypeError, AssertionError,
)  # fmt: skip


def pretrained(kind: type[Model], folder: Path, unneeded: str = "") -> Model:
    """The network of a folder, for inference; of its weights those may be absent that ``unneeded`` is in the names of.

    Raises UserError where it cannot be loaded, or where weights are missing or have other shapes.
    """
    try:
        network, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    except UNREADABLE as error:
        words = f"{type(error).__name__}: {str(error)[:200]}"
        raise UserError(f"{folder} cannot be loaded as {kind.__name__} ({words}). Take its files anew.") from error
    wrong = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    wrong = [name for name in wrong if not unneeded or unneeded not in name]
    if wrong:
        raise UserError(f"The weights in {folder} do not fit {kind.__name__}: {len(wrong)}, such as {wrong[0]}.")
    return network.eval().requires_grad_(False)
