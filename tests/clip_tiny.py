"""The made-up CLIP of ``tests/data/clip_tiny.json``, by the rule that file has in words, under transformers' names."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import torch
from golden import data
from transformers import CLIPConfig, CLIPModel

from cotdemo.geneval.made_up import values

GOLDEN = json.loads(data("clip_tiny.json").read_text())
COLOUR_TOKENS = {
    "red": 736, "orange": 4287, "yellow": 4481, "green": 1901, "blue": 1746,
    "purple": 5496, "pink": 3360, "brown": 2866, "black": 1449, "white": 1579,
}  # fmt: skip
CONFIG = {
    "projection_dim": 16,
    "vision_config": {
        "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": 224,
        "patch_size": 32, "hidden_act": "quick_gelu", "projection_dim": 16,
    },
    "text_config": {
        "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": 49408, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "projection_dim": 16,
        "eos_token_id": 2,
    },
}  # fmt: skip


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 weight of a key of open_clip."""
    v = values(name, math.prod(shape)).reshape(shape)
    if name == "token_embedding.weight" or name.endswith(("positional_embedding", "class_embedding")):
        v = 0.5 * v
    elif len(shape) == 1:
        v = 1 + 0.5 * v if name.endswith(".weight") else 0.25 * v
    elif name in ("visual.proj", "text_projection"):
        v = v * math.sqrt(3 / shape[0])
    else:
        v = v * math.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(v.astype(np.float32))


_ENDS = {
    "layer_norm1.weight": "ln_1.weight", "layer_norm1.bias": "ln_1.bias",
    "layer_norm2.weight": "ln_2.weight", "layer_norm2.bias": "ln_2.bias",
    "self_attn.out_proj.weight": "attn.out_proj.weight", "self_attn.out_proj.bias": "attn.out_proj.bias",
    "mlp.fc1.weight": "mlp.c_fc.weight", "mlp.fc1.bias": "mlp.c_fc.bias",
    "mlp.fc2.weight": "mlp.c_proj.weight", "mlp.fc2.bias": "mlp.c_proj.bias",
}  # fmt: skip
_WHOLE = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}


def _made(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name in _WHOLE:
        return weight(_WHOLE[name], shape)
    if name == "visual_projection.weight":
        return weight("visual.proj", shape[::-1]).T
    if name == "text_projection.weight":
        return weight("text_projection", shape[::-1]).T
    tower, _, _, number, end = name.split(".", 4)
    block = f"{'visual.' if tower == 'vision_model' else ''}transformer.resblocks.{number}."
    if end in _ENDS:
        return weight(block + _ENDS[end], shape)
    _, projection, kind = end.split(".")  # self_attn.q_proj.weight
    joint = weight(f"{block}attn.in_proj_{kind}", (3 * shape[0], *shape[1:]))
    return joint.chunk(3)["qkv".index(projection[0])]


@cache
def clip() -> CLIPModel:
    model = CLIPModel(CLIPConfig(**CONFIG))
    state = model.state_dict()
    made = {
        name: _made(name, tuple(tensor.shape))
        for name, tensor in state.items()
        if tensor.is_floating_point() and name != "logit_scale"
    }
    missing, unexpected = model.load_state_dict(made, strict=False)
    assert not unexpected and {name for name in missing if "position_ids" not in name} == {"logit_scale"}
    return model.eval().requires_grad_(False)


def tokenize(kind: str):
    """CLIP's tokens of the texts about one kind of thing, as the golden file has them for red."""
    red = GOLDEN["classifiers"][kind]["token_ids_red"]

    def tokens(texts):
        rows = []
        for number, _ in enumerate(texts):
            colour = list(COLOUR_TOKENS.values())[number // len(red)]
            rows.append([colour if token == COLOUR_TOKENS["red"] else token for token in red[number % len(red)]])
        longest = max(map(len, rows))
        padded = [row + [49407] * (longest - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        return {"input_ids": torch.tensor(padded), "attention_mask": torch.tensor(mask)}

    return tokens
