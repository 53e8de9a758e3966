"""The order of unmasking: how many tokens stay masked after each step, and how much noise the choice of them has.

Mask schedules are functions of the share of steps taken (MaskGIT, arXiv 2202.04200 section 3.3). They are float32
arithmetic on purpose: with cosine, 12 steps and 256 tokens, step 8 leaves 127 tokens masked and not 128, and the
released models were measured so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from ..errors import UserError
from .mask_predict import Rank, noisy_confidence

MAX_STEPS = 1000


@dataclass(frozen=True)
class Unmasking:
    """A generator's order of unmasking. Every path has the same number of tokens masked after each step.

    Of the new tokens those of the lowest ``rank`` are masked again, as many as ``masked`` says for the step.
    """

    masked: tuple[int, ...]  # tokens left masked after each step
    temperatures: Mapping[int, tuple[float, ...]]  # of the noise in a path's ranks, at each step
    rank: Rank = noisy_confidence

    @property
    def steps(self) -> int:
        return len(self.masked)

    def resumed(self, index: int, masked: int, wanted: Iterable[int]) -> Unmasking:
        """The same with ``masked`` tokens masked after step ``index``, and about so many as ``wanted`` after the next
        ones."""
        return replace(self, masked=(*self.masked[:index], masked, *_falling(masked, wanted)))


@dataclass(frozen=True)
class SamplingConfig:
    """How Show-o samples. Raises ``UserError`` for values that make no image."""

    steps: int
    guidance: float
    temperature: float
    annealing: str
    schedule: str

    def __post_init__(self):
        if not 1 <= self.steps <= MAX_STEPS:
            raise UserError(f"An image takes 1 to {MAX_STEPS} steps, not {self.steps}.")
        for name, value in (("guidance", self.guidance), ("temperature", self.temperature)):
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"The {name} must be a number from 0 on, not {value}.")
        temperatures(self.annealing, self.temperature, self.steps)
        masked_counts(self.schedule, self.steps, 1)

    def unmasking(self, tokens: int, paths: Iterable[int]) -> Unmasking:
        """The order in which images of ``tokens`` are unmasked."""
        rule = (self.annealing, self.temperature, self.steps)
        return Unmasking(
            masked_counts(self.schedule, self.steps, tokens), {path: temperatures(*rule, path) for path in paths}
        )


def _sigmoid(taken: torch.Tensor, start: float = -3.0, end: float = 3.0) -> torch.Tensor:
    first, last = torch.tensor(start).sigmoid(), torch.tensor(end).sigmoid()
    now = (taken * (end - start) + start).sigmoid()
    return _clipped((last - now) / (last - first))


def _clipped(ratio: torch.Tensor) -> torch.Tensor:
    return ratio.clamp(1e-6, 1.0)


SCHEDULES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "cosine": lambda taken: torch.cos(taken * math.pi * 0.5),
    "linear": lambda taken: _clipped(1.0 - taken),
    "sigmoid": _sigmoid,
    "pow2": lambda taken: _clipped(1.0 - taken**2),
}


def mask_ratio(schedule: str, taken: float) -> torch.Tensor:
    """Share of tokens left masked (float32 scalar) once the share ``taken`` of the steps is done."""
    return _named(SCHEDULES, schedule, "mask schedule")(torch.tensor(taken, dtype=torch.float32))


def masked_counts(schedule: str, steps: int, tokens: int) -> tuple[int, ...]:
    """Number of tokens masked again after each step, of ``tokens`` unknown ones at the start.

    Every step keeps at least one new token where two or more are unknown, and leaves at least one masked: also the
    last, whose image is therefore made of that step's sampled codes.
    """
    wanted = (int((tokens * mask_ratio(schedule, (step + 1) / steps)).floor()) for step in range(steps))
    return tuple(_falling(tokens, wanted))


def _falling(unknown: int, wanted: Iterable[int]) -> Iterator[int]:
    for count in wanted:
        unknown = max(1, min(unknown - 1, count))
        yield unknown


def _compounding(start: float, steps: int) -> list[float]:
    temperatures = []
    for step in range(steps):
        start = start * (1.0 - (step + 1) / steps)
        temperatures.append(start)
    return temperatures


ANNEALINGS: dict[str, Callable[[float, int], list[float]]] = {
    # the rule of Show-o: shrinks faster and faster, next to nothing after half of the steps
    "compounding": _compounding,
    "linear": lambda start, steps: [start * (1.0 - step / steps) for step in range(steps)],
    "constant": lambda start, steps: [start] * steps,
    # the released code of arXiv 2501.13926 never resets its temperature, so only the first path has any noise
    "released": _compounding,
}


def temperatures(annealing: str, start: float, steps: int, path: int = 0) -> tuple[float, ...]:
    """Temperature of the selection noise at each step of ``path``; the path matters to "released" only."""
    if annealing == "released" and path > 0:
        start = 0.0
    return tuple(_named(ANNEALINGS, annealing, "annealing")(start, steps))


def _named(table: dict, name: str, what: str):
    if name not in table:
        raise UserError(f"There is no {what} {name!r}. Choose one of: {', '.join(table)}.")
    return table[name]
