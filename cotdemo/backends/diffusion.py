"""Diffusion models beside Show-o, to compare with: diffusers' pipelines, plain or best of N by the same judge.

They have no tokens. What a search calls codes are those that the image tokenizer makes of a finished image, for the
trace; judges, people and folders see the image itself. Nothing can be judged before it is finished, or repainted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from diffusers.utils.logging import disable_progress_bar
from PIL import Image
from torch import nn

from ..compute.memory import bytes_of
from ..generator.chance import PathSampler
from ..registry import MODELS
from .base import Backend, readable
from .hub import Place, Tell, fetch_pipeline

UNPAINTED = 127  # grey


class Step(NamedTuple):
    """See ``cotdemo.search.protocols.Step``."""

    index: int
    paths: tuple[int, ...]
    codes: np.ndarray  # (paths, tokens): of the finished image, 0 before
    masked: np.ndarray  # (paths, tokens) bool: everything until it is finished
    confidence: np.ndarray  # (paths, tokens)


class Session:
    """Images being painted one after the other, spread evenly over the steps: after the last one all are there.

    So a search that is stopped stops within an image, and an image does not depend on the others.
    """

    def __init__(
        self, generator: WholeImageGenerator, prompt: str, paths: Sequence[int], steps: int, guidance: float, seed: int
    ):
        self._generator, self._asked = generator, (prompt, steps, guidance, seed)
        self._steps, self._taken, self.live = steps, dict.fromkeys(paths, 0), tuple(paths)
        self._images: dict[int, np.ndarray] = {}
        self._codes: dict[int, np.ndarray] = {}

    @property
    def done(self) -> bool:
        return all(self._taken[path] == self._steps for path in self.live)

    def step(self) -> Step:
        """Paint as many images as are due."""
        index = self._taken[self.live[0]]  # live paths are all at the same step
        self._taken |= dict.fromkeys(self.live, index + 1)
        for path in self.live[: len(self.live) * (index + 1) // self._steps]:
            if path not in self._images:
                self._images[path] = self._generator.paint(*self._asked, path)
                self._codes[path] = self._generator.codes(self._images[path])
        nothing = np.zeros(self._generator.tokens, np.int64)
        codes = np.stack([self._codes.get(path, nothing) for path in self.live])
        masked = np.stack([np.full(codes.shape[1], path not in self._images) for path in self.live])
        return Step(index, self.live, codes, masked, 1.0 - masked)

    def decode(self, codes: Any) -> list[np.ndarray]:
        """The images ``(height, width, 3)`` uint8 that these rows of codes were made of; grey before they are there."""
        made = {codes.tobytes(): self._images[path] for path, codes in self._codes.items()}
        grey = np.full((*self._generator.size, 3), UNPAINTED, np.uint8)
        return [made.get(np.asarray(row).tobytes(), grey) for row in codes]

    def drop(self, paths: Iterable[int]) -> None:
        """Leave paths out."""
        self.live = tuple(path for path in self.live if path not in set(paths))

    def restore(self, path: int) -> None:
        """Bring a path back that was left out."""
        self.live = tuple(sorted({*self.live, path}))


class WholeImageGenerator:
    """A text-to-image pipeline as a search uses a generator."""

    whole_images = True  # no step of it costs what another does (``cotdemo.backends.metered``)

    def __init__(self, pipeline: DiffusionPipeline, backend: Backend):
        self._pipeline, self._backend = pipeline, backend
        pipeline.set_progress_bar_config(disable=True)
        self.size = backend.picture_size
        self.tokens = backend.grid[0] * backend.grid[1]

    @property
    def bytes(self) -> int:
        """Of all its weights."""
        return sum(bytes_of(part) for part in self._pipeline.components.values() if isinstance(part, nn.Module))

    def placed(self, device: str, offload: bool) -> WholeImageGenerator:
        """Itself on a device; ``offload`` brings its parts there one by one (diffusers'), where all do not fit."""
        if offload:
            self._pipeline.enable_model_cpu_offload(device=device)
        else:
            self._pipeline.to(device)
        return self

    def start(
        self, prompt: str, paths: Sequence[int], steps: int, guidance: float, temperature: float, seed: int
    ) -> Session:
        """Begin to paint. A temperature is for tokens: it has none."""
        return Session(self, prompt, paths, steps, guidance, seed)

    def paint(self, prompt: str, steps: int, guidance: float, seed: int, path: int) -> np.ndarray:
        """One image ``(height, width, 3)`` uint8, of the pipeline's own size.

        ``guidance`` is w of ``(1 + w) conditional - w unconditional``, of which diffusers' scale is 1 + w. Raises
        FloatingPointError where the precision is too small for the model.
        """
        chance = PathSampler.from_seed(seed, [path]).generators[path]
        with torch.inference_mode():
            made = self._pipeline(
                prompt, num_inference_steps=steps, guidance_scale=1 + guidance, generator=chance, output_type="np"
            )
        (image,) = made.images
        if not np.isfinite(image).all():
            raise FloatingPointError("This model gives numbers that are not finite: choose another --precision.")
        return (image * 255).round().astype(np.uint8)

    def codes(self, image: np.ndarray) -> np.ndarray:
        """Codes ``(tokens,)`` that the backend's image tokenizer makes of an image, at its own size."""
        magvit, (height, width) = self._backend.magvit, self.size
        small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].to(magvit.device, magvit.dtype) / 127.5 - 1
        with torch.inference_mode():
            return magvit.encode(pixels)[0].cpu().numpy()


def load(backend: Backend, model: str, root: Path | None, tell: Tell) -> WholeImageGenerator:
    """The pipeline of a registry's row, read into the processor's memory; its ``part`` is the repository.

    Raises UserError where it cannot be had.
    """
    disable_progress_bar()  # parts are read in a moment; downloads still show how far they are
    folder = fetch_pipeline(Place(MODELS[model].part), root, tell)
    with readable(f"The generator {model}", backend.name):
        pipeline = AutoPipelineForText2Image.from_pretrained(folder, torch_dtype=backend.dtype)
    return WholeImageGenerator(pipeline, backend)
