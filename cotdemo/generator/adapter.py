"""Aligned generators are low-rank adapters (LoRA, arXiv 2106.09685) of the one that they began as, a tenth of its size.

``peft`` is loaded only where there is an adapter to read or to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .showo import Showo

if TYPE_CHECKING:
    from peft import PeftModel

_CONFIG = "adapter_config.json"
_MATRICES = ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")  # all of Phi's layers


def is_adapter(folder: Path) -> bool:
    return (folder / _CONFIG).is_file()


def new_adapter(showo: Showo, rank: int, matrices: Sequence[str] = _MATRICES) -> PeftModel:
    """A trainable adapter of some rank to the ``matrices`` of every layer, put into ``showo``.

    That paints as before, and its own weights are frozen from now on. ``save_pretrained`` writes the adapter.
    """
    from peft import LoraConfig, get_peft_model

    return get_peft_model(showo.showo, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(matrices)))


def read_adapter(showo: Showo, folder: Path, trainable: bool = False) -> PeftModel:
    """The adapter in ``folder``, put into the generator it was trained for. Raises UserError where it is damaged."""
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(showo.showo, folder, is_trainable=trainable, local_files_only=True)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"The adapter in {folder} is damaged, or another model's. ({error})") from error


def adapted(showo: Showo, folder: Path) -> Showo:
    """``showo`` with the adapter in ``folder`` added to its weights: as fast as without. Raises UserError."""
    read_adapter(showo, folder).merge_and_unload()
    return showo
