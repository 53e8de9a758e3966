"""A name -> generator, image tokenizer, judge and (in the embedded world) checker; loading, devices, dtypes.

``mini`` ships with this repository and needs no network. ``show-o`` and ``show-o-512`` are the released weights; what
is asked for is downloaded when it is first used. No backend ever stands in for another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from .errors import UserError
from .generator.magvit import MagvitV2
from .generator.pipeline import ShowoPipeline
from .generator.showo import Showo
from .judge.judge import Judge
from .settings import BACKENDS
from .world import checker_b, prompts
from .world.geneval import Verdict, judge_reading

log = logging.getLogger(__name__)

MINI = Path(__file__).parents[1] / "assets" / "mini"
RECIPE = "recipe.json"  # beside each shipped weight: what made it, and the hashes of the weights it was made from
_REMADE_BY = {
    "magvit": "tokenizer", "showo": "generator", "self-correct": "self-correct", "judge-zero-shot": "judge-zero-shot",
    "judge-orm": "judge-orm", "judge-prm": "judge-prm", "judge": "judge", "judge-guide": "judge-guide",
    "dpo": "dpo", "dpo-iter": "dpo-iter", "dpo-iter-parm": "dpo-iter-parm",
}  # fmt: skip
# verifier -> folder of the embedded model
_JUDGES = {"parm": "judge", "orm": "judge-orm", "zero-shot": "judge-zero-shot", "prm": "judge-prm"}


def _generator(model: str) -> str:
    """The folder of one set of generator weights of the embedded model."""
    return "showo" if model == "base" else model


_COT = "ZiyuG/Image-Generation-CoT"  # the weights of arXiv 2501.13926


@dataclass(frozen=True)
class Released:
    """Where the released weights of one backend are on the hub, and the settings they were published with."""

    generators: Mapping[str, tuple[str, str | None]]  # model -> repository, sub-folder
    magvit: str = "showlab/magvitv2"
    words: str = "microsoft/phi-1_5"
    judges: Mapping[str, tuple[str, str]] = field(
        default_factory=lambda: {
            "parm": (_COT, "parm"), "orm": (_COT, "orm_ft")
        }
    )  # fmt: skip
    annealing: str = "compounding"


RELEASED = {
    "show-o": Released(
        {
            "base": ("showlab/show-o", None),
            "dpo": (_COT, "dpo"),
            "dpo-iter": (_COT, "dpo_iter"),
            "dpo-iter-parm": (_COT, "dpo_iter_parm_gudie"),
        }
    ),  # fmt: skip
    "show-o-512": Released({"base": ("showlab/show-o-512x512", None)}),
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

    def check_prompt(self, prompt: str) -> None:
        """Raise UserError for a prompt this backend cannot paint."""

    @cached_property
    def magvit(self) -> MagvitV2:
        return self._load_magvit().to(self.device)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._load_words()

    def verifier(self, name: str) -> Judge:
        """The judge of that name (``cotdemo.settings.VERIFIERS``). Raises UserError where it cannot be loaded."""
        with self._lock:
            if name not in self._judges:
                self._judges[name] = self._load_judge(name)
            return self._judges[name]

    def painter(self, model: str) -> ShowoPipeline:
        """The pipeline around one set of generator weights. Raises UserError where they cannot be loaded."""
        with self._lock:
            if model not in self._painters:
                defaults = BACKENDS[self.name]
                self._painters[model] = ShowoPipeline(
                    self.tokenizer,
                    self._load_showo(model).to(self.device),
                    self.magvit,
                    steps=defaults.steps,
                    guidance=defaults.guidance,
                    temperature=defaults.temperature,
                    annealing=defaults.annealing,
                )
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
        super().__init__("mini", device, torch.float32)
        self.root = root
        config = self._config("showo")
        side = int(config["num_vq_tokens"] ** 0.5)
        pixels = self._config("judge")["vision_config"]["image_size"]
        self.grid, self.codebook, self.picture_size = (side, side), config["codebook_size"], (pixels, pixels)
        self.weights = {name: weights_hash(root / name) for name in _REMADE_BY if (root / name).is_dir()}
        self.words = prompts.PROMPT_WORDS
        for mismatch in mismatches(root):
            log.warning("The embedded weights do not belong together: %s.", mismatch)

    def weights_of(self, model: str | None = None, verifier: str | None = None) -> dict[str, str]:
        """The hashes of what ``model`` paints with and ``verifier`` judges by, by folder. Raises UserError."""
        folders = [_generator(model), "magvit"] if model else []
        folders += [_JUDGES[verifier]] if verifier else []
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
        return self._load(_generator(model), lambda folder: Showo.from_pretrained(folder, torch_dtype=self.dtype))

    def _load_judge(self, verifier: str) -> Judge:
        return self._load(
            _JUDGES[verifier], lambda folder: Judge.from_pretrained(folder, device=self.device, dtype=self.dtype)
        )

    def check_prompt(self, prompt: str) -> None:
        prompts.words(prompt)

    def check(self, prompt: str, picture: np.ndarray) -> Verdict | None:
        """What checker B says; None for a sentence that is not of the world's six kinds."""
        metadata = prompts.parse(prompt)
        return None if metadata is None else judge_reading(checker_b.read(picture), metadata)


class ReleasedBackend(Backend):
    """The released Show-o and PARM weights, from the hub or its local cache."""

    def __init__(self, name: str, device: str):
        super().__init__(name, device, torch.bfloat16 if device.startswith("cuda") else torch.float32)
        self.source = RELEASED[name]
        self.grid = (32, 32) if name.endswith("512") else (16, 16)
        self.codebook = 8192
        self.picture_size = (self.grid[0] * 16, self.grid[1] * 16)
        generators = {model: "/".join(filter(None, place)) for model, place in self.source.generators.items()}
        self.weights = {
            "showo": generators.pop("base"),
            **generators,
            "magvit": self.source.magvit,
            "judge": "/".join(self.source.judges["parm"]),
        }

    def _load_words(self) -> PreTrainedTokenizerBase:
        return _from_hub(self.source.words, lambda: AutoTokenizer.from_pretrained(self.source.words))

    def _load_magvit(self) -> MagvitV2:
        return _from_hub(
            self.source.magvit, lambda: MagvitV2.from_pretrained(self.source.magvit, torch_dtype=self.dtype)
        )

    def _load_showo(self, model: str) -> Showo:
        repository, folder = self.source.generators[model]
        return _from_hub(
            "/".join(filter(None, (repository, folder))),
            lambda: Showo.from_pretrained(repository, subfolder=folder, torch_dtype=self.dtype),
        )

    def _load_judge(self, verifier: str) -> Judge:
        repository, folder = self.source.judges[verifier]

        def load() -> Judge:
            local = Path(snapshot_download(repository, allow_patterns=[f"{folder}/*"]))
            return Judge.from_pretrained(local / folder, device=self.device, dtype=self.dtype)

        return _from_hub(f"{repository}/{folder}", load)


def _from_hub(what: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{what} could not be downloaded: {type(error).__name__}. Check the network and the free disk space, "
            f"or use the embedded model: --backend mini"
        ) from error


def load_backend(name: str = "mini", device: str | None = None, root: Path = MINI) -> Backend:
    """The backend of that name; ``device`` None takes a GPU where there is one and the backend wants it.

    ``root`` is the folder of the embedded model's weights, where others than the shipped ones are to be tried.

    Raises UserError for a name that is not offered, or where shipped weights are missing.
    """
    if name not in BACKENDS:
        raise UserError(f"There is no backend {name!r}. Choose one of: {', '.join(BACKENDS)}.")
    if device is not None and device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"There is no GPU here, so {device} cannot be used. Leave the device out, or use cpu.")
    if name == "mini":
        return MiniBackend(device or "cpu", root)
    return ReleasedBackend(name, device or ("cuda" if torch.cuda.is_available() else "cpu"))
