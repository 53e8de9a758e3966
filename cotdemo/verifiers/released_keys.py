"""Names and shapes: from the judges' released layout (LLaVA-NeXT) and older transformers layouts to transformers' own.

The released judges (``parm``, ``orm_ft``) are ``LlavaQwenForCausalLM`` checkpoints. Their network is transformers'
LLaVA-OneVision; only the names differ, and the config, which describes the language model alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

from ..errors import UserError

# Applied in turn, each to the result of the one before.
_RULES = (
    # released layout
    (r"^model\.vision_tower\.vision_tower\.", "model.vision_tower."),
    (r"^model\.mm_projector\.0\.", "model.multi_modal_projector.linear_1."),
    (r"^model\.mm_projector\.2\.", "model.multi_modal_projector.linear_2."),
    (r"^model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1."),
    # transformers before 4.52
    (r"^language_model\.lm_head\.", "lm_head."),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^(vision_tower|multi_modal_projector|image_newline)", r"model.\1"),
    # earlier transformers 5 kept SigLIP's modules one level deeper
    (r"^model\.vision_tower\.vision_model\.", "model.vision_tower."),
)

# SigLIP as the released judges use it. The original drops the last of 27 layers and reads the output of the 26th.
SIGLIP_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "vision_use_head": False,
}

_QWEN2_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
)


def rename(name: str) -> str:
    """The name that transformers' ``LlavaOnevisionForConditionalGeneration`` gives to tensor ``name`` of any layout."""
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def renaming(names: Iterable[str], targets: Iterable[str]) -> dict[str, str]:
    """Checkpoint name -> model name, one to one, for a checkpoint with ``names`` and a model with ``targets``.

    The installed transformers decides how deep SigLIP's modules lie, so both sides go through `rename`.
    Raises UserError where two tensors would land on one name.
    """
    canonical = {rename(target): target for target in targets}
    mapping = {name: canonical.get(rename(name), rename(name)) for name in names}
    if len(set(mapping.values())) < len(mapping):
        raise UserError("This judge checkpoint holds the same tensor under two names; download it again.")
    return mapping


def is_released_layout(config: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` is of the released (LLaVA-NeXT) layout rather than transformers'."""
    return "mm_vision_tower" in config


def released_config(config: Mapping[str, Any], vision: Mapping[str, Any] | None = None) -> LlavaOnevisionConfig:
    """transformers' config for a released ``config.json``, which names its vision tower instead of describing it.

    ``vision`` describes another tower than SigLIP-so400m. Raises UserError for a tower or projector that is unknown.
    """
    if vision is None:
        if "siglip-so400m-patch14-384" not in str(config["mm_vision_tower"]):
            raise UserError(
                f"This judge looks through {config['mm_vision_tower']!r}, which is not known here; "
                "judges with google/siglip-so400m-patch14-384 can be loaded."
            )
        vision = SIGLIP_SO400M
    if config.get("mm_projector_type", "mlp2x_gelu") != "mlp2x_gelu":
        raise UserError(f"This judge's projector {config['mm_projector_type']!r} is not known here, only 'mlp2x_gelu'.")
    if "unpad" not in config.get("mm_patch_merge_type", "spatial_unpad"):
        raise UserError(
            f"This judge reads images as {config['mm_patch_merge_type']!r}, without the newline after them; only "
            "judges trained with 'spatial_unpad' can be loaded."
        )
    text = {field: config[field] for field in _QWEN2_FIELDS if config.get(field) is not None}
    rope = {"rope_type": "default", "rope_theta": config.get("rope_theta", 1e6)}
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**vision),
        text_config=Qwen2Config(**text, rope_parameters=rope),
        tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
