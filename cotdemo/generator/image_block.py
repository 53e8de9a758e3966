"""The image block's way through transformers' Phi, computing no more than a sampling session needs.

The layers are Phi's own, unchanged; their modules are called here one by one, because Phi's ``forward`` computes what
nobody uses: everything of the last layer for tokens that are known already.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F
from transformers import PhiModel


class Prefix:
    """Keys and values ``(rows, heads, length, width)`` of each layer that an image block attends to beside itself."""

    def __init__(self, keys: list[torch.Tensor], values: list[torch.Tensor], real: torch.Tensor):
        self.keys, self.values = keys, values
        self.real = real  # (rows, length) bool, False at padding
        self.padded = real.is_meta or not bool(real.all())  # of a mere shape nothing is known

    def select(self, rows: torch.Tensor) -> Prefix:
        """The prefixes of ``rows`` (int64), in that order, as often as they are named."""
        keys, values = ([layer.index_select(0, rows) for layer in layers] for layers in (self.keys, self.values))
        return Prefix(keys, values, self.real.index_select(0, rows))


def image_hidden(phi: PhiModel, ids: torch.Tensor, prefix: Prefix, where: torch.Tensor) -> torch.Tensor:
    """Last hidden states ``(rows, n, width)`` at the places ``where (rows, n)`` of image blocks ``ids (rows, length)``.

    A block attends to itself in both directions and to all of its prefix that is real.
    """
    length, before = ids.shape[1], prefix.real.shape[1]
    may_see = F.pad(prefix.real, (0, length), value=True)[:, None, None] if prefix.padded else None
    width = phi.layers[0].self_attn.head_dim
    # rotary positions are relative, so counting from the padded start changes nothing
    positions = torch.arange(before, before + length, device=ids.device)[None]
    hidden = phi.embed_tokens(ids)
    rotary = torch.stack(phi.rotary_emb(hidden, positions))[:, 0]  # cosines and sines (2, length, turned)
    if hidden.device.type == "cpu":
        turn = _turned
        rotary = rotary[:, :, None].repeat(1, 1, hidden.shape[2] // width, 1)  # for every head
    else:
        turn = partial(_swapped_and_added, turned=rotary.shape[-1])
        rotary = torch.stack(_whole(*rotary[:, :, None], width))
        may_see = None if may_see is None else _added(may_see, hidden.dtype)  # once, and not in every layer
    rows = torch.arange(len(ids), device=ids.device)[:, None]
    for index, layer in enumerate(phi.layers):
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        keys = turn(_heads(attention.k_proj(normed), width, attention.k_layernorm), *rotary)
        values = attention.v_proj(normed).unflatten(-1, (-1, width))
        if index == len(phi.layers) - 1:
            hidden, normed, rotary = hidden[rows, where], normed[rows, where], rotary[:, where]
        queries = turn(_heads(attention.q_proj(normed), width, attention.q_layernorm), *rotary)
        mixed = F.scaled_dot_product_attention(
            queries.transpose(1, 2),
            torch.cat([prefix.keys[index], keys.transpose(1, 2)], dim=2),
            torch.cat([prefix.values[index], values.transpose(1, 2)], dim=2),
            attn_mask=may_see,
        )
        hidden = hidden + attention.dense(mixed.transpose(1, 2).flatten(2)) + layer.mlp(normed)
    return phi.final_layernorm(hidden)


def _heads(projected: torch.Tensor, width: int, norm: torch.nn.Module) -> torch.Tensor:
    return norm(projected.unflatten(-1, (-1, width)))


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """``x (rows, length, heads, width)`` turned by its positions; beyond the width of ``cos`` it stays as it is."""
    turned = cos.shape[-1]
    half = turned // 2
    out = x.clone() if turned < x.shape[-1] else torch.empty_like(x)
    first, second = x[..., :half], x[..., half:turned]
    torch.mul(first, cos[..., :half], out=out[..., :half]).addcmul_(second, sin[..., :half], value=-1)
    torch.mul(second, cos[..., half:], out=out[..., half:turned]).addcmul_(first, sin[..., half:])
    return out


def _turned_plainly(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """``_turned`` so that a compiler can trace it: nothing is written in place."""
    return _swapped_and_added(x, *_whole(cos, sin, x.shape[-1]), cos.shape[-1])


def _whole(cos: torch.Tensor, sin: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines for the whole ``width`` of a head, which do nothing beyond theirs; with the sines' signs."""
    half, rest = cos.shape[-1] // 2, width - cos.shape[-1]
    signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
    return F.pad(cos, (0, rest), value=1.0), F.pad(signed, (0, rest))


def _swapped_and_added(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, turned: int) -> torch.Tensor:
    """``_turned`` in three kernels, by the cosines and sines of ``_whole``: a GPU waits for launches, not for numbers.

    What lies beyond the first ``turned`` numbers is multiplied by 1, and 0 is added.
    """
    half = turned // 2
    swapped = torch.cat([x[..., half:turned], x[..., :half], x[..., turned:]], dim=-1)
    return torch.addcmul(x * cos, swapped, sin)


def _added(may_see: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A boolean mask as one that is added to the scores."""
    return torch.zeros(may_see.shape, dtype=dtype, device=may_see.device).masked_fill(~may_see, -torch.inf)
