"""The words of the world: its vocabulary, and what people say instead."""

from __future__ import annotations

from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, plural

PROMPT_WORDS = tuple(
    dict.fromkeys(
        ("a", "an", "photo", "of", "and", "the", *NUMBERS, *COLOURS)
        + tuple(word for relation in RELATIONS for word in relation.split())
        + tuple(word for kind in (*CLASSES, *map(plural, CLASSES)) for word in kind.split())
    )
)

_SAID = {  # kind -> other names; plurals by "s" and "es" follow
    "person": "man woman boy girl child kid human people persons men women children somebody someone",
    "bicycle": "bike cycle pushbike", "car": "automobile auto", "motorcycle": "motorbike|motor bike|motor cycle",
    "airplane": "plane aeroplane aircraft jet|air plane", "bus": "coach", "train": "locomotive|steam engine",
    "truck": "lorry", "boat": "ship sailboat|sailing boat", "traffic light": "trafficlight stoplight|traffic lights",
    "fire hydrant": "hydrant", "stop sign": "stopsign", "parking meter": "parkingmeter", "bench": "park bench",
    "bird": "birdie", "cat": "kitten kitty", "dog": "puppy hound doggy", "horse": "pony", "sheep": "lamb",
    "cow": "cattle bull", "bear": "brown bear|grizzly", "backpack": "rucksack knapsack", "umbrella": "parasol brolly",
    "handbag": "purse|hand bag", "tie": "necktie|neck tie", "suitcase": "luggage|suit case", "frisbee": "flying disc",
    "skis": "ski", "sports ball": "ball football|soccer ball|sport ball", "baseball bat": "bat",
    "baseball glove": "glove mitt|baseball mitt", "surfboard": "surf board", "skateboard": "skate board",
    "snowboard": "snow board", "tennis racket": "racket racquet|tennis racquet", "wine glass": "wineglass glass goblet",
    "cup": "mug teacup|coffee cup", "knife": "knives", "banana": "bananas", "sandwich": "burger", "orange": "oranges",
    "hot dog": "hotdog", "donut": "doughnut", "cake": "birthday cake", "couch": "sofa settee",
    "potted plant": "plant houseplant|pot plant|flower pot", "dining table": "table|kitchen table", "toilet": "loo",
    "tv": "television telly|tv set|television set", "laptop": "notebook|laptop computer", "computer mouse": "mouse mice",
    "tv remote": "remote|remote control|tv control", "computer keyboard": "keyboard",
    "cell phone": "phone cellphone smartphone mobile telephone|mobile phone|smart phone", "oven": "stove cooker",
    "sink": "washbasin basin", "refrigerator": "fridge freezer", "book": "books", "clock": "alarm clock",
    "scissors": "scissor", "teddy bear": "teddy teddybear|stuffed bear",
    "hair drier": "hairdryer hairdrier|hair dryer|hair-dryer|blow dryer", "toothbrush": "tooth brush",
}  # fmt: skip
_IRREGULAR = {"knives": "knife", "men": "person", "mice": "computer mouse", "sheep": "sheep", "skis": "skis"}


def _forms(name: str) -> tuple[str, ...]:
    endings = ("s", "es") if name.endswith(("s", "x", "ch", "sh")) else ("s",)
    forms = [name, *(name + ending for ending in endings)]
    if name.endswith("y"):
        forms.append(name[:-1] + "ies")
    return tuple(forms)


def _names() -> dict[tuple[str, ...], str]:
    table = {tuple(form.split()): kind for form, kind in _IRREGULAR.items()}
    for kind in CLASSES:
        several, *phrases = _SAID.get(kind, "").split("|")
        # a name of several words stands alone: in front of the first bar are single words
        said = [*several.split(), *phrases] if kind not in _PHRASED else [several, *phrases]
        for name in (kind, *said):
            for form in _forms(name):
                table.setdefault(tuple(form.replace("-", " ").split()), kind)
    return table


_PHRASED = {"bench", "cake", "frisbee", "surfboard", "skateboard", "snowboard", "clock", "toothbrush", "bear"}
NAMES = _names()  # words of a name, singular or plural -> its kind
LONGEST = max(map(len, NAMES))
