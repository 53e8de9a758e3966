"""Show-o as a diffusers pipeline: ``pipeline(prompt, num_inference_steps=18).images``."""

# No postponed annotations here: diffusers 0.36 reads the types of a pipeline's components and cannot resolve strings.
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from transformers import PreTrainedTokenizerBase

from .chance import BatchSampler, PathSampler, Sampler
from .magvit import MagvitV2
from .session import SamplingSession, Step
from .showo import Showo
from .showo_generator import CachedPrefix, ShowoGenerator, WholeSequences

__all__ = ["FastForm", "SamplingSession", "PlainForm", "ShowoPipeline", "Step"]

# Earlier names; they go with the renaming of what uses them.
SamplingSession, FastForm, PlainForm = SamplingSession, CachedPrefix, WholeSequences


class ShowoPipeline(ShowoGenerator, DiffusionPipeline):
    """Text to image with Show-o, MAGVIT-v2 and a transformers tokenizer; ``start`` begins a session to step through.

    ``steps`` to ``schedule`` are the defaults of this checkpoint: those of the released models, unless its
    ``model_index.json`` says otherwise. ``keep_image`` says whether the unconditional branch of a correction keeps the
    previous image, ``top_k`` among how many of the likeliest codes each is drawn, 0 for all.

    Raises ``ValueError`` for parts that do not belong together.
    """

    model_cpu_offload_seq = "showo->magvit"
    _callback_tensor_inputs = ["codes", "masked", "confidence"]

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        showo: Showo,
        magvit: MagvitV2,
        steps: int = 18,
        guidance: float = 1.75,
        temperature: float = 1.0,
        annealing: str = "compounding",
        schedule: str = "cosine",
        keep_image: bool = False,
        top_k: int = 0,
    ):
        super().__init__()
        if tokenizer.eos_token_id != showo.config.eos_token_id:
            raise ValueError(
                f"The tokenizer ends a text with id {tokenizer.eos_token_id}, "
                f"but the generator expects {showo.config.eos_token_id}: they do not belong together."
            )
        if magvit.codebook_size != showo.config.codebook_size:
            raise ValueError(
                f"The image tokenizer has {magvit.codebook_size} codes, the generator {showo.config.codebook_size}: "
                "they do not belong together."
            )
        self.register_modules(tokenizer=tokenizer, showo=showo, magvit=magvit)
        self.register_to_config(
            steps=steps,
            guidance=guidance,
            temperature=temperature,
            annealing=annealing,
            schedule=schedule,
            keep_image=keep_image,
            top_k=top_k,
        )

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        num_images_per_prompt: int = 1,
        temperature: float | None = None,
        annealing: str | None = None,
        schedule: str | None = None,
        output_type: Literal["pil", "np", "pt", "latent"] = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[["ShowoPipeline", int, int, dict[str, Any]], Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("codes",),
    ) -> ImagePipelineOutput | tuple[Any]:
        """Sample images, with diffusers' call conventions.

        Args:
            prompt: one text, or several.
            num_inference_steps: mask-predict steps.
            guidance_scale: w of ``(1 + w) conditional - w unconditional``; 0 runs no unconditional branch.
            generator: one for the whole batch (draws in the order of the original code), or one per image.
            temperature, annealing, schedule: see ``cotdemo.generator.schedule``.
            output_type: "pil"; "np" ``(images, height, width, 3)`` or "pt" ``(images, 3, height, width)`` in [0, 1];
                "latent" for the codes ``(images, tokens)``.
            callback_on_step_end: called as ``callback(pipeline, step, step, tensors)`` after each step with those of
                "codes", "masked", "confidence" that are named in ``callback_on_step_end_tensor_inputs``; what it
                returns is not used. Setting ``pipeline._interrupt`` in it ends sampling with the present x0 guess.

        Raises ``UserError`` for settings that make no image, ``ValueError`` for arguments at odds.
        """
        unknown = set(callback_on_step_end_tensor_inputs) - set(self._callback_tensor_inputs)
        if unknown:
            raise ValueError(f"{sorted(unknown)} cannot be passed to a callback, only {self._callback_tensor_inputs}.")
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if not prompts or num_images_per_prompt < 1:
            raise ValueError("Give at least one prompt, and at least 1 for num_images_per_prompt.")
        prompts = [text for text in prompts for _ in range(num_images_per_prompt)]
        session = self.start(
            prompts, range(len(prompts)), num_inference_steps, guidance_scale, temperature,
            annealing=annealing, schedule=schedule, sampler=_sampler(generator, len(prompts)),
        )  # fmt: skip

        self._interrupt = False
        with self.progress_bar(total=session.steps) as progress:
            for step in session:
                if callback_on_step_end is not None:
                    tensors = {name: getattr(step, name) for name in callback_on_step_end_tensor_inputs}
                    callback_on_step_end(self, step.index, step.index, tensors)
                progress.update()
                if self._interrupt:
                    break

        images = self._output(step.codes, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _output(self, codes: torch.Tensor, output_type: str) -> Any:
        if output_type == "latent":
            return codes
        images = self.decode(codes).astype(np.float32) / 255
        if output_type == "pil":
            return self.numpy_to_pil(images)
        if output_type == "np":
            return images
        if output_type == "pt":
            return torch.from_numpy(images).permute(0, 3, 1, 2)
        raise ValueError(f"There is no output_type {output_type!r}. Choose one of: pil, np, pt, latent.")


def _sampler(generator: torch.Generator | Sequence[torch.Generator] | None, images: int) -> Sampler:
    """The source of chance of a call's images: one generator for the batch, or one each."""
    if generator is None or isinstance(generator, torch.Generator):
        return BatchSampler(generator)
    if len(generator) != images:
        raise ValueError(f"{len(generator)} generators for {images} images: give one, or one each.")
    return PathSampler(dict(enumerate(generator)))
