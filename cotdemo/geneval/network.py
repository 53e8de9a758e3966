"""The detector's network: transformers' Mask2Former, with the official weights or facebook's.

``Mask2Former`` is ``Mask2FormerForUniversalSegmentation`` under its names, without its loss, which alone needs scipy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Mask2FormerConfig, Mask2FormerModel, Mask2FormerPreTrainedModel

from ..errors import UserError
from .loading import UNREADABLE, pretrained
from .official_keys import converted
from .prompts import CLASSES

OFFICIAL_FILE = "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth"
OFFICIAL_URL = (
    "https://download.openmmlab.com/mmdetection/v2.0/mask2former/"
    f"mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco/{OFFICIAL_FILE}"
)  # as evaluation/download_models.sh of github djghosh13/geneval has it
OFFICIAL_SHA256 = "743b7d99"  # its first eight digits, which its publishers put into its name

OFFICIAL = {  # what differs from the defaults of Mask2FormerConfig
    "backbone_config": {
        "model_type": "swin", "embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7,
        "mlp_ratio": 4, "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
    "num_labels": len(CLASSES),
}  # fmt: skip

# numbers of numpy's, which trainings leave beside the weights: data, which torch's weights_only does not know by itself
_SCALAR = np.float64().__reduce__()[0]
_NUMBERS = [
    _SCALAR, (_SCALAR, "numpy.core.multiarray.scalar"), np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i8")),
]  # fmt: skip

_UNREAD = ".swin.layernorm."  # in the names of Swin's own last norm, which no output goes through


class Mask2Former(Mask2FormerPreTrainedModel):
    """Pixels to the classes and masks of its queries."""

    _keys_to_ignore_on_load_unexpected = [r"^criterion\.", r"relative_position_index$"]

    def __init__(self, config: Mask2FormerConfig):
        super().__init__(config)
        self.model = Mask2FormerModel(config)
        self.class_predictor = nn.Linear(config.hidden_dim, config.num_labels + 1)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of one image ``(1, 3, height, width)``: class logits ``(queries, classes + 1)``, the last for "nothing",
        and mask logits ``(queries, height / 4, width / 4)``.
        """
        output = self.model(pixel_values, output_hidden_states=True)
        queries = output.transformer_decoder_intermediate_states[-1]  # (queries, 1, width), normed
        return self.class_predictor(queries[:, 0]), output.masks_queries_logits[-1][0]


@contextmanager
def exact() -> Iterator[None]:
    """Inference in float32 throughout: convolutions on a GPU would else round to TensorFloat-32."""
    cudnn = torch.backends.cudnn
    with torch.inference_mode(), cudnn.flags(enabled=cudnn.enabled, allow_tf32=False):
        yield


def official(weights: Mapping[str, torch.Tensor], config: Mapping[str, Any] | None = None) -> Mask2Former:
    """The network with the official checkpoint's weights, by default in its size. Raises UserError as ``converted``."""
    network = Mask2Former(Mask2FormerConfig(**(config or OFFICIAL)))
    targets = {name: value for name, value in network.state_dict().items() if _UNREAD not in name}
    network.load_state_dict(converted(weights, targets), strict=False)
    return network.eval().requires_grad_(False)


def official_weights(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of the official ``.pth``, by torch's ``weights_only``. Raises UserError where it holds none."""
    try:
        with torch.serialization.safe_globals(_NUMBERS):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from None
    except UNREADABLE as error:
        raise UserError(
            f"{file} is damaged or incomplete, or no file of weights: take it anew from {OFFICIAL_URL}"
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in weights.items()
    ):
        raise UserError(f"{file} holds no state_dict of tensors. GenEval's detector is {OFFICIAL_FILE}.")
    return weights


def is_official(file: Path) -> bool:
    """Whether a file is the one that GenEval takes, by its hash."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest().startswith(OFFICIAL_SHA256)


def approximate(folder: Path) -> Mask2Former:
    """The network with weights in transformers' layout. Raises UserError where they do not fit it."""
    network = pretrained(Mask2Former, folder, unneeded=_UNREAD)
    if network.config.num_labels != len(CLASSES):
        raise UserError(
            f"The detector in {folder} knows {network.config.num_labels} classes, not the {len(CLASSES)} of COCO."
        )
    return network
