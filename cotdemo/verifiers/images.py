"""Images as the verifier is given them: one square view, in numpy and PIL.

The original pads to a square with the mean colour, resizes with PIL's bicubic filter and scales to [-1, 1]
(SigLIP's mean and deviation of 0.5; transformers' image processor for this class would use CLIP's).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from ..errors import UserError

GREY = (127, 127, 127)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """One view ``(size, size, 3)`` uint8 of an image ``(H, W, 3)`` uint8: grey borders, then bicubic resizing.

    An image that has the size already is returned as it is. Raises UserError for anything but an RGB uint8 image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UserError(f"An image must be (height, width, 3) uint8, not {image.shape} {image.dtype}.")
    height, width = image.shape[:2]
    if height == width == size:
        return image
    side = max(height, width)
    padded = Image.new("RGB", (side, side), GREY)
    padded.paste(Image.fromarray(image), ((side - width) // 2, (side - height) // 2))
    return np.asarray(padded.resize((size, size), Image.Resampling.BICUBIC))


def to_pixels(images: Sequence[np.ndarray], size: int, like: torch.Tensor) -> torch.Tensor:
    """Images ``(H, W, 3)`` uint8, of any sizes, as pixels ``(images, 3, size, size)`` in [-1, 1].

    The result has the dtype and device of ``like``; the bytes travel to the device, not the floats.
    """
    views = torch.from_numpy(np.stack([square(np.asarray(image), size) for image in images]))
    scaled = views.to(like.device).permute(0, 3, 1, 2).to(torch.float32) / 255
    return ((scaled - 0.5) / 0.5).to(like.dtype)
