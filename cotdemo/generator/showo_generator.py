"""Show-o as a masked generator: its prefill and logits in two forms, its corrections, its order of unmasking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..compute.graphs import Replayed
from ..errors import UserError
from .chance import PathSampler, Sampler
from .magvit import MagvitV2
from .mask_predict import guided
from .protocol import Context, MaskedGenerator, one_each
from .schedule import SamplingConfig, Unmasking
from .session import Marked, SamplingSession, Step
from .showo import Showo

Form = Literal["fast", "plain"]
Ids = Sequence[int]


class CachedPrefix:
    """Code logits with every prefix computed once, and every row of the batch in one forward pass."""

    def __init__(self, showo: Showo, prefixes: Sequence[Ids], unconditional: Ids | None):
        self._showo = showo
        different = list(dict.fromkeys(map(tuple, prefixes)))
        self._row = [different.index(tuple(prefix)) for prefix in prefixes]
        if unconditional is not None:
            different.append(tuple(unconditional))
        self._unconditional = None if unconditional is None else len(different) - 1
        self._prefix = showo.prefill(showo.vocabulary.padded(different).to(showo.device))
        self._selected: tuple[int, ...] = ()

    def __call__(
        self, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Conditional and unconditional logits ``(rows, n, codes)`` of a canvas at the tokens ``where (rows, n)``, or
        without ``where`` of all.

        ``rows`` are those of the prefixes, which count from 0.
        """
        rows = [self._row[row] for row in rows]
        if self._unconditional is not None:
            rows += [self._unconditional] * len(rows)
            canvas, where = torch.cat([canvas, canvas]), None if where is None else torch.cat([where, where])
        if where is not None and where.shape[1] == canvas.shape[1]:  # nothing is known, rows are their prefixes
            different = sorted(set(rows))
            again = torch.tensor([different.index(row) for row in rows], device=canvas.device)
            logits = self._logits(canvas[: len(different)], different, where[: len(different)])[again]
        else:
            logits = self._logits(canvas, rows, where)
        return (logits, None) if self._unconditional is None else logits.float().chunk(2)

    def _logits(self, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None) -> torch.Tensor:
        if tuple(rows) != self._selected:  # the batch changes only when a path leaves or returns
            self._selected = tuple(rows)
            prefix = self._prefix.select(torch.tensor(rows, device=self._showo.device))
            self._at = partial(self._showo.image_logits, prefix=prefix)
            self._of_all = Replayed(self._at) if self._showo.replayed else self._at
        return self._of_all(canvas) if where is None else self._at(canvas, where=where)


class WholeSequences:
    """Code logits as the original computes them: whole padded sequences, and logits for every position and id."""

    def __init__(self, showo: Showo, prefixes: Sequence[Ids], unconditional: Ids | None):
        self._showo, self._prefixes, self._unconditional = showo, prefixes, unconditional
        self._length = max(showo.vocabulary.max_text + 1, *map(len, [*prefixes, unconditional or ()]))

    def __call__(
        self, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As ``CachedPrefix``."""
        prefixes = [self._prefixes[row] for row in rows]
        if self._unconditional is None:
            return self._logits(prefixes, canvas, where), None
        prefixes += [self._unconditional] * len(rows)
        where = None if where is None else torch.cat([where, where])
        return self._logits(prefixes, torch.cat([canvas, canvas]), where).chunk(2)

    def _logits(self, prefixes: Sequence[Ids], canvas: torch.Tensor, where: torch.Tensor | None) -> torch.Tensor:
        vocabulary = self._showo.vocabulary
        ids = vocabulary.sequences(prefixes, canvas, padded_to=self._length)
        logits = self._showo(ids, vocabulary.attention(ids))
        logits = logits[:, -canvas.shape[1] - 1 : -1, vocabulary.first_code : vocabulary.mask]
        return logits if where is None else logits[torch.arange(len(ids), device=ids.device)[:, None], where]


FORMS: dict[str, type[CachedPrefix] | type[WholeSequences]] = {"fast": CachedPrefix, "plain": WholeSequences}


class Prefilled(NamedTuple):
    """Prefixes of a session, in one of the two forms."""

    branches: CachedPrefix | WholeSequences
    guidance: float


class ShowoGenerator(MaskedGenerator):
    """Mixin of ``ShowoPipeline``, which holds the parts and, in its config, this checkpoint's defaults."""

    tokenizer: PreTrainedTokenizerBase
    showo: Showo
    magvit: MagvitV2

    @property
    def device(self) -> torch.device:
        """Where the transformer is; diffusers asks whichever part it comes to first."""
        return self.showo.device

    @property
    def tokens(self) -> int:
        return self.showo.config.num_vq_tokens

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Token rows and columns of an image."""
        side = math.isqrt(self.tokens)
        return side, side

    def settings(
        self,
        steps: int | None = None,
        guidance: float | None = None,
        temperature: float | None = None,
        annealing: str | None = None,
        schedule: str | None = None,
    ) -> SamplingConfig:
        """The checkpoint's defaults, with those given in their place."""
        given = {
            "steps": steps,
            "guidance": guidance,
            "temperature": temperature,
            "annealing": annealing,
            "schedule": schedule,
        }
        return SamplingConfig(**{name: self.config[name] if value is None else value for name, value in given.items()})

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
        sampler: Sampler | None = None,
        paths_per_pass: int | None = None,
        annealing: str | None = None,
        schedule: str | None = None,
        keep_image: bool | None = None,
        form: Form = "fast",
        top_k: int | None = None,
    ) -> SamplingSession:
        """As every ``MaskedGenerator``; None means this checkpoint's default.

        Independence of the other paths is exact in float32 on the CPU; on a GPU it holds up to the rounding of kernels
        that depend on the batch size, and ``paths_per_pass=1`` makes it exact there too. ``context`` corrects an image
        after a critique, or one for each path. What the step ``after`` kept stays, and the rest is sampled with this
        session's own chance (the rollouts of arXiv 2501.13926 section 4.1). ``form="plain"`` replaces the fast
        computation by the original's.

        Raises ``UserError`` for settings, paths, a context or a step that make no image.
        """
        prompts, contexts = one_each("prompts", prompt, paths), one_each("contexts", context, paths)
        config = self.settings(steps, guidance, temperature, annealing, schedule)
        prefix = self.prefill(prompts, config.guidance, contexts, keep_image, form)
        sampler = sampler or PathSampler.from_seed(seed, paths)
        order = self.unmasking(steps, temperature, paths, annealing, schedule)
        return SamplingSession(
            self, prefix, order, paths, sampler,
            after=after, paths_per_pass=paths_per_pass, top_k=self.config.top_k if top_k is None else top_k,
        )  # fmt: skip

    def reopened(
        self, codes: Sequence[int] | np.ndarray, order: np.ndarray, share: float, steps: int | None = None
    ) -> Step:
        return super().reopened(codes, order, share, self.settings(steps).steps)

    def masked_at(
        self, codes: Sequence[int] | np.ndarray, marked: np.ndarray, steps: int | None = None, most: int | None = None
    ) -> Marked:
        return super().masked_at(codes, marked, self.settings(steps).steps, most)

    @torch.no_grad()
    def prefill(
        self,
        prompts: Sequence[str],
        guidance: float,
        contexts: Sequence[Context | None],
        keep_image: bool | None = None,
        form: Form = "fast",
    ) -> Prefilled:
        prefixes = [self._prefix(prompt, context) for prompt, context in zip(prompts, contexts)]
        keep_image = self.config.keep_image if keep_image is None else keep_image
        previous = {tuple(context.prompt_codes) for context in contexts if context is not None} if keep_image else set()
        if len(previous) > 1:
            raise UserError("An unconditional branch that keeps the image takes one image for all paths.")
        unconditional = self.showo.vocabulary.prefix(previous=next(iter(previous), None)) if guidance > 0 else None
        return Prefilled(FORMS[form](self.showo, prefixes, unconditional), guidance)

    def _prefix(self, prompt: str, context: Context | None) -> list[int]:
        """What stands before the image of one path."""
        if context is None:
            return self.showo.vocabulary.prefix(self._ids(prompt))
        if len(context.prompt_codes) != self.tokens:
            raise UserError(f"An image has {self.tokens} tokens, the one to correct {len(context.prompt_codes)}.")
        return self.showo.vocabulary.prefix(self._ids(prompt), context.prompt_codes, self._ids(context.critique))

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    @property
    def every_token(self) -> bool:
        return self.device.type != "cpu"

    def logits(
        self, prefix: Prefilled, canvas: torch.Tensor, rows: Sequence[int], where: torch.Tensor | None
    ) -> torch.Tensor:
        return guided(*prefix.branches(canvas, rows, where), prefix.guidance)

    def unmasking(
        self,
        steps: int | None,
        temperature: float | None,
        paths: Sequence[int],
        annealing: str | None = None,
        schedule: str | None = None,
    ) -> Unmasking:
        return self.settings(steps, None, temperature, annealing, schedule).unmasking(self.tokens, paths)

    @torch.no_grad()
    def decode(self, codes: torch.Tensor | np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
        """Images ``(images, height, width, 3)`` uint8 of codes ``(images, tokens)``."""
        codes = torch.as_tensor(codes, device=self.magvit.device)
        return self.magvit.images(codes, self.grid)
