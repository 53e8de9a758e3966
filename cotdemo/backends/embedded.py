"""The embedded model: shipped weights, their hashes, and the drawn world that an exact checker reads."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from transformers import PreTrainedTokenizerBase

from ..compute.precision import AUTO
from ..errors import UserError
from ..fields import whole
from ..files import ASSETS
from ..generator.adapter import adapted, is_adapter
from ..generator.magvit import MagvitV2
from ..generator.showo import Showo
from ..registry import EMBEDDED, MODELS, VERIFIERS
from ..verifiers.checkpoint import load_tokenizer
from ..verifiers.llava import LlavaVerifier
from ..world import checker_b, prompts
from ..world.faults import Verdict, judge_reading
from ..world.words import PROMPT_WORDS
from .base import Backend, readable
from .hub import Tell

log = logging.getLogger(__name__)

MINI = ASSETS / "mini"
RECIPE = "recipe.json"  # beside each shipped weight: what made it, and the hashes of the weights it was made from
_REMADE_BY = {
    "magvit": "tokenizer", "showo": "generator", "self-correct": "self-correct", "judge-zero-shot": "judge-zero-shot",
    "judge-orm": "judge-orm", "judge-prm": "judge-prm", "judge": "judge", "judge-guide": "judge-guide",
    "dpo": "dpo", "dpo-iter": "dpo-iter", "dpo-iter-parm": "dpo-iter-parm",
}  # fmt: skip


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


def parameters(folder: Path) -> int:
    """How many numbers the weights in a folder are; those of an adapter alone, where it holds one."""
    with safe_open(next(folder.glob("*.safetensors")), "pt") as stored:
        return sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118


def recipe_of(folder: Path) -> dict[str, Any]:
    """What made the weights in a folder; empty where it does not say. Raises UserError where the file is damaged."""
    file = folder / RECIPE
    if not file.exists():
        return {}
    content = _json_object(file, "Take it from the repository again.")
    if not isinstance(content.get("made_from", {}), dict):
        raise UserError(f"{file} is damaged. Take it from the repository again.")
    return content


def _json_object(file: Path, remedy: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is missing or damaged. {remedy}") from error
    return content


def checked_hash(folder: Path) -> str:
    """``weights_hash``. Raises UserError where the folder's recipe names another: a whole file may yet be altered."""
    have, made = weights_hash(folder), recipe_of(folder).get("weights")
    if made is not None and have != made:
        raise UserError(
            f"The weights in {folder} are damaged, or others than its {RECIPE} tells of: their hash is {have}, and it "
            f"says {str(made)[:12]}. Take both from the repository again."
        )
    return have


def mismatches(root: Path) -> list[str]:
    """Which shipped weights were made from others than those beside them, in words; empty when the set fits."""
    found, hash_of = [], cache(lambda source: weights_hash(root / source))  # most were made from the same few
    for recipe in sorted(root.glob(f"*/{RECIPE}")):
        for source, expected in recipe_of(recipe.parent).get("made_from", {}).items():
            have = hash_of(source)
            if have != expected:
                found.append(f"{recipe.parent.name} was made from {source} {expected}, but {have} is there")
    return found


class MiniBackend(Backend):
    """The embedded model: the drawn world of GenEval's things, which an exact checker can read."""

    def __init__(self, device: str = "cpu", root: Path = MINI):
        super().__init__(EMBEDDED, device, torch.float32)
        self.root = root
        showo, judge = self._config("showo"), self._config("judge")
        with readable("The configuration", self.name):
            side = math.isqrt(showo["num_vq_tokens"])
            pixels = judge["vision_config"]["image_size"]
            self.grid, self.codebook = (side, side), whole("codebook_size", showo["codebook_size"], 2, 2**16)
            self.picture_size = (whole("image_size", pixels, 1, 4096),) * 2
        self.weights = {name: weights_hash(root / name) for name in _REMADE_BY if (root / name).is_dir()}
        self.models = [name for name, model in MODELS.items() if model.part in self.weights]
        self.words = PROMPT_WORDS
        for mismatch in mismatches(root):
            log.warning("The embedded weights do not belong together: %s.", mismatch)

    def weights_of(self, model: str | None = None, verifier: str | None = None) -> dict[str, str]:
        """The hashes of what ``model`` paints with and ``verifier`` judges by, by folder. Raises UserError."""
        folders = [MODELS[model].part, "magvit"] if model else []
        folders += ["showo"] if model and is_adapter(self.root / MODELS[model].part) else []
        folders += [VERIFIERS[verifier].part] if verifier else []
        return {folder: weights_hash(self.root / folder) for folder in folders}

    def _config(self, part: str) -> dict[str, Any]:
        return _json_object(
            self.root / part / "config.json",
            f"Take it from the repository again, or remake it: python -m cotdemo train {_REMADE_BY[part]}",
        )

    def _load(self, part: str, load: Callable[[Path], Any]) -> Any:
        try:
            checked_hash(self.root / part)
            return load(self.root / part)
        except UserError as error:
            raise UserError(f"{error} (Remade by: python -m cotdemo train {_REMADE_BY[part]})") from error

    def _load_words(self) -> PreTrainedTokenizerBase:
        folder = self.root / "tokenizer"
        if not folder.is_dir():
            raise UserError(f"The folder {folder} is missing. Take it from the repository again.")
        return load_tokenizer(folder)

    def _load_magvit(self) -> MagvitV2:
        return self._load("magvit", lambda folder: MagvitV2.from_pretrained(folder, torch_dtype=self.dtype))

    def _load_showo(self, model: str) -> Showo:
        part = MODELS[model].part
        if is_adapter(self.root / part):
            return self._load(part, lambda folder: adapted(self._showo("showo"), folder))
        return self._showo(part)

    def _showo(self, part: str) -> Showo:
        return self._load(part, lambda folder: Showo.from_pretrained(folder, torch_dtype=self.dtype))

    def _load_judge(self, verifier: str) -> LlavaVerifier:
        return self._load(
            VERIFIERS[verifier].part,
            lambda folder: LlavaVerifier.from_pretrained(folder, dtype=self.dtype),
        )

    def canonical(self, prompt: str) -> str:
        return prompts.canonical(prompt)

    def check(self, prompt: str, image: np.ndarray) -> Verdict:
        """What checker B says. Raises UserError for a prompt that is none of this world."""
        return judge_reading(checker_b.read(image), prompts.parse(prompt))


def embedded(
    name: str, device: str | None, root: Path | None, tell: Tell, precision: str = AUTO, beside: float = 0.0
) -> Backend:
    """The backend that ships; it wants no accelerator, and is small enough for single precision everywhere."""
    if precision not in (AUTO, "fp32"):
        raise UserError(f"The embedded model is computed in single precision: leave {precision} out.")
    return MiniBackend(device or "cpu", root or MINI)
