"""A name -> generator, image tokenizer, judge and (in the embedded world) checker; loading, devices, dtypes.

``mini`` ships with this repository and needs no network. ``show-o`` and ``show-o-512`` are the released weights; what
is asked for is downloaded when it is first used. No backend ever stands in for another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from .errors import INSTEAD, UserError
from .generator.magvit import MagvitV2
from .generator.pipeline import ShowoPipeline
from .generator.showo import Showo
from .hardware import accelerator, device_of
from .hub import Place, Tell, fetch, is_zero_gpu
from .judge.judge import Judge
from .judge.loading import load_tokenizer
from .registry import BACKENDS, CORRECTOR, EMBEDDED, MODELS, VERIFIERS, resolve
from .world import checker_b, prompts, typed
from .world.geneval import Verdict, judge_reading

log = logging.getLogger(__name__)

MINI = Path(__file__).parents[1] / "assets" / "mini"
NEEDED = 20e9  # bytes of GPU memory for generator, tokenizer and judge in bfloat16 (18.2e9), and to work in
RECIPE = "recipe.json"  # beside each shipped weight: what made it, and the hashes of the weights it was made from
_REMADE_BY = {
    "magvit": "tokenizer", "showo": "generator", "self-correct": "self-correct", "judge-zero-shot": "judge-zero-shot",
    "judge-orm": "judge-orm", "judge-prm": "judge-prm", "judge": "judge", "judge-guide": "judge-guide",
    "dpo": "dpo", "dpo-iter": "dpo-iter", "dpo-iter-parm": "dpo-iter-parm",
}  # fmt: skip
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


def file_hash(path: Path) -> str:
    """The first 12 hexadecimal digits of a file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]


def weights_hash(folder: Path) -> str:
    """The hash of the weights in a shipped folder; UserError, with the command that remakes them, where they miss."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        stage = _REMADE_BY.get(folder.name, folder.name)
        raise UserError(
            f"The weights in {folder} are missing. Take them from the repository again, "
            f"or remake them: python -m cotdemo train {stage}"
        )
    return file_hash(files[0])


def mismatches(root: Path) -> list[str]:
    """Which shipped weights were made from others than those beside them, in words; empty when the set fits."""
    found = []
    for recipe in sorted(root.glob(f"*/{RECIPE}")):
        for source, expected in json.loads(recipe.read_text(encoding="utf-8")).get("made_from", {}).items():
            have = weights_hash(root / source)
            if have != expected:
                found.append(f"{recipe.parent.name} was made from {source} {expected}, but {have} is there")
    return found


class Backend:
    """Weights under one name (see ``cotdemo.search.protocols.Backend``). Each part is loaded when it is first used."""

    def __init__(self, name: str, device: str, dtype: torch.dtype):
        self.name, self.device, self.dtype = name, device, dtype
        self._lock = threading.RLock()  # the page warms a backend up while a first visitor may already ask
        self._painters: dict[str, ShowoPipeline] = {}
        self._judges: dict[str, Judge] = {}

    # What a backend is made of; the two kinds below load them from different places.
    grid: tuple[int, int]
    codebook: int
    picture_size: tuple[int, int]
    weights: Mapping[str, str]
    models: Collection[str]
    check: Callable[[str, np.ndarray], Verdict | None] | None = None
    words: tuple[str, ...] = ()  # all words it knows; empty where any may be used

    def _load_words(self) -> PreTrainedTokenizerBase:
        raise NotImplementedError

    def _load_magvit(self) -> MagvitV2:
        raise NotImplementedError

    def _load_showo(self, model: str) -> Showo:
        raise NotImplementedError

    def _load_judge(self, verifier: str) -> Judge:
        raise NotImplementedError

    def canonical(self, prompt: str) -> str:
        """The prompt that is meant, as all parts of this backend read it. Raises UserError for one it cannot paint."""
        raise NotImplementedError

    @cached_property
    def magvit(self) -> MagvitV2:
        return self._load_magvit().to(self.device)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._load_words()

    def verifier(self, name: str) -> Judge:
        """The judge of that name (``cotdemo.registry.VERIFIERS``). Raises UserError where it cannot be loaded."""
        with self._lock:
            if name not in self._judges:
                load = VERIFIERS[name].load  # of one that is no backend's own
                self._judges[name] = resolve(load)(self) if load else self._load_judge(name)
            return self._judges[name]

    def painter(self, model: str) -> ShowoPipeline:
        """The pipeline around one set of generator weights. Raises UserError where they cannot be loaded."""
        with self._lock:
            if model not in self._painters:
                row = BACKENDS[self.name]
                rules = {name: row.defaults[name] for name in ("steps", "guidance", "temperature")}
                showo = self._load_showo(model).to(self.device)
                try:
                    self._painters[model] = ShowoPipeline(
                        self.tokenizer, showo, self.magvit, **rules, annealing=row.annealing
                    )
                except ValueError as error:  # parts that do not belong together
                    raise UserError(str(error)) from error
            return self._painters[model]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes ``(P, N)`` to pictures ``(P, height, width, 3)`` uint8."""
        with self._lock, torch.inference_mode():
            tensor = torch.as_tensor(codes, device=self.device)
            return MagvitV2.to_uint8(self.magvit.decode(tensor, self.grid))

    def warm_up(self) -> None:
        """Load what a first run needs, so that it does not wait."""
        self.painter("base")
        self.verifier("parm")


class MiniBackend(Backend):
    """The embedded model: a small world that an exact checker can read."""

    def __init__(self, device: str = "cpu", root: Path = MINI):
        super().__init__(EMBEDDED, device, torch.float32)
        self.root = root
        config = self._config("showo")
        side = int(config["num_vq_tokens"] ** 0.5)
        pixels = self._config("judge")["vision_config"]["image_size"]
        self.grid, self.codebook, self.picture_size = (side, side), config["codebook_size"], (pixels, pixels)
        self.weights = {name: weights_hash(root / name) for name in _REMADE_BY if (root / name).is_dir()}
        self.models = [name for name, model in MODELS.items() if model.part in self.weights]
        self.words = prompts.PROMPT_WORDS
        for mismatch in mismatches(root):
            log.warning("The embedded weights do not belong together: %s.", mismatch)

    def weights_of(self, model: str | None = None, verifier: str | None = None) -> dict[str, str]:
        """The hashes of what ``model`` paints with and ``verifier`` judges by, by folder. Raises UserError."""
        folders = [MODELS[model].part, "magvit"] if model else []
        folders += [VERIFIERS[verifier].part] if verifier else []
        return {folder: weights_hash(self.root / folder) for folder in folders}

    def _config(self, part: str) -> dict[str, Any]:
        file = self.root / part / "config.json"
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{file} is missing or damaged. Take it from the repository again, or remake it: "
                f"python -m cotdemo train {_REMADE_BY[part]}"
            ) from error

    def _load(self, part: str, load: Callable[[Path], Any]) -> Any:
        try:
            weights_hash(self.root / part)
            return load(self.root / part)
        except UserError as error:
            raise UserError(f"{error} (Remade by: python -m cotdemo train {_REMADE_BY[part]})") from error

    def _load_words(self) -> PreTrainedTokenizerBase:
        return AutoTokenizer.from_pretrained(self.root / "tokenizer")

    def _load_magvit(self) -> MagvitV2:
        return self._load("magvit", lambda folder: MagvitV2.from_pretrained(folder, torch_dtype=self.dtype))

    def _load_showo(self, model: str) -> Showo:
        return self._load(MODELS[model].part, lambda folder: Showo.from_pretrained(folder, torch_dtype=self.dtype))

    def _load_judge(self, verifier: str) -> Judge:
        return self._load(
            VERIFIERS[verifier].part, lambda folder: Judge.from_pretrained(folder, device=self.device, dtype=self.dtype)
        )

    def canonical(self, prompt: str) -> str:
        return typed.canonical(prompt)

    def check(self, prompt: str, picture: np.ndarray) -> Verdict | None:
        """What checker B says; None for a sentence that is not of the world's six kinds."""
        metadata = prompts.parse(prompt)
        return None if metadata is None else judge_reading(checker_b.read(picture), metadata)


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

    def _load_judge(self, verifier: str) -> Judge:
        return Judge.from_pretrained(self._fetch(self.source.judges[verifier]), device=self.device, dtype=self.dtype)

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


def embedded(name: str, device: str | None, root: Path | None, tell: Tell) -> Backend:
    """The backend that ships; it wants no accelerator."""
    return MiniBackend(device or "cpu", root or MINI)


def released(name: str, device: str | None, root: Path | None, tell: Tell) -> Backend:
    """A released backend, on an accelerator where there is one."""
    return ReleasedBackend(name, device or accelerator() or "cpu", root, tell)


def load_backend(
    name: str = EMBEDDED, device: str | None = None, root: Path | None = None, tell: Tell = lambda words: None
) -> Backend:
    """The backend of that name; ``device`` None takes a GPU where there is one and the backend wants it.

    ``root`` is a folder with other weights than the shipped ones; for a released backend one that holds repositories
    of the Hub, as ``owner/name``. ``tell`` hears, in words, how far a download is.

    Raises UserError for a name that is not offered, a device that is not here, or where shipped weights are missing.
    """
    if name not in BACKENDS:
        raise UserError(f"There is no backend {name!r}. Choose one of: {', '.join(BACKENDS)}.")
    if device is not None and not is_zero_gpu():  # there a GPU is lent later
        device = device_of(device)
    return resolve(BACKENDS[name].load)(name, device, root, tell)
