"""What people call the things of the world: each name, in one and in several, and what is said instead."""

from __future__ import annotations

from ..geneval.prompts import CLASSES

ALSO = {
    "person": "man, men, woman, women, boy, girl, kid, child, children, human, people, somebody, someone",
    "bicycle": "bike, cycle",
    "car": "automobile, auto",
    "motorcycle": "motorbike, motor bike",
    "airplane": "plane, aeroplane, air plane, aircraft, jet",
    "bus": "coach",
    "train": "locomotive, steam engine",
    "truck": "lorry",
    "boat": "ship, sailboat, sailing boat",
    "traffic light": "stoplight, traffic lights",
    "fire hydrant": "hydrant",
    "stop sign": "stopsign",
    "bench": "park bench",
    "bird": "birdie",
    "cat": "kitten, kitty",
    "dog": "puppy, doggy, hound",
    "horse": "pony",
    "sheep": "lamb",
    "cow": "bull, cattle",
    "bear": "grizzly",
    "backpack": "rucksack, knapsack, back pack",
    "umbrella": "parasol",
    "handbag": "purse, hand bag",
    "tie": "necktie",
    "suitcase": "luggage, suit case",
    "frisbee": "flying disc",
    "skis": "ski",
    "snowboard": "snow board",
    "sports ball": "ball, football, soccer ball, sport ball",
    "baseball bat": "bat",
    "baseball glove": "glove, mitt, baseball mitt",
    "skateboard": "skate board",
    "surfboard": "surf board",
    "tennis racket": "racket, racquet, tennis racquet",
    "wine glass": "wineglass, glass, goblet",
    "cup": "mug, teacup, coffee cup",
    "knife": "knives",
    "sandwich": "burger",
    "hot dog": "hotdog",
    "donut": "doughnut",
    "cake": "birthday cake",
    "couch": "sofa, settee",
    "potted plant": "plant, houseplant, house plant, pot plant, flower pot",
    "dining table": "table, kitchen table",
    "toilet": "loo",
    "tv": "television, telly, tv set, television set",
    "laptop": "notebook, laptop computer",
    "computer mouse": "mouse, mice",
    "tv remote": "remote, remote control",
    "computer keyboard": "keyboard",
    "cell phone": "phone, cellphone, smartphone, smart phone, mobile, mobile phone, telephone",
    "oven": "stove, cooker",
    "sink": "washbasin, basin",
    "refrigerator": "fridge, freezer",
    "clock": "alarm clock",
    "scissors": "scissor",
    "teddy bear": "teddy, stuffed bear",
    "hair drier": "hair dryer, hairdryer, hairdrier, blow dryer",
    "toothbrush": "tooth brush",
}


def _forms(name: str) -> list[str]:
    """A name, and what its plural may be."""
    forms = [name, name + "s"]
    forms += [name + "es"] if name.endswith(("s", "x", "ch", "sh")) else []
    forms += [name[:-1] + "ies"] if name.endswith("y") else []
    return forms


NAMES = {
    tuple(form.split()): kind
    for kind in CLASSES
    for name in (*ALSO.get(kind, "").replace(", ", ",").split(","), kind)
    if name
    for form in _forms(name)
}  # the words of a name, singular or plural -> its kind
LONGEST = max(map(len, NAMES))  # words of a name
