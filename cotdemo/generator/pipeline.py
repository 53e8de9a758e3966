"""Show-o as a diffusers pipeline, and a painting that can be watched, pruned and resumed step by step."""

# No postponed annotations here: diffusers 0.36 reads the types of a pipeline's components and cannot resolve strings.
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from transformers import PreTrainedTokenizerBase

from ..errors import UserError
from .decoding import UNPAINTED, BatchSampler, PathSampler, Sampler, certain, guided, mask_predict, unpainted
from .image_block import Prefix
from .magvit import MagvitV2
from .schedules import masked_counts, temperatures
from .showo import Showo

Form = Literal["fast", "plain"]
MAX_STEPS = 1000


@dataclass(frozen=True)
class Settings:
    """How to decode. Raises ``UserError`` for values that make no painting."""

    steps: int
    guidance: float
    temperature: float
    annealing: str
    schedule: str

    def __post_init__(self):
        if not 1 <= self.steps <= MAX_STEPS:
            raise UserError(f"A painting takes 1 to {MAX_STEPS} steps, not {self.steps}.")
        for name, value in (("guidance", self.guidance), ("temperature", self.temperature)):
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"The {name} must be a number from 0 on, not {value}.")
        temperatures(self.annealing, self.temperature, self.steps)
        masked_counts(self.schedule, self.steps, 1)


class Context(Protocol):
    """What a repainting starts from (self-correction): the previous picture and the words on what is wrong with it."""

    prompt_codes: Sequence[int]
    critique: str


class Step(NamedTuple):
    """One step of some paths; tensors on the CPU."""

    index: int
    paths: tuple[int, ...]
    codes: torch.Tensor  # (paths, tokens) int64: the guess
    masked: torch.Tensor  # (paths, tokens) bool: masked again after this step
    confidence: torch.Tensor  # (paths, tokens) float32: probability of the sampled code, 1.0 where it was known


class FastForm:
    """Code logits with every prefix read once, and every row of the batch in one forward pass."""

    def __init__(self, showo: Showo, prefixes: Sequence[Sequence[int]], unconditional: Sequence[int] | None):
        self._showo = showo
        different = list(dict.fromkeys(map(tuple, prefixes)))
        self._row = [different.index(tuple(prefix)) for prefix in prefixes]
        if unconditional is not None:
            different.append(tuple(unconditional))
        self._unconditional = None if unconditional is None else len(different) - 1
        self._prefix = showo.read(showo.vocabulary.padded(different).to(showo.device))
        self._selected: tuple[tuple[int, ...], Prefix] = ((), self._prefix)

    def __call__(
        self, canvas: torch.Tensor, paths: Sequence[int], where: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Conditional and unconditional logits ``(paths, n, codes)`` of a canvas at the tokens ``where (paths, n)``.

        ``paths`` count from 0.
        """
        rows = [self._row[path] for path in paths]
        if self._unconditional is not None:
            rows += [self._unconditional] * len(paths)
            canvas, where = torch.cat([canvas, canvas]), torch.cat([where, where])
        if where.shape[1] == canvas.shape[1]:  # nothing is painted yet, so rows of one prefix are the same
            different = sorted(set(rows))
            again = torch.tensor([different.index(row) for row in rows], device=canvas.device)
            logits = self._logits(canvas[: len(different)], different, where[: len(different)])[again]
        else:
            logits = self._logits(canvas, rows, where)
        return (logits, None) if self._unconditional is None else logits.chunk(2)

    def _logits(self, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor) -> torch.Tensor:
        if tuple(rows) != self._selected[0]:  # the batch changes only when a path leaves or returns
            self._selected = tuple(rows), self._prefix.select(torch.tensor(rows, device=self._showo.device))
        return self._showo.image_logits(canvas, self._selected[1], where)


class PlainForm:
    """Code logits as the original computes them: whole padded sequences, and logits for every position and id."""

    def __init__(self, showo: Showo, prefixes: Sequence[Sequence[int]], unconditional: Sequence[int] | None):
        self._showo, self._prefixes, self._unconditional = showo, prefixes, unconditional
        self._length = max(showo.vocabulary.max_text + 1, *map(len, [*prefixes, unconditional or ()]))

    def __call__(
        self, canvas: torch.Tensor, paths: Sequence[int], where: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As ``FastForm``."""
        prefixes = [self._prefixes[path] for path in paths]
        if self._unconditional is None:
            return self._logits(prefixes, canvas, where), None
        prefixes += [self._unconditional] * len(paths)
        return self._logits(prefixes, torch.cat([canvas, canvas]), torch.cat([where, where])).chunk(2)

    def _logits(self, prefixes: Sequence[Sequence[int]], canvas: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        vocabulary = self._showo.vocabulary
        ids = vocabulary.sequences(prefixes, canvas, padded_to=self._length)
        logits = self._showo(ids, vocabulary.attention(ids))
        logits = logits[:, -canvas.shape[1] - 1 : -1, vocabulary.first_code : vocabulary.mask]
        return logits[torch.arange(len(ids), device=ids.device)[:, None], where]


FORMS: dict[str, type[FastForm] | type[PlainForm]] = {"fast": FastForm, "plain": PlainForm}


class Painting:
    """Paths being painted. Made by ``ShowoPipeline.start``; ``step`` until ``done``.

    A path keeps its number, its canvas and its step count when dropped, so that ``restore`` resumes it exactly where
    it stopped. ``passes`` counts sequences run through the generator: a guided step of one path is two, reading the
    prefixes is not counted.
    """

    def __init__(
        self,
        pipeline: "ShowoPipeline",
        form: FastForm | PlainForm,
        sampler: Sampler,
        paths: Iterable[int],
        settings: Settings,
        paths_per_pass: int | None = None,
        after: Step | None = None,
    ):
        self._pipeline, self._form, self._sampler, self._settings = pipeline, form, sampler, settings
        self._row = {path: row for row, path in enumerate(paths)}
        self._live = set(self._row)
        self._taken = dict.fromkeys(self._row, 0)
        self._per_pass = paths_per_pass
        tokens = pipeline.showo.config.num_vq_tokens
        self._canvas = torch.full((len(self._row), tokens), UNPAINTED, device=pipeline.showo.device)
        self._masked = masked_counts(settings.schedule, settings.steps, tokens)
        rule = (settings.annealing, settings.temperature, settings.steps)
        self._temperatures = {path: temperatures(*rule, path=path) for path in self._row}
        self.passes = 0
        if after is not None:
            self._go_on(after)

    def _go_on(self, after: Step) -> None:
        """Take over the canvas that a step of another painting left behind. Raises ``UserError`` if it has none for
        each path, or if these settings would have left another number of tokens masked."""
        fits = after.codes.shape == self._canvas.shape and after.index < self.steps
        if not fits or (after.masked.sum(1) != self._masked[after.index]).any():
            raise UserError("A painting goes on after a step with a row for each path and with the same settings.")
        self._canvas[:] = after.codes.masked_fill(after.masked, UNPAINTED)
        self._taken = dict.fromkeys(self._row, after.index + 1)

    @property
    def steps(self) -> int:
        return self._settings.steps

    @property
    def live(self) -> tuple[int, ...]:
        """Paths not dropped, in their order; a finished path stays among them."""
        return tuple(path for path in self._row if path in self._live)

    @property
    def done(self) -> bool:
        """Whether every live path has taken all its steps."""
        return all(self._taken[path] == self.steps for path in self._live)

    @property
    def passes_saved(self) -> int:
        """Passes that the paths dropped now will not need."""
        left = sum(self.steps - taken for path, taken in self._taken.items() if path not in self._live)
        return left * self._passes_per_step

    @property
    def _passes_per_step(self) -> int:
        return 2 if self._settings.guidance > 0 else 1

    def taken(self, path: int) -> int:
        """Steps that ``path`` has taken."""
        return self._taken[path]

    def drop(self, paths: Iterable[int]) -> None:
        """Take ``paths`` out of the batch from the next step on. Raises ``ValueError`` for a path not among these."""
        self._live -= self._known(paths)

    def restore(self, path: int) -> None:
        """Put a dropped path back; ``step`` first takes the steps it has missed."""
        self._live |= self._known([path])

    def _known(self, paths: Iterable[int]) -> set[int]:
        named = set(paths)
        if not named <= set(self._row):
            raise ValueError(f"This painting has the paths {sorted(self._row)}, not {sorted(named - set(self._row))}.")
        return named

    @torch.no_grad()
    def step(self) -> Step:
        """Take the next step of the live paths that are furthest behind: all of them, unless some were restored.

        Raises ``RuntimeError`` when nothing is left to paint.
        """
        if self.done:
            raise RuntimeError("This painting is finished; start another one.")
        index = min(self._taken[path] for path in self._live)
        paths = tuple(path for path in self.live if self._taken[path] == index)
        size = self._per_pass or len(paths)
        parts = [self._advance(paths[first : first + size], index) for first in range(0, len(paths), size)]
        for path in paths:
            self._taken[path] += 1
        self.passes += len(paths) * self._passes_per_step
        return Step(index, paths, *(torch.cat(tensors).cpu() for tensors in zip(*parts, strict=True)))

    def _advance(self, paths: tuple[int, ...], index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = [self._row[path] for path in paths]
        canvas = self._canvas[rows]
        where = unpainted(canvas)
        logits = guided(*self._form(canvas, rows, where), self._settings.guidance)
        probs = certain(canvas, where, logits.softmax(-1))
        temperature = torch.tensor([[self._temperatures[path][index]] for path in paths], device=canvas.device)
        sampled = self._sampler.codes(probs, paths, index)
        noise = self._sampler.noise(probs, paths, index)
        predicted = mask_predict(canvas, probs, sampled, noise, self._masked[index], temperature)
        self._canvas[rows] = predicted.canvas
        return predicted.codes, predicted.masked, predicted.confidence

    def decode(self, codes: torch.Tensor | np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
        """Pictures ``(paths, height, width, 3)`` uint8 of codes ``(paths, tokens)``."""
        return self._pipeline.decode(codes, self._per_pass)


class ShowoPipeline(DiffusionPipeline):
    """Text to picture with Show-o, MAGVIT-v2 and a transformers tokenizer.

    ``steps`` to ``schedule`` are the defaults of this checkpoint: those of the released models, unless its
    ``model_index.json`` says otherwise. ``keep_picture`` says whether the unconditional branch of a repainting keeps
    the previous picture.
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
        keep_picture: bool = False,
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
            keep_picture=keep_picture,
        )

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Token rows and columns of a picture."""
        side = math.isqrt(self.showo.config.num_vq_tokens)
        return side, side

    def settings(
        self,
        steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
        annealing: str | None = None,
        schedule: str | None = None,
    ) -> Settings:
        """The checkpoint's settings, with those given in their place."""
        given = {
            "steps": steps,
            "guidance": guidance,
            "temperature": temperature,
            "annealing": annealing,
            "schedule": schedule,
        }
        return Settings(**{name: self.config[name] if value is None else value for name, value in given.items()})

    def start(
        self,
        prompt: str | Sequence[str],
        paths: Sequence[int],
        steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
        seed: int = 0,
        *,
        context: Context | Sequence[Context] | None = None,
        after: Step | None = None,
        annealing: str | None = None,
        schedule: str | None = None,
        keep_picture: bool | None = None,
        sampler: Sampler | None = None,
        form: Form = "fast",
        paths_per_pass: int | None = None,
    ) -> Painting:
        """Begin to paint ``paths`` of one prompt, or of one prompt each; None means this checkpoint's default.

        Path i is the same whatever the other paths are: each has its own random generator, from a hash of ``seed``
        and its number. In float32 on the CPU that is exact; on a GPU it holds up to the rounding of kernels that
        depend on the batch size, and ``paths_per_pass=1`` makes it exact there too. ``paths_per_pass`` also bounds
        the memory of a step. ``context`` repaints a picture after a critique, or one for each path. ``after`` goes on
        from a step of another painting, row r as the r-th path: what that step kept stays, and the rest is painted
        with this painting's own chance (the rollouts of arXiv 2501.13926 section 4.1). ``sampler`` replaces the
        source of chance, ``form="plain"`` the fast computation by the original's.

        Raises ``UserError`` for settings, paths, a context or a step that make no painting.
        """
        if not paths or len(set(paths)) < len(paths):
            raise UserError("Name at least one path, and each path once.")
        settings = self.settings(steps, guidance, temperature, annealing, schedule)
        keep_picture = self.config.keep_picture if keep_picture is None else keep_picture
        vocabulary = self.showo.vocabulary
        prompts = [prompt] * len(paths) if isinstance(prompt, str) else prompt
        contexts = context if isinstance(context, Sequence) else [context] * len(paths)
        for what, given in (("prompts", prompts), ("contexts", contexts)):
            if len(given) != len(paths):
                raise UserError(f"{len(given)} {what} were given for {len(paths)} paths.")
        prefixes = [self._prefix(text, one) for text, one in zip(prompts, contexts)]
        previous = {tuple(one.prompt_codes) for one in contexts if one is not None} if keep_picture else set()
        if len(previous) > 1:
            raise UserError("An unconditional branch that keeps the picture takes one picture for all paths.")
        unconditional = vocabulary.prefix(previous=next(iter(previous), None))
        sampler = sampler or PathSampler.from_seed(seed, paths)
        return self._painting(prefixes, unconditional, paths, sampler, settings, form, paths_per_pass, after)

    def reopened(
        self, codes: Sequence[int] | np.ndarray, order: np.ndarray, share: float, steps: int | None = None
    ) -> Step:
        """The step of a painting of ``steps`` from which ``start(..., after=)`` paints part of a picture anew.

        ``codes`` are the picture's ``(tokens,)``, or those of one for each path. Of each path those tokens are masked
        that come first in ``order (paths, tokens)``, as many as after some step but the last, and as near to ``share``
        of them as can be. Raises ``UserError`` for less than two steps, which have none.
        """
        steps = self.config.steps if steps is None else steps
        if steps < 2:
            raise UserError("A picture is painted anew in part by 2 steps or more.")
        tokens = torch.as_tensor(codes)
        size = tokens.shape[-1]
        counts = torch.tensor(masked_counts(self.config.schedule, steps, size))
        index = int((counts[:-1] - share * size).abs().argmin())
        masked = torch.as_tensor(order).argsort(1).argsort(1) < counts[index]
        known = torch.ones(masked.shape)
        return Step(index, tuple(range(len(masked))), tokens.expand(masked.shape), masked, known)

    def _prefix(self, prompt: str, context: Context | None) -> list[int]:
        """What stands before the picture of one path."""
        if context is None:
            return self.showo.vocabulary.prefix(self._words(prompt))
        tokens = self.showo.config.num_vq_tokens
        if len(context.prompt_codes) != tokens:
            raise UserError(f"A picture has {tokens} tokens, the one to correct {len(context.prompt_codes)}.")
        return self.showo.vocabulary.prefix(self._words(prompt), context.prompt_codes, self._words(context.critique))

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
        """Paint pictures, with diffusers' call conventions.

        Args:
            prompt: one text, or several.
            num_inference_steps: mask-predict steps.
            guidance_scale: w of ``(1 + w) conditional - w unconditional``; 0 runs no unconditional branch.
            generator: one for the whole batch (draws in the order of the original code), or one per picture.
            temperature, annealing, schedule: see ``cotdemo.generator.schedules``.
            output_type: "pil"; "np" ``(pictures, height, width, 3)`` or "pt" ``(pictures, 3, height, width)`` in
                [0, 1]; "latent" for the codes ``(pictures, tokens)``.
            callback_on_step_end: called as ``callback(pipeline, step, step, tensors)`` after each step with those of
                "codes", "masked", "confidence" that are named in ``callback_on_step_end_tensor_inputs``; what it
                returns is not used. Setting ``pipeline._interrupt`` in it ends the painting with the present guess.

        Raises ``UserError`` for settings that make no painting, ``ValueError`` for arguments at odds.
        """
        unknown = set(callback_on_step_end_tensor_inputs) - set(self._callback_tensor_inputs)
        if unknown:
            raise ValueError(f"{sorted(unknown)} cannot be passed to a callback, only {self._callback_tensor_inputs}.")
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if not prompts or num_images_per_prompt < 1:
            raise ValueError("Give at least one prompt, and at least 1 for num_images_per_prompt.")
        prefixes = [self.showo.vocabulary.prefix(self._words(text)) for text in prompts]
        prefixes = [prefix for prefix in prefixes for _ in range(num_images_per_prompt)]
        paths = range(len(prefixes))
        if generator is None or isinstance(generator, torch.Generator):
            sampler: Sampler = BatchSampler(generator)
        elif len(generator) == len(prefixes):
            sampler = PathSampler(dict(enumerate(generator)))
        else:
            raise ValueError(f"{len(generator)} generators for {len(prefixes)} pictures: give one, or one each.")
        settings = self.settings(num_inference_steps, guidance_scale, temperature, annealing, schedule)
        unconditional = self.showo.vocabulary.prefix()
        painting = self._painting(prefixes, unconditional, paths, sampler, settings)

        self._interrupt = False
        with self.progress_bar(total=settings.steps) as progress:
            while not painting.done and not self._interrupt:
                step = painting.step()
                if callback_on_step_end is not None:
                    tensors = {name: getattr(step, name) for name in callback_on_step_end_tensor_inputs}
                    callback_on_step_end(self, step.index, step.index, tensors)
                progress.update()

        images = self._output(step.codes, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @torch.no_grad()
    def decode(
        self, codes: torch.Tensor | np.ndarray | Sequence[Sequence[int]], pictures_per_pass: int | None = None
    ) -> np.ndarray:
        """Pictures ``(pictures, height, width, 3)`` uint8 of codes ``(pictures, tokens)``."""
        codes = torch.as_tensor(codes, device=self.magvit.device)
        parts = codes.split(pictures_per_pass or len(codes))
        return np.concatenate([self.magvit.to_uint8(self.magvit.decode(part, self.grid)) for part in parts])

    def _output(self, codes: torch.Tensor, output_type: str) -> Any:
        if output_type == "latent":
            return codes
        pictures = self.decode(codes)
        if output_type == "pil":
            return self.numpy_to_pil(pictures.astype(np.float32) / 255)
        if output_type == "np":
            return pictures.astype(np.float32) / 255
        if output_type == "pt":
            return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        raise ValueError(f"There is no output_type {output_type!r}. Choose one of: pil, np, pt, latent.")

    def _painting(
        self, prefixes, unconditional, paths, sampler, settings, form="fast", paths_per_pass=None, after=None
    ) -> Painting:
        with torch.no_grad():
            computed = FORMS[form](self.showo, prefixes, unconditional if settings.guidance > 0 else None)
        return Painting(self, computed, sampler, paths, settings, paths_per_pass, after)

    def _words(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids
