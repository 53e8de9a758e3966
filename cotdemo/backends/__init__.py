"""A name -> generator, image tokenizer, verifiers and checker; loading, devices, dtypes.

``mini`` ships with this repository and needs no network. ``show-o`` and ``show-o-512`` are the released weights; what
is asked for is downloaded when it is first used. No backend ever stands in for another.
"""

from __future__ import annotations

from pathlib import Path

from ..compute.hardware import device_of
from ..compute.precision import AUTO
from ..errors import UserError
from ..registry import BACKENDS, EMBEDDED, resolve
from .base import Backend
from .embedded import MINI, RECIPE, MiniBackend, file_hash, mismatches, weights_hash
from .hub import Tell, is_zero_gpu
from .released import RELEASED, Released, ReleasedBackend

__all__ = [
    "MINI",
    "RECIPE",
    "RELEASED",
    "Backend",
    "MiniBackend",
    "Released",
    "ReleasedBackend",
    "file_hash",
    "load_backend",
    "mismatches",
    "weights_hash",
]


def load_backend(
    name: str = EMBEDDED,
    device: str | None = None,
    root: Path | None = None,
    tell: Tell = lambda words: None,
    precision: str = AUTO,
    beside: float = 0.0,
    guarded: bool = False,
    scored: str | None = None,
    graphs: bool = False,
) -> Backend:
    """The backend of that name; ``device`` None takes a GPU where there is one and the backend wants it.

    ``root`` is a folder with other weights than the shipped ones; for a released backend one that holds repositories
    of the Hub, as ``owner/name``. ``tell`` hears, in words, how far a download is. ``precision`` is one of
    ``cotdemo.compute.precision``, "auto" the most exact that fits, where ``beside`` bytes are for something else.
    ``guarded``: of a released model, images that a safety checker flags are withheld. ``scored`` names the detector
    (``cotdemo.backends.scorer.DETECTORS``) by which GenEval's scorer checks a released model's final images.
    ``graphs``: the steps of a released generator are replayed as CUDA graphs.

    Raises UserError for a name that is not offered, a device that is not here, a precision that cannot be used, or
    where shipped weights are missing.
    """
    if name not in BACKENDS:
        raise UserError(f"There is no backend {name!r}. Choose one of: {', '.join(BACKENDS)}.")
    if device is not None and not is_zero_gpu():  # there a GPU is lent later
        device = device_of(device)
    row = BACKENDS[name]
    asked = {} if row.ships else {"guarded": guarded, "scored": scored, "graphs": graphs}
    more = {option: value for option, value in asked.items() if value}
    return resolve(row.load)(name, device, root, tell, precision, beside, **more)
