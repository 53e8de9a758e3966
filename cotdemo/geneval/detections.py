"""What the detector's network says, as things found: masks, boxes, scores, and those of them that GenEval looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from .pixels import Read
from .prompts import CLASSES
from .rules import MOST, Box

BEST = 100  # pairs of a query and a class that are looked at
AT_ONCE = 8  # masks in memory, in float32 and as large as the image


@dataclass(frozen=True)
class Detection:
    """One thing: its kind, how sure the detector is of it and its mask, its box, its mask ``(height, width)`` bool."""

    kind: str
    score: float
    box: Box
    mask: np.ndarray


def detections(classes: torch.Tensor, masks: torch.Tensor, read: Read, least: float = 0.0) -> list[Detection]:
    """The detections of one image, from the network's logits of classes and masks.

    No score exceeds that of its class, so what has a class score of at most ``least`` is left out at once.
    """
    scores, places = classes.softmax(-1)[:, :-1].flatten().topk(min(BEST, classes[:, :-1].numel()), sorted=False)
    sure = scores > least
    scores, places = scores[sure], places[sure]
    queries, kinds = places // len(CLASSES), places % len(CLASSES)
    of_query = {}
    for some in queries.unique().split(AT_ONCE) if len(queries) else ():
        found, qualities = _masks(masks[some], read)
        of_query |= dict(zip(some.tolist(), zip(found.cpu().numpy(), qualities)))
    return [
        Detection(CLASSES[kind], float(score * of_query[query][1]), _box(of_query[query][0]), of_query[query][0])
        for score, query, kind in zip(scores, queries.tolist(), kinds.tolist())
    ]


def _masks(logits: torch.Tensor, read: Read) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks ``(masks, height, width)`` in the image's size, and how sure each is.

    Enlarged in two steps, as logits, and between them the padding is cut off: in one step, or without the cut, boxes
    move by up to 202 pixels.
    """
    height, width = read.inner
    padded = interpolate(logits[None], read.pixels.shape[-2:], mode="bilinear", align_corners=False)
    logits = interpolate(padded[..., :height, :width], read.size, mode="bilinear", align_corners=False)[0]
    masks = logits > 0
    return masks, (logits.sigmoid() * masks).sum((1, 2)) / (masks.sum((1, 2)) + 1e-6)


def _box(mask: np.ndarray) -> Box:
    """The smallest box around a mask: left, top, and one beyond its last column and row; zeros around none."""
    columns, rows = (np.flatnonzero(mask.any(axis)) for axis in (0, 1))
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def kept(found: Sequence[Detection], threshold: float) -> dict[str, list[Detection]]:
    """Of each kind, in GenEval's order of kinds, the surest above a score, the surest first. Overlaps stay."""
    by_kind: dict[str, list[Detection]] = {}
    for kind in CLASSES:
        of_kind = [one for one in found if one.kind == kind]
        scores = np.array([one.score for one in of_kind], np.float32)
        surest = np.argsort(scores)[::-1]
        best = surest[scores[surest] > np.float32(threshold)][:MOST]
        if len(best):
            by_kind[kind] = [of_kind[place] for place in best]
    return by_kind
