"""The released models at full size without their weights: at random, for speed; and as shapes only, to be counted.

``RandomBackend`` is for a GPU: what a run takes does not depend on what the weights are, as long as verdicts are
scripted. ``Shapes`` needs no more than a processor: torch's meta device computes shapes, and the operations of each
call are counted as they are on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerFast

from ..generator.magvit import MagvitV2
from ..generator.pipeline import ShowoPipeline
from ..generator.showo import Showo
from ..generator.showo_generator import Prefilled
from ..verifiers.llava import Answers, LlavaVerifier
from ..verifiers.released_keys import released_config
from .base import Backend
from .released import ReleasedBackend

RANDOM = "random"  # in place of a weight's hash

# config.json of the released PARM and ORM, as far as it says how large they are
JUDGE = {
    "mm_vision_tower": "google/siglip-so400m-patch14-384", "vocab_size": 152064, "hidden_size": 3584,
    "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
}  # fmt: skip
END_OF_TEXT = 50256  # in phi-1_5's vocabulary
YES, NO = 9693, 2152  # in Qwen2's


class RandomBackend(ReleasedBackend):
    """A released backend, its weights drawn at random where they are used; text is cut into words and marks."""

    def __init__(self, name: str, device: str, precision: str | None = None, graphs: bool = False):
        precision = precision or ("fp32" if device == "cpu" else "bf16")
        super().__init__(name, device, precision=precision, graphs=graphs)
        self.weights = dict.fromkeys(self.weights, RANDOM)

    def _load_words(self) -> PreTrainedTokenizerFast:
        return _words({"<|endoftext|>": END_OF_TEXT}, eos_token="<|endoftext|>")

    def _load_magvit(self) -> MagvitV2:
        with torch.device(self.device):
            return MagvitV2().to(self.dtype).eval()

    def _load_showo(self, model: str) -> Showo:
        with torch.device(self.device):
            showo = Showo(num_vq_tokens=self.grid[0] * self.grid[1]).to(self.dtype).eval()
        showo.replayed = self.graphs
        return showo

    def _load_judge(self, verifier: str) -> LlavaVerifier:
        config = released_config(JUDGE)
        config.dtype = self.dtype
        with torch.device(self.device):
            model = LlavaOnevisionForConditionalGeneration._from_config(config, dtype=self.dtype).eval()
        return self._judge_of(model.requires_grad_(False))

    def _judge_of(self, model: LlavaOnevisionForConditionalGeneration) -> LlavaVerifier:
        return LlavaVerifier(model, judge_words(model.config.image_token_index))


class AsReleased:
    """A backend in the precision of the released code: generator and tokenizer in float32, the judge a half one."""

    def __init__(self, half: Backend, whole: Backend):
        self._half, self._whole = half, whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def verifier(self, name: str) -> LlavaVerifier:
        return self._half.verifier(name)


def judge_words(image: int) -> PreTrainedTokenizerFast:
    """A tokenizer for the original questions; about as many tokens as Qwen2's makes of them."""
    marks = {"<|im_end|>": 151645, "<|im_start|>": 151644, "<image>": image, "yes": YES, "no": NO}
    return _words(marks, eos_token="<|im_end|>", additional_special_tokens=["<|im_start|>", "<image>"])


def _words(marks: dict[str, int], **special: Any) -> PreTrainedTokenizerFast:
    """Words and punctuation, a token each, all the same one but for ``marks``: what is computed costs no less."""
    tokenizer = Tokenizer(models.WordLevel(marks | {"word": 100}, unk_token="word"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


class Shapes(RandomBackend):
    """A released backend on the meta device: it computes shapes, and says anything."""

    def __init__(self, name: str):
        super().__init__(name, "meta")
        self.dtype = torch.bfloat16

    def generator(self, model: str) -> _Generator:
        return self._part(model, lambda: _Generator(self.tokenizer, self._load_showo(model), self.magvit))

    def _judge_of(self, model: LlavaOnevisionForConditionalGeneration) -> LlavaVerifier:
        return _Judge(model, judge_words(model.config.image_token_index))

    def canonical(self, prompt: str) -> str:
        """Whatever it is, it is only counted."""
        return prompt


class _Judge(LlavaVerifier):
    def read_answers(self, logits: torch.Tensor, generators: Any = None) -> Answers:
        half, said = np.full(len(logits), 0.5, np.float32), np.ones(len(logits), bool)
        return Answers(half, half, said, ~said)


_zeros = lru_cache(1)(torch.zeros)  # so that a step that is counted makes none


class _Generator(ShowoPipeline):
    """Its canvas is real, so that sessions go over it as over any generator; what it computes are shapes."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def every_token(self) -> bool:
        return True  # as on a GPU

    def logits(
        self, prefix: Prefilled, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None
    ) -> torch.Tensor:
        shapes = super().logits(prefix, canvas.to("meta"), rows, None if where is None else where.to("meta"))
        return _zeros(shapes.shape)

    def decode(self, codes: torch.Tensor) -> np.ndarray:
        pixels = self.magvit.decode(codes.to("meta"), self.grid)
        return np.zeros((len(codes), *pixels.shape[-2:], 3), np.uint8)
