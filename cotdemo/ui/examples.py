"""Prompts to begin with."""

from __future__ import annotations

# One prompt of each of GenEval's six kinds; the third is in the form at first.
EXAMPLES = {
    "mini": (
        "a photo of an elephant",
        "a photo of a cat and a bicycle",
        "a photo of three cats",
        "a photo of a green bus",
        "a photo of a dog right of a teddy bear",
        "a photo of a red car and a blue bus",
        "a photo of two red apples",
    ),
    "show-o": (
        "a photo of a bench",
        "a photo of a cat and a bicycle",
        "a photo of three clocks",
        "a photo of a green umbrella",
        "a photo of a dog left of a chair",
        "a photo of a red apple and a blue cup",
    ),
}


def examples_of(backend: str) -> tuple[str, ...]:
    return EXAMPLES.get(backend, EXAMPLES["show-o"])
