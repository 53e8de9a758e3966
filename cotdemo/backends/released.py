"""The released weights of Show-o, its aligned versions and the judges: where they are, and how they are loaded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from ..compute.hardware import accelerator, capability
from ..compute.memory import bring_in_groups
from ..compute.precision import AUTO, Card, plan
from ..errors import MORE_MEMORY, UserError
from ..fields import among
from ..generator.magvit import MagvitV2
from ..generator.showo import Showo
from ..geneval.scorer import Scorer
from ..registry import CORRECTOR, MODELS, VERIFIERS
from ..verifiers.checkpoint import load_tokenizer
from ..verifiers.llava import LlavaVerifier
from . import safety
from .base import SAFETY, Backend, readable
from .checker import Checker
from .hub import Place, Tell, fetch, is_zero_gpu
from .sizes import ROOM, judge_bytes, need

SCORER = "GenEval's scorer"

_MARKS = re.compile(r"<image>|<\|[a-z_]+\|>")  # of turns and images, in the released judges' vocabularies
_COT = "ZiyuG/Image-Generation-CoT"  # the weights of arXiv 2501.13926
_TURBO = "SJTU-Deng-Lab/Show-o-Turbo"
_TURBO_TOP_K = {16: 200, 32: 500}  # its authors' scripts, for 4 steps; for 2 they take 200 at both sizes


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

    def __init__(
        self,
        name: str,
        device: str,
        root: Path | None = None,
        tell: Tell = lambda words: None,
        precision: str = AUTO,
        beside: float = 0.0,
        guarded: bool = False,
        scored: str | None = None,
        graphs: bool = False,
    ):
        """``precision`` is one of ``cotdemo.compute.precision``; ``beside`` are bytes that others will take there.

        ``guarded``: images that the safety checker flags are withheld. ``scored`` names the detector by which GenEval's
        scorer checks final images, loaded when there is a first one to check. ``graphs``: steps of the generator are
        replayed as CUDA graphs; raises UserError where there is no NVIDIA GPU.
        """
        super().__init__(name, device, torch.float32, tell)
        self.source, self.guarded, self.scored = RELEASED[name], guarded, scored
        self._working = ROOM[self.source.side] + beside
        self._staying = {SAFETY: safety.BYTES} if guarded else {}
        if scored:
            self._check_by(scored)
        self.plan = plan(precision, self._card(), lambda *way: need(*way, self.room))
        self.dtype = getattr(torch, self.plan.dtype)
        if graphs and capability(self.device) is None:
            raise UserError("Steps are replayed as CUDA graphs on an NVIDIA GPU only: leave --graphs out.")
        self.graphs = graphs and not self.plan.offload  # whose weights come and go within a step
        self._root = root
        self.top_k = {"turbo": _TURBO_TOP_K[self.source.side]}
        self.grid = (self.source.side, self.source.side)
        self.codebook = 8192
        self.picture_size = (self.grid[0] * 16, self.grid[1] * 16)
        wholes = {row.name: row.part for row in MODELS.values() if row.load and name in (row.backends or ())}
        places = {MODELS[model].part: place for model, place in self.source.generators.items()}
        places |= {"magvit": self.source.magvit}
        places |= {VERIFIERS[verifier].part: place for verifier, place in self.source.judges.items()}
        self.models = [*self.source.generators, *wholes]
        self.weights = {part: str(place) for part, place in places.items()} | {part: part for part in wholes.values()}
        if self.plan.precision.quantised:  # other weights, whose answers are not to be mixed with theirs
            judges = [VERIFIERS[verifier].part for verifier in self.source.judges]
            self.weights |= {part: f"{self.weights[part]} in {self.plan.precision.name}" for part in judges}
        if root is not None and (root / CORRECTOR).is_dir():  # of somebody's own training
            self.models.append(CORRECTOR)
            self.weights[CORRECTOR] = CORRECTOR

    def _check_by(self, detector: str) -> None:
        """Have final images checked by GenEval's scorer. Raises UserError for a detector that there is not."""
        from .scorer import BYTES, DETECTORS, load_scorer

        among("detector", detector, DETECTORS)
        self._staying[SCORER] = BYTES

        def load() -> Scorer:
            self._make_room(0)  # that of its bytes is kept free until it is there
            return load_scorer(detector, self.device, self._root, tell=self._tell)

        self.check = Checker(lambda: self._part(SCORER, load))

    @property
    def unchecked(self) -> str:
        """Why its checker looks at images no more, in words; "" where it does, or there is none."""
        return self.check.refused if self.check else ""

    def _card(self) -> Card:
        if is_zero_gpu():  # lent later, and a large one
            return Card(self.device)
        return Card(self.device, self.free_memory(), capability(self.device))

    def _fetch(self, place: Place, weights: bool = True) -> Path:
        return fetch(place, self._root, weights, self._tell)

    def _load_words(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self._fetch(self.source.words, weights=False))

    def _load_magvit(self) -> MagvitV2:
        # bfloat16 would cost up to eight grey levels, float16 one
        dtype = torch.float32 if self.dtype == torch.float32 else torch.float16
        return MagvitV2.from_pretrained(self._fetch(self.source.magvit), torch_dtype=dtype)

    def _load_showo(self, model: str) -> Showo:
        local = self._root / CORRECTOR if model == CORRECTOR else self._fetch(self.source.generators[model])
        showo = Showo.from_pretrained(local, torch_dtype=self.dtype)
        showo.register_to_config(num_vq_tokens=self.source.side**2)  # no weight depends on it, and some configs err
        showo.replayed = self.graphs
        return showo

    def _placed(self, network: Any) -> Any:
        if not (self.plan.offload and isinstance(network, Showo)):
            return super()._placed(network)
        bring_in_groups(network, self.device)
        return network

    def _load_safety(self) -> safety.SafetyChecker:
        self._make_room(0)  # that of its bytes is kept free until it is there
        return safety.load(self.device, self._root, self._tell)

    def _load_judge(self, verifier: str) -> LlavaVerifier:
        return LlavaVerifier.from_pretrained(self._fetch(self.source.judges[verifier]), dtype=self.dtype)

    def _judge(self, name: str) -> LlavaVerifier:
        precision = self.plan.precision
        if not precision.quantised:
            return super()._judge(name)
        folder = self._fetch(self.source.judges[name])
        self._make_room(int(judge_bytes(precision)))  # before it is read: it comes to the device as it is quantised
        with readable(f"The judge {name}", self.name):
            judge = LlavaVerifier.from_pretrained(
                folder, dtype=self.dtype, device=self.device, quantised=precision.name
            )
        if self.plan.offload:
            network = judge.model
            for part in (network.model.vision_tower, network.get_input_embeddings(), network.lm_head):
                bring_in_groups(part, self.device)
        return judge

    @property
    def needed(self) -> float:
        """Bytes of memory for one generator, one judge and the image tokenizer, and to work in."""
        return self.plan.needed

    @property
    def picked(self) -> str:
        """In which precision it is loaded, and why, in words."""
        return f"{self.name} in {self.plan.words} on {self.device}: {self.plan.why}"

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
        free = self.free_memory()
        if free is not None and free < self.needed:
            raise UserError(
                f"{self.name} needs {self.needed / 1e9:.0f} GB of GPU memory, and {free / 1e9:.1f} GB are free "
                f"({self.plan.words}: {self.plan.why}). {MORE_MEMORY}"
            )
        self._tell(self.picked)
        super().warm_up()


def released(
    name: str, device: str | None, root: Path | None, tell: Tell, precision: str = AUTO, beside: float = 0.0,
    **asked: Any,
) -> Backend:  # fmt: skip
    """A released backend, on an accelerator where there is one."""
    return ReleasedBackend(name, device or accelerator() or "cpu", root, tell, precision, beside, **asked)
