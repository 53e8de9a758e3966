"""How close a draw was to falling the other way, where two computations of one painting differ.

Both draw with the same random numbers, so they part only where a number falls between their two roundings of one
boundary: between two codes in a cumulative distribution, or between two tokens in the ranking of what is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..generator.decoding import PathSampler, draw, gumbel
from ..generator.pipeline import ShowoPipeline
from ..generator.schedules import temperatures
from ..settings import Settings
from .plain import Guess


class _Witness:
    """Draws as ``PathSampler`` does, and remembers the last draw."""

    def __init__(self, sampler: PathSampler):
        self._sampler = sampler

    def codes(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        # the sampler's next numbers, whatever they are for: ``noise`` hands them out as they are
        self.probs, self.uniform = probs, self._sampler.noise(probs, paths, step)
        return draw(probs, self.uniform)

    def noise(self, probs: torch.Tensor, paths: Sequence[int], step: int) -> torch.Tensor:
        self.noise_drawn = self._sampler.noise(probs, paths, step)
        return self.noise_drawn


def first_difference(
    ours: Mapping[tuple[int, int], Guess], other: Mapping[tuple[int, int], Guess], path: int
) -> int | None:
    """The first step that both painted of ``path`` and at which they differ; None where there is none."""
    steps = sorted(step for number, step in ours if number == path and (number, step) in other)
    return next((step for step in steps if ours[path, step] != other[path, step]), None)


def margin(pipeline: ShowoPipeline, settings: Settings, path: int, step: int, ours: Guess, other: Guess) -> float:
    """The margin of the draw by which two guesses of one step part; the largest, where several tokens do.

    For codes: the distance of the random number from the boundary between the two, as probability. For masks alone:
    the distance of the two tokens in the ranking, in log-probability.
    """
    s = settings
    witness = _Witness(PathSampler.from_seed(s.seed, [path]))
    painting = pipeline.start(s.prompt, [path], s.steps, s.guidance, s.temperature, s.seed, sampler=witness)
    while painting.taken(path) <= step:
        painted = painting.step()
    parted = [token for token, (a, b) in enumerate(zip(ours[0], other[0])) if a != b]
    if parted:
        cumulative = witness.probs[0].cumsum(-1)
        drawn = witness.uniform[0] * cumulative[:, -1]
        edges = [cumulative[token, min(ours[0][token], other[0][token])] for token in parted]
        return max(abs(float(drawn[token] - edge)) for token, edge in zip(parted, edges))
    annealing = pipeline.settings().annealing
    temperature = temperatures(annealing, s.temperature, s.steps, path)[step]
    rank = painted.confidence[0].log() + temperature * gumbel(witness.noise_drawn[0]).cpu()
    one, two = (sorted(set(a) - set(b)) for a, b in ((ours[1], other[1]), (other[1], ours[1])))
    return float((rank[one][:, None] - rank[two]).abs().max())
