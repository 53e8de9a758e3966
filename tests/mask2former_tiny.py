"""The made-up detector and images that ``tests/data/mask2former_tiny.json`` has mmdet's answers on."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import torch
from golden import data

from cotdemo.geneval import made_up

GOLDEN = json.loads(data("mask2former_tiny.json").read_text())
CONFIG = GOLDEN["transformers_config"]


@cache
def weights() -> dict[str, torch.Tensor]:
    """The whole tiny checkpoint, in mmdet 2's names."""
    return made_up.weights({name: shape for name, (shape, _) in GOLDEN["weights"]["per_key"].items()})


@cache
def image(name: str) -> np.ndarray:
    """One of the images ``(height, width, 3)`` uint8."""
    rule = GOLDEN["picture_rule"]
    return made_up.image(rule["sizes_w_h"][name], rule["shapes"][name])
