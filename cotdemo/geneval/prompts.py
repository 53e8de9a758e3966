"""GenEval's 553 prompts, drawn again from their seed; equal to the official two files byte for byte.

A *metadata* object is a dict with ``tag``, ``include`` (list of ``{class, count, color?, position?: [relation,
index]}``), ``exclude`` (list of ``{class, count}``, of counting prompts only) and ``prompt``, keys in that order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..files import write_text

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "computer mouse", "tv remote", "computer keyboard", "cell phone", "microwave", "oven", "toaster",
    "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
RELATIONS = ("left of", "right of", "above", "below")
NUMBERS = {"two": 2, "three": 3, "four": 4}
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")

SEED = 43
EACH = 100  # draws of each tag but the first, repetitions included
FILES = ("generation_prompts.txt", "evaluation_metadata.jsonl")


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def plural(kind: str) -> str:
    """As the benchmark spells it: "two knifes", "two buses"."""
    return kind + ("es" if kind.endswith("s") else "s")


def phrase(include: dict) -> str:
    """The words of one thing asked for: "a red dog", "two dogs"."""
    colour = [include["color"]] if "color" in include else []
    if include["count"] == 1:
        words = " ".join([*colour, include["class"]])
        return f"{article(words)} {words}"
    number = next(word for word, value in NUMBERS.items() if value == include["count"])
    return " ".join([number, *colour, plural(include["class"])])


def metadata(tag: str, include: Sequence[dict]) -> dict:
    """The metadata object of the things asked for; the prompt's words follow from them."""
    if tag == "position":  # "a photo of B right of A": A is listed first, B refers to it
        anchor, moved = include
        words = f"{phrase(moved)} {moved['position'][0]} {phrase(anchor)}"
    else:
        words = " and ".join(map(phrase, include))
    entry = {"tag": tag, "include": list(include)}
    if tag == "counting":
        entry["exclude"] = [{"class": item["class"], "count": item["count"] + 1} for item in include]
    return entry | {"prompt": f"a photo of {words}"}


def draw(seed: int = SEED) -> list[dict]:
    """The benchmark's metadata objects in its order (553 by its own seed), exact repetitions dropped.

    Another seed gives other prompts of the same make.
    """
    drawn = (metadata(tag, include) for tag, include in _draws(np.random.default_rng(seed)))
    return list({json.dumps(entry): entry for entry in drawn}.values())


def _draws(rng: np.random.Generator) -> Iterator[tuple[str, list[dict]]]:
    for kind in rng.choice(CLASSES, size=len(CLASSES), replace=False).tolist():
        yield "single_object", [{"class": kind, "count": 1}]
    for _ in range(EACH):
        kinds = rng.choice(CLASSES, size=2, replace=False).tolist()
        yield "two_object", [{"class": kind, "count": 1} for kind in kinds]
    for _ in range(EACH):
        kind = str(rng.choice(CLASSES))
        yield "counting", [{"class": kind, "count": int(rng.integers(2, 4, endpoint=True))}]
    # people have no colour
    coloured = [kind for kind in CLASSES if kind != "person"]
    for _ in range(EACH):
        kind = str(rng.choice(coloured))
        yield "colors", [{"class": kind, "count": 1, "color": str(rng.choice(COLOURS))}]
    for _ in range(EACH):
        moved, anchor = rng.choice(CLASSES, size=2, replace=False).tolist()
        relation = str(rng.choice(RELATIONS))
        yield "position", [{"class": anchor, "count": 1}, {"class": moved, "count": 1, "position": [relation, 0]}]
    for _ in range(EACH):
        kinds = rng.choice(coloured, size=2, replace=False).tolist()
        colours = rng.choice(COLOURS, size=2, replace=False).tolist()
        yield "color_attr", [{"class": kind, "count": 1, "color": colour} for kind, colour in zip(kinds, colours)]


def write(folder: Path) -> tuple[Path, Path]:
    """The benchmark's two files, written into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts, objects = (folder / name for name in FILES)
    entries = draw()
    write_text(prompts, "".join(entry["prompt"] + "\n" for entry in entries))
    write_text(objects, "".join(json.dumps(entry) + "\n" for entry in entries))
    return prompts, objects
