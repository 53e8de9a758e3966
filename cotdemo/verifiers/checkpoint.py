"""A judge's folder: transformers' layout or the released (LLaVA-NeXT) one, whole or in shards.

Beside config, weights and tokenizer, ``judge.json`` names the family of questions the judge was trained with
(``{"family": "small"}``); a folder without it is asked the original's questions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerBase,
    Qwen2TokenizerFast,
)

from ..compute.precision import packable, quantisation
from ..compute.weights import read_shards, weight_files
from ..errors import UserError
from ..files import write_text
from .released_keys import is_released_layout, released_config, renaming

_FAMILY_FILE = "judge.json"
# what stays in half precision: its head decides, and SigLIP loses its sight in four bits
NOT_QUANTISED = ("lm_head", "model.vision_tower", "model.multi_modal_projector")  # names from their start
_MAX_JSON_BYTES = 1_000_000


def load_model(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    vision: dict[str, Any] | None = None,
    quantised: str = "",
) -> LlavaOnevisionForConditionalGeneration:
    """The network of a folder in either layout, ready for judging.

    ``vision`` describes the tower of a released-layout folder if it is not SigLIP-so400m. ``quantised`` is "int8" or
    "nf4" (``cotdemo.compute.precision``), in which the language layers come to the device. Raises UserError where the
    config is not a judge's, and where weights are missing, superfluous or misshapen.
    """
    raw = _read_json(folder / "config.json")
    if is_released_layout(raw):
        config = released_config(raw, vision)
    elif raw.get("model_type") == "llava_onevision":
        config = LlavaOnevisionConfig.from_pretrained(folder)
    else:
        raise UserError(f"{folder} holds no LLaVA-OneVision judge (model_type {raw.get('model_type')!r}).")

    weights = _weights(folder, dtype)
    with torch.device("meta"):
        targets = list(LlavaOnevisionForConditionalGeneration(config).state_dict())
    names = renaming(weights, targets)
    more: dict[str, Any] = {}
    if quantised:
        config_of = quantisation(quantised, str(dtype).removeprefix("torch."), NOT_QUANTISED)
        more = {"quantization_config": config_of, "device_map": {"": str(device)}}
    model, report = LlavaOnevisionForConditionalGeneration.from_pretrained(
        None,
        config=config,
        state_dict={names[name]: tensor for name, tensor in weights.items()},
        dtype=dtype,
        output_loading_info=True,
        **more,
    )
    wrong = {what: sorted(map(str, report[what])) for what in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    for what, keys in wrong.items():
        if keys:
            raise UserError(f"The judge's weights in {folder} do not fit: {len(keys)} {what}, such as {keys[0]}.")
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    if quantised:
        packable(model)
    return model.to(device).eval().requires_grad_(False)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder. Raises UserError if it has none."""
    kinds = [AutoTokenizer]
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        kinds.append(Qwen2TokenizerFast)  # what a judge of the released layout names may be no class of transformers
    for kind in kinds:
        try:
            return kind.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            unread = error
    raise UserError(f"No tokenizer could be read from {folder}; give the folder of one that fits.") from unread


def load_family(folder: Path) -> str:
    """The family of questions that a folder's judge was trained with."""
    path = folder / _FAMILY_FILE
    return str(_read_json(path).get("family")) if path.is_file() else "original"


def save(folder: Path, model: LlavaOnevisionForConditionalGeneration, tokenizer: Any, family: str) -> None:
    """Write a judge's folder, in transformers' layout."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_text(folder / _FAMILY_FILE, json.dumps({"family": family}) + "\n")


def _weights(folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """All tensors of a folder, by the names in its files."""
    files = weight_files(folder)
    if not files:
        raise UserError(f"{folder} holds no weights (.safetensors, or .bin).")
    return read_shards(files, dtype)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing; {path.parent} is not a judge's folder.")
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise UserError(f"{path} is too large for a config.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a config.")
    return content
