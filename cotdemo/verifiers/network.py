"""The judge's network: transformers' LLaVA-OneVision, run so that nothing is computed twice.

The model is `LlavaOnevisionForConditionalGeneration`, unchanged; its modules are called here one by one, because its
own ``forward`` computes what nobody uses (the last layer for every position, copies of all earlier keys and values).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F
from transformers import LlavaOnevisionForConditionalGeneration
from transformers.models.qwen2.modeling_qwen2 import rotate_half

Rows = slice | torch.Tensor  # a slice where rows are neighbours (no copy), else their numbers, int64


def image_tokens(model: LlavaOnevisionForConditionalGeneration) -> int:
    """Embeddings that stand for an image: its patches and one newline (730 in the released judges)."""
    vision = model.config.vision_config
    return (vision.image_size // vision.patch_size) ** 2 + 1


def encode_images(model: LlavaOnevisionForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """Pixels ``(images, 3, size, size)`` -> embeddings ``(images, image tokens, width)`` for the language model.

    The vision tower's last layer is read before its final norm, as in the original.
    """
    tower = getattr(model.model.vision_tower, "vision_model", model.model.vision_tower)  # earlier 5.x: nested
    # Contiguous, because the patches come transposed and every layer would copy them again.
    patches = tower.encoder(inputs_embeds=tower.embeddings(pixels).contiguous()).last_hidden_state
    patches = model.model.multi_modal_projector(patches.to(model.model.image_newline.dtype))
    newline = model.model.image_newline.to(patches).expand(len(patches), 1, -1)
    return torch.cat([patches, newline], dim=1)


def embed(
    model: LlavaOnevisionForConditionalGeneration, ids: torch.Tensor, encoded: torch.Tensor, head: int
) -> torch.Tensor:
    """Input embeddings ``(rows, tokens, width)``: ids ``(rows, tokens)``, images from position ``head`` on.

    In the original these placeholders are one token, replaced by the image; here they are counted one by one.
    """
    words = model.get_input_embeddings()
    return torch.cat([words(ids[:, :head]), encoded, words(ids[:, head + encoded.shape[1] :])], dim=1)


class KeyValues:
    """Keys and values of every layer in one tensor ``(layers, 2, rows, heads, capacity, width)``.

    Written in place: to go back to a shorter text is to write over what followed it.
    """

    def __init__(self, store: torch.Tensor):
        self.store = store

    @classmethod
    def empty(cls, model: LlavaOnevisionForConditionalGeneration, rows: int) -> KeyValues:
        text = model.config.text_config
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        shape = (text.num_hidden_layers, 2, rows, text.num_key_value_heads, 0, width)
        return cls(model.model.image_newline.new_empty(shape))

    def reserve(self, capacity: int) -> None:
        """Make room for ``capacity`` positions a row, keeping what is held."""
        missing = capacity - self.store.shape[4]
        if missing > 0:
            room = self.store.new_empty((*self.store.shape[:4], missing, self.store.shape[5]))
            self.store = torch.cat([self.store, room], dim=4)

    def select(self, rows: torch.Tensor) -> KeyValues:
        """A copy of some rows (int64)."""
        return KeyValues(self.store[:, :, rows])

    def write(
        self, layer: int, rows: Rows, start: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put new keys and values ``(rows, heads, n, width)`` at ``start``; return all of ``rows`` up to their end."""
        end = start + keys.shape[2]
        held = self.store[layer]
        held[0, rows, :, start:end] = keys
        held[1, rows, :, start:end] = values
        return held[0, rows, :, :end], held[1, rows, :, :end]


class ExactRows:
    """Rows of the head in float32, for the tokens whose logits decide: rounded to bfloat16, one path in ten ties with
    another. A few kilobytes, resident wherever the head itself is."""

    def __init__(self, model: LlavaOnevisionForConditionalGeneration, ids: Sequence[int]):
        self.ids = torch.tensor(ids, device=model.lm_head.weight.device)
        self.weight = model.lm_head.weight.detach()[self.ids].float()

    def to(self, device: torch.device | str) -> ExactRows:
        self.ids, self.weight = self.ids.to(device), self.weight.to(device)
        return self

    def put(self, logits: torch.Tensor, hidden: torch.Tensor) -> None:
        """Overwrite these tokens' logits ``(rows, vocabulary)``, of last hidden states ``(rows, width)``."""
        logits[:, self.ids] = hidden.float() @ self.weight.T


def prefill(
    model: LlavaOnevisionForConditionalGeneration,
    embeddings: torch.Tensor,
    cache: KeyValues,
    rows: Rows,
    start: int,
    exact: ExactRows | None = None,
) -> torch.Tensor:
    """Add ``embeddings (rows, n, width)`` to the ``start`` positions held in ``cache``; logits ``(rows, vocabulary)``.

    Adds the n positions to the cache. The logits (float32) are those of the last position; the last layer computes
    queries and everything after them for that position only. ``exact`` are those to be computed in float32.
    """
    language = model.model.language_model
    hidden, n = embeddings, embeddings.shape[1]
    positions = torch.arange(start, start + n, device=hidden.device)[None]
    rotary = torch.stack(language.rotary_emb(hidden, positions))  # cosines and sines (2, 1, n, width)
    for index, layer in enumerate(language.layers):
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden)
        keys, values = cache.write(
            index,
            rows,
            start,
            _rotate(_heads(attention.k_proj(normed), attention.head_dim), rotary),
            _heads(attention.v_proj(normed), attention.head_dim),
        )
        if index == len(language.layers) - 1:
            hidden, normed, rotary = hidden[:, -1:], normed[:, -1:], rotary[:, :, -1:]
        queries = _rotate(_heads(attention.q_proj(normed), attention.head_dim), rotary)
        mixed = _attend(queries, keys, values)
        hidden = hidden + attention.o_proj(mixed.transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    last = language.norm(hidden[:, -1])
    logits = model.lm_head(last).float()
    if exact is not None:
        exact.put(logits, last)
    return logits


def _heads(projected: torch.Tensor, width: int) -> torch.Tensor:
    return projected.unflatten(-1, (-1, width)).transpose(1, 2)


def _rotate(x: torch.Tensor, rotary: torch.Tensor) -> torch.Tensor:
    cos, sin = rotary[:, :, None]
    return x * cos + rotate_half(x) * sin


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Causal attention of the last ``n`` positions ``(rows, heads, n, width)`` over all ``end`` positions held."""
    n, end = queries.shape[2], keys.shape[2]
    if n == 1 or n == end:
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=n > 1, enable_gqa=True)
    mask = torch.ones(n, end, dtype=torch.bool, device=queries.device).tril(end - n)
    if queries.is_cuda:  # no fast kernel takes both a mask and shared heads
        shared = queries.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(shared, dim=1), values.repeat_interleave(shared, dim=1)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=not queries.is_cuda)
