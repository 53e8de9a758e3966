"""The image block's way through transformers' Phi, computing no more than a sampling session needs.

The layers are Phi's own, unchanged; their modules are called here one by one, because Phi's ``forward`` computes what
nobody uses: everything of the last layer for tokens that are known already. On a GPU that holds the weights,
``fused_block`` goes the same way in fewer kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch.nn import functional as F
from transformers import PhiModel

from . import fused_block


class Prefix:
    """Keys and values ``(rows, heads, length, width)`` of each layer that an image block attends to beside itself."""

    def __init__(
        self,
        keys: list[torch.Tensor],
        values: list[torch.Tensor],
        real: torch.Tensor,
        common: dict[Hashable, Any] | None = None,
    ):
        self.keys, self.values = keys, values
        self.real = real  # (rows, length) bool, False at padding
        self.padded = real.is_meta or not bool(real.all())  # of a mere shape nothing is known
        self._common: dict[Hashable, Any] = {} if common is None else common  # with all selections
        self._own: dict[Hashable, Any] = {}

    @property
    def length(self) -> int:
        return self.real.shape[1]

    def select(self, rows: torch.Tensor) -> Prefix:
        """The prefixes of ``rows`` (int64), in that order, as often as they are named."""
        keys, values = ([layer.index_select(0, rows) for layer in layers] for layers in (self.keys, self.values))
        return Prefix(keys, values, self.real.index_select(0, rows), self._common)

    def may_see(self, length: int) -> torch.Tensor | None:
        """What a block of ``length`` tokens may see, bool ``(rows, 1, 1, all)``; None where that is everything."""
        return F.pad(self.real, (0, length), value=True)[:, None, None] if self.padded else None

    def added_mask(self, length: int, dtype: torch.dtype) -> torch.Tensor | None:
        """``may_see`` as a mask that is added to the scores, as a GPU wants it."""
        mask = self.may_see(length)
        if mask is None:
            return None
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, -torch.inf)

    def once(self, what: Hashable, compute: Callable[[], Any], of_rows: bool = False) -> Any:
        """What ``compute`` gives, computed once; for these rows only, if it is ``of_rows``."""
        kept = self._own if of_rows else self._common
        if what not in kept:
            kept[what] = compute()
        return kept[what]


def image_hidden(phi: PhiModel, ids: torch.Tensor, prefix: Prefix, where: torch.Tensor | None) -> torch.Tensor:
    """Last hidden states ``(rows, n, width)`` at the places ``where (rows, n)`` of image blocks ``ids (rows, length)``;
    without ``where`` at all but the first and the last, which are marks.

    A block attends to itself in both directions and to all of its prefix that is real.
    """
    if fused_block.fits(phi, ids.device):
        return fused_block.image_hidden(phi, ids, prefix, where)
    length, before = ids.shape[1], prefix.length
    may_see = prefix.may_see(length)
    width = phi.layers[0].self_attn.head_dim
    # rotary positions are relative, so counting from the padded start changes nothing
    positions = torch.arange(before, before + length, device=ids.device)[None]
    hidden = phi.embed_tokens(ids)
    rotary = torch.stack(phi.rotary_emb(hidden, positions))[:, 0]  # cosines and sines (2, length, turned)
    rotary = rotary[:, :, None].repeat(1, 1, hidden.shape[2] // width, 1)  # for every head
    rows = torch.arange(len(ids), device=ids.device)[:, None]
    for index, layer in enumerate(phi.layers):
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        keys = _turned(_heads(attention.k_proj(normed), width, attention.k_layernorm), *rotary)
        values = attention.v_proj(normed).unflatten(-1, (-1, width))
        if where is not None and index == len(phi.layers) - 1:
            hidden, normed, rotary = hidden[rows, where], normed[rows, where], rotary[:, where]
        queries = _turned(_heads(attention.q_proj(normed), width, attention.q_layernorm), *rotary)
        mixed = F.scaled_dot_product_attention(
            queries.transpose(1, 2),
            torch.cat([prefix.keys[index], keys.transpose(1, 2)], dim=2),
            torch.cat([prefix.values[index], values.transpose(1, 2)], dim=2),
            attn_mask=may_see,
        )
        hidden = hidden + attention.dense(mixed.transpose(1, 2).flatten(2)) + layer.mlp(normed)
    return phi.final_layernorm(hidden if where is not None else hidden[:, 1:-1])


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
