"""The image block's way through Phi in few kernels: on a GPU a step of one path waits for launches, not for numbers.

One product makes queries, keys and values. The gains and shifts of their norms go into the cosines and sines that turn
them, so that norm and rotation are four kernels for queries and keys together; what does not change from step to step
is computed once for a session. The numbers are those of ``image_block``, up to their rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PhiModel
from transformers.models.phi.modeling_phi import PhiAttention

from ..compute.linear import Linear

if TYPE_CHECKING:
    from .image_block import Prefix


def fits(phi: PhiModel, device: torch.device) -> bool:
    """Whether ``phi`` computes with plain weights of its own that lie on ``device``, an accelerator."""
    attention = phi.layers[0].self_attn
    parts = _parts(attention)
    return (
        device.type != "cpu"
        and len({part.out_features for part in parts}) == 1  # as many keys as queries
        and all(type(part) in (nn.Linear, Linear) and part.weight.device == device for part in parts)
    )


def image_hidden(phi: PhiModel, ids: torch.Tensor, prefix: Prefix, where: torch.Tensor | None) -> torch.Tensor:
    """As ``image_block.image_hidden``, for a model that ``fits``."""
    width, turned = phi.layers[0].self_attn.head_dim, _turned_width(phi)
    hidden = phi.embed_tokens(ids)
    turns = prefix.once(("turns", ids.shape[1]), lambda: turns_of(phi, prefix.length, ids.shape[1], hidden.dtype))
    may_see = prefix.once(("mask", ids.shape[1]), lambda: prefix.added_mask(ids.shape[1], hidden.dtype), of_rows=True)
    for index, (layer, (gain, crossed, shift)) in enumerate(zip(phi.layers, turns)):
        attention, normed = layer.self_attn, layer.input_layernorm(hidden)
        projected = F.linear(normed, *_projection(attention)).unflatten(-1, (3, -1, width))
        even = F.layer_norm(projected, (width,), eps=attention.q_layernorm.eps)[:, :, :2]  # values are left alone
        queries, keys = torch.addcmul(torch.addcmul(shift, even, gain), _swapped(even, turned), crossed).unbind(2)
        if where is not None and index == len(phi.layers) - 1:
            rows = torch.arange(len(ids), device=ids.device)[:, None]
            hidden, normed, queries = hidden[rows, where], normed[rows, where], queries[rows, where]
        mixed = F.scaled_dot_product_attention(
            queries.transpose(1, 2),
            torch.cat([prefix.keys[index], keys.transpose(1, 2)], dim=2),
            torch.cat([prefix.values[index], projected[:, :, 2].transpose(1, 2)], dim=2),
            attn_mask=may_see,
        )
        hidden = hidden + attention.dense(mixed.transpose(1, 2).flatten(2)) + layer.mlp(normed)
    return phi.final_layernorm(hidden if where is not None else hidden[:, 1:-1])


def turns_of(phi: PhiModel, before: int, length: int, dtype: torch.dtype) -> torch.Tensor:
    """What normed queries and keys are multiplied with, what their swapped halves are, and what is added.

    ``(layers, 3, length, 2, 1, width)``, for ``length`` tokens after ``before`` others; queries are 0, keys are 1.
    """
    device, width, turned = phi.embed_tokens.weight.device, phi.layers[0].self_attn.head_dim, _turned_width(phi)
    positions = torch.arange(before, before + length, device=device)[None]
    cos, sin = (one[0] for one in phi.rotary_emb(torch.empty(0, device=device), positions))
    half, rest = turned // 2, width - turned
    cos = F.pad(cos, (0, rest), value=1.0)  # what lies beyond the turned width stays as it is
    sin = F.pad(torch.cat([-sin[..., :half], sin[..., half:]], dim=-1), (0, rest))
    norms = [(layer.self_attn.q_layernorm, layer.self_attn.k_layernorm) for layer in phi.layers]
    gain, shift = (
        torch.stack([torch.stack([getattr(norm, name) for norm in pair]) for pair in norms]).float()[:, None]
        for name in ("weight", "bias")
    )
    cos, sin = cos[:, None], sin[:, None]
    all_three = gain * cos, _swapped(gain, turned) * sin, shift * cos + _swapped(shift, turned) * sin
    return torch.stack(all_three, dim=1).unsqueeze(-2).to(dtype)


def _turned_width(phi: PhiModel) -> int:
    return 2 * phi.rotary_emb.inv_freq.shape[0]


def _swapped(x: torch.Tensor, turned: int) -> torch.Tensor:
    """``x (..., width)`` with the two halves of its first ``turned`` numbers in each other's place."""
    half = turned // 2
    return torch.cat([x[..., half:turned], x[..., :half], x[..., turned:]], dim=-1)


def _parts(attention: PhiAttention) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    return attention.q_proj, attention.k_proj, attention.v_proj


def _projection(attention: PhiAttention) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of queries, keys and values as one; the layers' own become views of them, so nothing doubles.

    Whoever gives the layers others, by ``to`` or by loading, has them put together anew.
    """
    parts, whole = _parts(attention), getattr(attention, "_projection", None)
    if whole is None or not _are_views(parts, whole[0]):
        whole = tuple(torch.cat([getattr(part, name).data for part in parts]) for name in ("weight", "bias"))
        for part, weight, bias in zip(parts, *(one.chunk(3) for one in whole)):
            part.weight.data, part.bias.data = weight, bias
        attention._projection = whole
    return whole


def _are_views(parts: tuple[nn.Linear, ...], whole: torch.Tensor) -> bool:
    """Whether the weights of ``parts`` lie in ``whole``, one after the other."""
    if whole.device != parts[0].weight.device or whole.dtype != parts[0].weight.dtype:
        return False
    stride = whole.numel() // len(parts) * whole.element_size()
    return whole.is_meta or all(
        part.weight.data_ptr() == whole.data_ptr() + number * stride for number, part in enumerate(parts)
    )
