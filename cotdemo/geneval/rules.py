"""GenEval's rules: whether the things found in an image are what a prompt asks for, and why not.

As the official evaluator (github djghosh13/geneval, ``evaluate_images.py``) has them: of each class the ``count`` most
confident are looked at, a colour is asked of as many as are asked for, a relation of every pair, read from box centres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .prompts import COLOURS, RELATIONS

THRESHOLD, COUNTING_THRESHOLD = 0.3, 0.9  # least score of a detection; of counting prompts
MOST = 16  # detections of one class
SHORTENED = 0.1  # of the two boxes' sizes, by which the offset between centres is shortened on each axis

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class Found:
    """One thing found in an image; ``colour`` is None where none of the ten can be told."""

    kind: str
    colour: str | None
    box: Box
    score: float = 1.0


def relations(a: Box, b: Box) -> tuple[str, ...]:
    """The relations of box A to box B, in the order of ``RELATIONS``."""
    corners_a, corners_b = np.asarray(a, float).reshape(2, 2), np.asarray(b, float).reshape(2, 2)
    offset = corners_a.mean(0) - corners_b.mean(0)
    sizes = np.abs(np.diff(corners_a, axis=0) + np.diff(corners_b, axis=0))[0]
    shortened = np.maximum(np.abs(offset) - SHORTENED * sizes, 0) * np.sign(offset)
    if (np.abs(shortened) < 1e-3).all():
        return ()
    dx, dy = shortened / np.linalg.norm(offset)
    return tuple(name for name, true in zip(RELATIONS, (dx < -0.5, dx > 0.5, dy < -0.5, dy > 0.5)) if true)


def evaluate(found: Sequence[Found], metadata: dict) -> tuple[bool, str]:
    """Whether an image in which ``found`` was found is right, and the official evaluator's reason ("" where it is)."""
    threshold = COUNTING_THRESHOLD if metadata["tag"] == "counting" else THRESHOLD
    things: dict[str, list[Found]] = {}
    for item in sorted(found, key=lambda item: -item.score):
        if item.score > threshold:
            things.setdefault(item.kind, []).append(item)
    reasons: list[str] = []
    matched: list[list[Found] | None] = []  # of each include, None where it failed
    for asked in metadata.get("include", ()):
        candidates = things.get(asked["class"], [])[: asked["count"]]
        reason = (
            _missing(asked, candidates) or _discoloured(asked, candidates) or _displaced(asked, candidates, matched)
        )
        matched.append(None if reason else candidates)
        reasons += [reason] if reason else []
    for banned in metadata.get("exclude", ()):
        have = len(things.get(banned["class"], [])[:MOST])
        if have >= banned["count"]:
            reasons.append(f"expected {banned['class']}<{banned['count']}, found {have}")
    return not reasons, "\n".join(reasons)


def _missing(asked: Mapping, candidates: Sequence[Found]) -> str:
    if len(candidates) >= asked["count"]:
        return ""
    return f"expected {asked['class']}>={asked['count']}, found {len(candidates)}"


def _discoloured(asked: Mapping, candidates: Sequence[Found]) -> str:
    colour, colours = asked.get("color"), [item.colour for item in candidates]
    if colour is None or colours.count(colour) >= asked["count"]:
        return ""
    others = ", ".join(f"{colours.count(other)} {other}" for other in COLOURS if other in colours)
    wanted = f"{colour} {asked['class']}>={asked['count']}"
    return f"expected {wanted}, found {colours.count(colour)} {colour}; and {others}"


def _displaced(asked: Mapping, candidates: Sequence[Found], matched: Sequence[list[Found] | None]) -> str:
    if "position" not in asked:
        return ""
    relation, target = asked["position"]
    if matched[target] is None:
        return f"no target for {asked['class']} to be {relation}"
    for item in candidates:
        for anchor in matched[target]:
            holds = relations(item.box, anchor.box)
            if relation not in holds:
                return f"expected {asked['class']} {relation} target, found {' and '.join(holds)} target"
    return ""
