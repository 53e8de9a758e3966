"""Earlier names of ``chance`` and ``mask_predict``; they go with the renaming of what uses them."""

from .chance import BatchSampler, PathSampler, RecordedSampler, Sampler, draw
from .mask_predict import MASKED as UNPAINTED
from .mask_predict import guided, gumbel, mask_predict
from .mask_predict import masked_positions as unpainted
from .mask_predict import with_known as certain

__all__ = [
    "UNPAINTED",
    "BatchSampler",
    "PathSampler",
    "RecordedSampler",
    "Sampler",
    "certain",
    "draw",
    "guided",
    "gumbel",
    "mask_predict",
    "unpainted",
]
