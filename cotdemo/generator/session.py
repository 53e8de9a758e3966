"""A sampling session: one batch of paths through their mask-predict steps, for any masked generator.

Paths can be dropped and restored at any step, and path i is the same whatever the other paths are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..compute.memory import halving
from ..errors import UserError
from .chance import Sampler
from .mask_predict import MASKED, likeliest, mask_predict, masked_positions, with_known
from .schedule import Unmasking

if TYPE_CHECKING:
    from .protocol import MaskedGenerator


class Step(NamedTuple):
    """One step of some paths; tensors on the CPU."""

    index: int
    paths: tuple[int, ...]
    codes: torch.Tensor  # (paths, tokens) int64: the x0 guess
    masked: torch.Tensor  # (paths, tokens) bool: masked again after this step
    confidence: torch.Tensor  # (paths, tokens) float32: probability of the sampled code, 1.0 where it was known


class Marked(Step):
    """One that no session has taken: any tokens are masked, as many of each path, and some steps are left for them."""


class SamplingSession:
    """Paths being sampled. Made by ``MaskedGenerator.start``; ``step`` until ``done``, or iterate over its steps.

    ``prefix`` is what the generator's ``prefill`` returned for ``paths``. A path keeps its number, its canvas and its
    step count when dropped, so that ``restore`` resumes it exactly where it stopped. ``paths_per_pass`` bounds the
    batch of a forward pass; one that the device's memory does not suffice for is halved. Codes are drawn from the
    ``top_k`` likeliest of each token, 0 for all, and their confidence is that among all codes. With ``after``, row r of
    that step is where the r-th path goes on; raises ``UserError`` where it has no row for each path, or where this
    session would have left another number of tokens masked, unless it is ``Marked``.
    """

    def __init__(
        self,
        generator: MaskedGenerator,
        prefix: Any,
        unmasking: Unmasking,
        paths: Sequence[int],
        sampler: Sampler,
        *,
        after: Step | None = None,
        paths_per_pass: int | None = None,
        top_k: int = 0,
    ):
        self._generator, self._prefix, self._unmasking, self._sampler = generator, prefix, unmasking, sampler
        self._row = {path: row for row, path in enumerate(paths)}
        self._live = set(self._row)
        self._taken = dict.fromkeys(self._row, 0)
        self._per_pass, self._top_k = paths_per_pass, top_k
        self._canvas = torch.full((len(self._row), generator.tokens), MASKED, device=generator.device)
        if after is not None:
            self._go_on(after)

    def _go_on(self, after: Step) -> None:
        fits = after.codes.shape == self._canvas.shape and after.index < self.steps
        if fits and isinstance(after, Marked):  # the number of tokens falls as that of a whole image in so many steps
            whole = self._generator.unmasking(self.steps - after.index - 1, 0.0, ()).masked
            count = int(after.masked[0].sum())
            wanted = (masked * count // self._canvas.shape[1] for masked in whole)
            self._unmasking = self._unmasking.resumed(after.index, count, wanted)
        if not fits or (after.masked.sum(1) != self._unmasking.masked[after.index]).any():
            raise UserError("Sampling goes on after a step with a row for each path and with the same settings.")
        self._canvas[:] = after.codes.masked_fill(after.masked, MASKED)
        self._taken = dict.fromkeys(self._row, after.index + 1)

    @property
    def steps(self) -> int:
        return self._unmasking.steps

    @property
    def live(self) -> tuple[int, ...]:
        """Paths not dropped, in their order; a finished path stays among them."""
        return tuple(path for path in self._row if path in self._live)

    @property
    def done(self) -> bool:
        """Whether every live path has taken all its steps."""
        return all(self._taken[path] == self.steps for path in self._live)

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
            raise ValueError(f"This session has the paths {sorted(self._row)}, not {sorted(named - set(self._row))}.")
        return named

    def __iter__(self) -> Iterator[Step]:
        while not self.done:
            yield self.step()

    @torch.no_grad()
    def step(self) -> Step:
        """Take the next step of the live paths that are furthest behind: all of them, unless some were restored.

        Raises ``RuntimeError`` when nothing is left to sample.
        """
        if self.done:
            raise RuntimeError("This session is finished; start another one.")
        index = min(self._taken[path] for path in self._live)
        paths = tuple(path for path in self.live if self._taken[path] == index)
        size = self._per_pass or len(paths)
        parts = [self._advance(paths[first : first + size], index) for first in range(0, len(paths), size)]
        for path in paths:
            self._taken[path] += 1
        joined = parts[0] if len(parts) == 1 else [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        return Step(index, paths, *(tensor.cpu() for tensor in joined))

    def _advance(self, paths: tuple[int, ...], index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        order, rows = self._unmasking, [self._row[path] for path in paths]
        canvas = self._canvas[rows]
        where = None if self._generator.every_token and index else masked_positions(canvas)

        def distributions(of: Sequence[int]) -> torch.Tensor:
            part = slice(of[0], of[-1] + 1)
            logits = self._generator.logits(
                self._prefix, canvas[part], rows[part], None if where is None else where[part]
            )
            return logits.softmax(-1)

        probs = halving(distributions, range(len(rows)))
        if where is not None:
            probs = with_known(canvas, where, probs)
        temperature = torch.tensor([[order.temperatures[path][index]] for path in paths], device=canvas.device)
        sampled = self._sampler.codes(likeliest(probs, self._top_k), paths, index)
        noise = self._sampler.noise(probs, paths, index)
        predicted = mask_predict(canvas, probs, sampled, noise, order.masked[index], temperature, order.rank)
        self._canvas[rows] = predicted.canvas
        return predicted.codes, predicted.masked, predicted.confidence

    @torch.no_grad()
    def decode(self, codes: torch.Tensor | np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
        """Images ``(rows, height, width, 3)`` uint8 of codes ``(rows, tokens)``."""
        codes = torch.as_tensor(codes)
        return np.concatenate([self._generator.decode(part) for part in codes.split(self._per_pass or len(codes))])
