"""Model folders, local or on the Hub, in diffusers' layout or in that of the released Show-o weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME, WEIGHTS_NAME
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from safetensors import SafetensorError
from torch import nn

from ..compute.weights import read_shards, weight_files
from ..errors import UserError

log = logging.getLogger(__name__)

# What showlab/show-o and showlab/magvitv2 hold beside config.json; diffusers does not look for a file of this name. The
# second kind is a pickle, and only read where there is no other.
RELEASED_NAMES = ("pytorch_model.safetensors", "pytorch_model.bin")
HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only", "force_download")


def find_weights(source: str | Path, subfolder: str | None = None, **hub_options) -> list[Path]:
    """The weights of a folder or Hub repository that are not in diffusers' layout; none where they are in it.

    Files of the Hub are downloaded, or found in its cache, by the names that they were released under. In a local
    folder they may have any names, and be in shards.
    """
    if Path(source).is_dir():
        folder = Path(source, subfolder or "")
        ours = any((folder / name).is_file() for name in (SAFETENSORS_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME))
        named = [folder / name for name in RELEASED_NAMES if (folder / name).is_file()]
        others = [file for file in weight_files(folder) if not file.stem.startswith(WEIGHTS_NAME.partition(".")[0])]
        return [] if ours else named[:1] or others
    for name in (SAFETENSORS_WEIGHTS_NAME, *RELEASED_NAMES):
        try:
            file = Path(hf_hub_download(str(source), name, subfolder=subfolder, **hub_options))
        except EntryNotFoundError:
            continue
        return [file] if name in RELEASED_NAMES else []
    return []


class FromFolderOrHub:
    """Mixin, named before `ModelMixin`: `from_pretrained` also reads the released layout."""

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, subfolder: str | None = None, torch_dtype: torch.dtype | None = None, **options
    ):
        """The model in `source`, a local folder or a Hub id, ready for inference.

        The released layout takes `torch_dtype` and the Hub's options (`revision`, `cache_dir`, `token`,
        `local_files_only`, `force_download`); diffusers' layout takes all that `ModelMixin.from_pretrained` does.

        Raises UserError where there is no such folder or repository, or where its weights do not fit the model.
        """
        hub_options = {name: options[name] for name in HUB_OPTIONS if name in options}
        try:
            weights = find_weights(source, subfolder, **hub_options)
            if weights:
                config = cls.load_config(source, subfolder=subfolder, **hub_options)
                model, missing = cls._from_released(config, weights, torch_dtype)
            else:
                options |= {"subfolder": subfolder, "torch_dtype": torch_dtype}
                options |= {"use_safetensors": True, "output_loading_info": True}
                model, info = super().from_pretrained(source, **options)
                missing = info["missing_keys"]
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{cls.__name__} cannot be loaded from {source}. It takes a local folder with config.json and its "
                f".safetensors file, or the id of such a Hub repository and the network or its cache. ({error})"
            ) from error
        if missing:
            raise UserError(
                f"{source} does not hold all weights of {cls.__name__}: "
                f"{len(missing)} are missing, {sorted(missing)[0]} among them."
            )
        model.register_to_config(_name_or_path=str(source))
        return model.eval()

    @classmethod
    def _from_released(
        cls, config: dict, weights: Sequence[Path], dtype: torch.dtype | None
    ) -> tuple[nn.Module, list[str]]:
        """The model and the names of the weights that the files lack; extra ones are ignored, with a warning."""
        # Buffers that are no weights, such as rotary frequencies, keep the precision they are made with.
        state = read_shards(weights, dtype)
        with init_empty_weights():
            model = cls.from_config(config)
        missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
        if unexpected:
            log.warning("%s: ignored %d unknown weights, %s first", weights[0].parent, len(unexpected), unexpected[0])
        return model, missing
