"""Show-o (arXiv 2408.12528): one transformer over words and image tokens. One class for every size.

The language model is transformers' Phi with layer norms on queries and keys. Two ways to run it:

* plain: ``forward`` on whole, left-padded sequences, full-width logits; what the original does. For training,
  ``hidden`` and ``code_logits`` give logits at chosen positions over the codes only.
* fast: ``prefill`` the prefixes once, then ``image_logits`` for each canvas. Text is causal and sees no image token,
  so its keys and values are the same at every step; only the image block runs then.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, PhiConfig, PhiForCausalLM

from ..compute.linear import linear, use_onednn
from .checkpoint import FromFolderOrHub
from .image_block import Prefix, image_hidden
from .sequence import Vocabulary

# What a config.json may name instead of describing it; the released checkpoints name phi-1_5.
KNOWN_PHI = {
    "microsoft/phi-1_5": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
    }
}


class TanhGelu(nn.Module):
    """GELU in its tanh form, ``x / (1 + exp(-2 c (x + 0.044715 x^3)))`` with ``c = sqrt(2 / pi)``.

    On the CPU torch's own kernel rounds differently at the ends of its vector loops, which lie where batch size and
    thread count put them: a path would depend on those sampled beside it. This one does not, and is faster.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled():
            return F.gelu(x, approximate="tanh")
        scale = -2.0 * math.sqrt(2.0 / math.pi)
        divisor = (x * x).mul_(0.044715 * scale).add_(scale).mul_(x).exp_().add_(1.0)
        return torch.div(x, divisor, out=divisor)


def added_mask(allowed: torch.Tensor) -> torch.Tensor:
    """A boolean mask (True where a query may see a key) as transformers' eager attention wants it: it adds its mask."""
    return torch.zeros(allowed.shape, device=allowed.device).masked_fill(~allowed, -torch.inf)


class Showo(FromFolderOrHub, ModelMixin, ConfigMixin):
    """Show-o without the CLIP variant.

    ``phi`` holds the language model's own settings (transformers' ``PhiConfig`` fields, among them ``rope_theta`` and
    ``partial_rotary_factor``). Without it ``llm_model_path`` must name a known model or, for a checkpoint folder, a
    sub-folder with a ``config.json``. ``eos_token_id`` and ``max_text_length`` belong to the text tokenizer; their
    defaults are those of the released checkpoints, whose config.json lacks them.

    Raises ``ValueError`` for a config that contradicts itself or names an unknown language model.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["PhiDecoderLayer"]
    replayed = False  # whether sampling sessions capture their steps as CUDA graphs

    @register_to_config
    def __init__(
        self,
        vocab_size: int = 58498,
        llm_vocab_size: int = 50295,
        llm_model_path: str = "microsoft/phi-1_5",
        codebook_size: int = 8192,
        num_vq_tokens: int = 256,
        mask_token_id: int = 58497,
        w_clip_vit: bool = False,
        load_from_showo: bool = True,
        phi: dict[str, Any] | None = None,
        eos_token_id: int = 50256,
        max_text_length: int = 128,
    ):
        super().__init__()
        if w_clip_vit:
            raise ValueError("This checkpoint is a Show-o with CLIP features; only those without (256, 512) are known.")
        named = next((name for name in KNOWN_PHI if Path(name).name == Path(llm_model_path).name), None)
        if phi is None and named is None:  # whatever folder of its author's machine stands before the name
            raise ValueError(
                f"The language model {llm_model_path!r} is not known. Known: {', '.join(KNOWN_PHI)}; "
                "or put its config.json into a sub-folder of that name, or its settings into 'phi'."
            )
        self.vocabulary = Vocabulary.from_config(self.config)
        self.showo = PhiForCausalLM(_phi_config(KNOWN_PHI[named] if phi is None else phi, vocab_size))
        if self.showo.config.hidden_act in ("gelu_new", "gelu_pytorch_tanh"):  # two ways to compute the same
            for layer in self.showo.model.layers:
                layer.mlp.activation_fn = TanhGelu()
        use_onednn(self.showo)

    @classmethod
    def load_config(cls, pretrained_model_name_or_path, **kwargs):
        """As diffusers', and describes the language model of a checkpoint folder that keeps it in a sub-folder."""
        loaded = super().load_config(pretrained_model_name_or_path, **kwargs)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        name = config.get("llm_model_path")
        if config.get("phi") is None and isinstance(name, str) and Path(name).name == name and name not in ("", ".."):
            folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
            described = folder / name / "config.json"
            if described.is_file():
                config["phi"] = json.loads(described.read_text(encoding="utf-8"))
        return loaded

    @apply_forward_hook
    def hidden(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states ``(rows, length, width)`` of whole sequences ``(rows, length)``.

        ``attention_mask`` is ``Vocabulary.attention(input_ids)``, bool ``(rows, length, length)``; None is causal.
        """
        mask = None if attention_mask is None else self._mask(attention_mask)
        return self.showo.model(input_ids=input_ids, attention_mask=mask, use_cache=False).last_hidden_state

    def _mask(self, allowed: torch.Tensor) -> torch.Tensor:
        """``allowed`` (rows, length, length) as the attention in use wants it, for all heads."""
        eager = self.showo.config._attn_implementation == "eager"
        return added_mask(allowed[:, None]) if eager else allowed[:, None]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Logits over the whole vocabulary ``(rows, length, vocabulary)``; arguments as for ``hidden``."""
        return self.showo.lm_head(self.hidden(input_ids, attention_mask))

    def code_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the codes only ``(..., codes)`` of hidden states ``(..., width)``."""
        codes = slice(self.vocabulary.first_code, self.vocabulary.mask)
        head = self.showo.lm_head
        if head.weight.device != hidden.device:  # offloaded: its hook brings it when it is called, and whole
            return head(hidden)[..., codes]
        return linear(hidden, head.weight[codes], head.bias[codes])

    @apply_forward_hook
    def prefill(self, prefix_ids: torch.Tensor) -> Prefix:
        """Keys and values of left-padded prefixes ``(rows, length)``. Columns that pad every row should be left out."""
        cache = DynamicCache()
        mask = self._mask(self.vocabulary.attention(prefix_ids))
        self.showo.model(prefix_ids, mask, None, cache, use_cache=True)  # by place: the cache's name has changed
        real = prefix_ids != self.vocabulary.pad
        return Prefix([layer.keys for layer in cache.layers], [layer.values for layer in cache.layers], real)

    @apply_forward_hook
    def image_logits(self, canvas: torch.Tensor, prefix: Prefix, where: torch.Tensor | None = None) -> torch.Tensor:
        """Code logits ``(rows, n, codes)`` of canvases of codes ``(rows, tokens)``, negative where masked.

        They are those of the tokens ``where (rows, n)``, by default of all.
        """
        ids = self.vocabulary.ids_of(canvas)
        edge = prefix.once("edge", lambda: ids.new_tensor([[self.vocabulary.soi], [self.vocabulary.eoi]]))
        ids = torch.cat([edge[:1].expand(len(ids), 1), ids, edge[1:].expand(len(ids), 1)], dim=1)
        return self.code_logits(image_hidden(self.showo.model, ids, prefix, None if where is None else where + 1))

    def _apply(self, fn, recurse=True):
        # ``.to(torch.bfloat16)`` would round the rotary frequencies too, and turn far tokens by a wrong angle
        super()._apply(fn, recurse)
        device = self.showo.lm_head.weight.device
        if device.type != "meta":
            model = self.showo.model
            model.rotary_emb = type(model.rotary_emb)(self.showo.config).to(device)
        return self


def _phi_config(fields: dict[str, Any], vocab_size: int) -> PhiConfig:
    always = {"vocab_size": vocab_size, "qk_layernorm": True, "tie_word_embeddings": False, "pad_token_id": None}
    config = PhiConfig.from_dict({**fields, **always})
    config._attn_implementation = "sdpa"  # transformers' eager attention adds a boolean mask instead of applying it
    return config
