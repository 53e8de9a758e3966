"""Names and layouts: from the official detector's checkpoint (mmdet 2) to transformers' Mask2Former.

Nearly every tensor is copied under another name. Joint projections of queries, keys and values are split where
transformers has three, and patch merging's columns change their order. Measured on made-up weights: class logits agree
within 1.2e-5, mask logits within 6.9e-5, which is rounding (tests/test_geneval_detector.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch

from ..errors import UserError

# Applied in turn, each to the result of the one before.
_RULES = (
    (r"^backbone\.norm(\d)\.", lambda m: f"model.pixel_level_module.encoder.hidden_states_norms.stage{int(m[1]) + 1}."),
    (r"^backbone\.patch_embed\.projection\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"^backbone\.patch_embed\.norm\.", "backbone.embeddings.norm."),
    (r"^backbone\.stages\.", "backbone.encoder.layers."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.w_msa\.relative_position_bias_table$", ".attention.relative_position_bias.relative_position_bias_table"),
    (r"\.attn\.w_msa\.proj\.", ".attention.o_proj."),
    (r"\.attn\.w_msa\.", ".attention."),
    (r"^(backbone\..*)\.ffn\.layers\.0\.0\.", r"\1.mlp.fc1."),
    (r"^(backbone\..*)\.ffn\.layers\.1\.", r"\1.mlp.fc2."),
    (r"^backbone\.", "model.pixel_level_module.encoder.swin."),
    # Of the two transformers: the pixel decoder's attention is the deformable one, its norms follow it and the network
    # of two layers; the decoder's attentions are cross and self, its norms follow both and that network.
    (r"\.ffns\.0\.layers\.0\.0\.", ".fc1."),
    (r"\.ffns\.0\.layers\.1\.", ".fc2."),
    (r"(\.pixel_decoder\.encoder\.layers\.\d+)\.attentions\.0\.", r"\1.self_attn."),
    (r"(\.pixel_decoder\.encoder\.layers\.\d+)\.norms\.0\.", r"\1.self_attn_layer_norm."),
    (r"(\.pixel_decoder\.encoder\.layers\.\d+)\.norms\.1\.", r"\1.final_layer_norm."),
    (r"(\.transformer_decoder\.layers\.\d+)\.attentions\.0\.attn\.", r"\1.cross_attn."),
    (r"(\.transformer_decoder\.layers\.\d+)\.attentions\.1\.attn\.", r"\1.self_attn."),
    (r"(\.transformer_decoder\.layers\.\d+)\.norms\.0\.", r"\1.cross_attn_layer_norm."),
    (r"(\.transformer_decoder\.layers\.\d+)\.norms\.1\.", r"\1.self_attn_layer_norm."),
    (r"(\.transformer_decoder\.layers\.\d+)\.norms\.2\.", r"\1.final_layer_norm."),
    # two things of like names: the pixel decoder's levels, a bare parameter, and the decoder's
    (r"\.pixel_decoder\.level_encoding\.weight$", ".pixel_decoder.level_embed"),
    (r"\.pixel_decoder\.input_convs\.(\d)\.conv\.", r".pixel_decoder.input_projections.\1.0."),
    (r"\.pixel_decoder\.input_convs\.(\d)\.gn\.", r".pixel_decoder.input_projections.\1.1."),
    (r"\.lateral_convs\.0\.conv\.", ".adapter_1.0."),
    (r"\.lateral_convs\.0\.gn\.", ".adapter_1.1."),
    (r"\.output_convs\.0\.conv\.", ".layer_1.0."),
    (r"\.output_convs\.0\.gn\.", ".layer_1.1."),
    (r"\.mask_feature\.", ".mask_projection."),
    (r"^panoptic_head\.pixel_decoder\.", "model.pixel_level_module.decoder."),
    (r"\.transformer_decoder\.post_norm\.", ".transformer_decoder.layernorm."),
    (r"^panoptic_head\.transformer_decoder\.", "model.transformer_module.decoder."),
    (r"^panoptic_head\.query_embed\.", "model.transformer_module.queries_embedder."),
    (r"^panoptic_head\.query_feat\.", "model.transformer_module.queries_features."),
    (r"^panoptic_head\.level_embed\.", "model.transformer_module.level_embed."),
    (r"^panoptic_head\.cls_embed\.", "class_predictor."),
    (
        r"^panoptic_head\.mask_embed\.(\d)\.",
        lambda m: f"model.transformer_module.decoder.mask_predictor.mask_embedder.{int(m[1]) // 2}.0.",
    ),
)  # fmt: skip

_REBUILT = re.compile(r"\.relative_position_index$")  # a table, the same in both
_JOINT = re.compile(r"\.qkv\.(weight|bias)$|(?<=\.self_attn)\.in_proj_(weight|bias)$")
_MERGING = re.compile(r"\.downsample\.(norm|reduction)\.")
_MMDET_3 = re.compile(r"\.transformer_decoder\.layers\.\d+\.cross_attn\.")


def converted(weights: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of mmdet 2's Mask2Former under transformers' names; ``targets`` are those that there must be.

    Raises UserError where a tensor has no place, has another shape than its place, or a place stays empty.
    """
    if any(map(_MMDET_3.search, weights)):
        raise UserError(
            "These weights have mmdet 3's names: they are of another training than those that GenEval takes. Take the "
            "file whose name ends in 743b7d99.pth."
        )
    found: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        if _REBUILT.search(name):
            continue
        for new, part in _placed(_renamed(name), tensor):
            if new not in targets:
                raise UserError(
                    f"This is not GenEval's detector: it has {ascii(name)[:100]}, which has no place there."
                )
            if part.shape != targets[new].shape:
                shapes = f"{tuple(part.shape)} in place of {tuple(targets[new].shape)}"
                raise UserError(f"This is not GenEval's detector: {ascii(name)[:100]} has the shape {shapes}.")
            found[new] = part
    if missing := sorted(targets.keys() - found.keys()):
        raise UserError(f"The detector's weights are incomplete: {len(missing)} are missing, such as {missing[0]}.")
    return found


def _renamed(name: str) -> str:
    for pattern, new in _RULES:
        name = re.sub(pattern, new, name)
    return name


def _placed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if joint := _JOINT.search(name):
        head, kind = name[: joint.start()], joint[1] or joint[2]
        # of a number of rows that three do not divide, shapes will differ, and be told
        for projection, part in zip("qkv", tensor.tensor_split(3)):
            yield f"{head}.{projection}_proj.{kind}", part
    elif _MERGING.search(name):
        yield name, _merging(tensor)
    else:
        yield name, tensor


def _merging(tensor: torch.Tensor) -> torch.Tensor:
    """Columns (channel, row, column) of the four merged patches as transformers has them: (column, row, channel)."""
    if tensor.ndim == 0 or tensor.shape[-1] % 4:
        return tensor
    apart = tensor.unflatten(-1, (-1, 2, 2))
    return apart.transpose(-1, -3).flatten(-3)
