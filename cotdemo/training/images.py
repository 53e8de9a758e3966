"""Images as what models are given."""

from __future__ import annotations

import numpy as np
import torch


def to_pixels(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 images ``(B, H, W, 3)`` as pixels ``(B, 3, H, W)`` in [-1, 1]."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
