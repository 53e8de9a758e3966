"""The released weights of Show-o, its aligned versions and the judges: where they are, and how they are loaded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from ..compute.hardware import accelerator
from ..errors import INSTEAD, UserError
from ..generator.magvit import MagvitV2
from ..generator.showo import Showo
from ..registry import CORRECTOR, MODELS, VERIFIERS
from ..verifiers.checkpoint import load_tokenizer
from ..verifiers.llava import LlavaVerifier
from .base import Backend
from .hub import Place, Tell, fetch, is_zero_gpu

NEEDED = 20e9  # bytes of GPU memory for generator, tokenizer and judge in bfloat16 (18.2e9), and to work in
_MARKS = re.compile(r"<image>|<\|[a-z_]+\|>")  # of turns and pictures, in the released judges' vocabularies
_COT = "ZiyuG/Image-Generation-CoT"  # the weights of arXiv 2501.13926
_TURBO = "SJTU-Deng-Lab/Show-o-Turbo"


@dataclass(frozen=True)
class Released:
    """Where the released weights of one backend are; ``side`` is that of its grid, in tokens."""

    side: int
    generators: Mapping[str, Place]
    magvit: Place = Place("showlab/magvitv2")
    words: Place = Place("microsoft/phi-1_5")
    judges: Mapping[str, Place] = field(
        default_factory=lambda: {
            "parm": Place(_COT, "parm"),
            "orm": Place(_COT, "orm_ft"),
            "zero-shot": Place("llava-hf/llava-onevision-qwen2-7b-ov-hf"),
        }
    )


RELEASED = {
    "show-o": Released(
        16,
        {
            "base": Place("showlab/show-o"),
            "dpo": Place(_COT, "dpo"),
            "dpo-iter": Place(_COT, "dpo_iter"),
            "dpo-iter-parm": Place(_COT, "dpo_iter_parm_gudie"),  # spelt so
            "turbo": Place(f"{_TURBO}-256"),
        },
    ),
    "show-o-512": Released(32, {"base": Place("showlab/show-o-512x512"), "turbo": Place(f"{_TURBO}-512")}),
}


class ReleasedBackend(Backend):
    """The released Show-o and PARM weights, from the Hub, its local cache, or a folder ``root`` with its repositories.

    ``words`` of its progress are told to ``tell`` while something is downloaded.
    """

    def __init__(self, name: str, device: str, root: Path | None = None, tell: Tell = lambda words: None):
        super().__init__(name, device, torch.float32 if device == "cpu" else torch.bfloat16)
        self.source = RELEASED[name]
        self._root, self._tell = root, tell
        self.grid = (self.source.side, self.source.side)
        self.codebook = 8192
        self.picture_size = (self.grid[0] * 16, self.grid[1] * 16)
        self.models = list(self.source.generators)
        places = {MODELS[model].part: place for model, place in self.source.generators.items()}
        places |= {"magvit": self.source.magvit}
        places |= {VERIFIERS[verifier].part: place for verifier, place in self.source.judges.items()}
        self.weights = {part: str(place) for part, place in places.items()}
        if root is not None and (root / CORRECTOR).is_dir():  # of somebody's own training
            self.models.append(CORRECTOR)
            self.weights[CORRECTOR] = CORRECTOR

    def _fetch(self, place: Place, weights: bool = True) -> Path:
        return fetch(place, self._root, weights, self._tell)

    def _load_words(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self._fetch(self.source.words, weights=False))

    def _load_magvit(self) -> MagvitV2:
        return MagvitV2.from_pretrained(self._fetch(self.source.magvit), torch_dtype=self.dtype)

    def _load_showo(self, model: str) -> Showo:
        local = self._root / CORRECTOR if model == CORRECTOR else self._fetch(self.source.generators[model])
        return Showo.from_pretrained(local, torch_dtype=self.dtype)

    def _load_judge(self, verifier: str) -> LlavaVerifier:
        return LlavaVerifier.from_pretrained(
            self._fetch(self.source.judges[verifier]), device=self.device, dtype=self.dtype
        )

    def canonical(self, prompt: str) -> str:
        """White space and control characters made single blanks; a judge's own marks are no part of a prompt."""
        tidy = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in prompt).split())
        if marks := _MARKS.findall(tidy):
            raise UserError(f"The prompt must not contain {', '.join(dict.fromkeys(marks))}.")
        if not tidy:
            raise UserError("The prompt is empty: write what is to be painted.")
        return tidy

    def warm_up(self) -> None:
        """As in every backend. Raises UserError, before anything is downloaded, where the GPU has too little memory."""
        if self.device.startswith("cuda") and not is_zero_gpu():  # there it is lent later
            free = torch.cuda.mem_get_info(self.device)[0]
            if free < NEEDED:
                raise UserError(
                    f"{self.name} needs {NEEDED / 1e9:.0f} GB of GPU memory, and {free / 1e9:.1f} GB are free. End "
                    f"what else uses the GPU, take a larger one, or {INSTEAD}."
                )
        super().warm_up()


def released(name: str, device: str | None, root: Path | None, tell: Tell) -> Backend:
    """A released backend, on an accelerator where there is one."""
    return ReleasedBackend(name, device or accelerator() or "cpu", root, tell)
