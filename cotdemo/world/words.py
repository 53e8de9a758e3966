"""The words of the world: its vocabulary, and what people say instead."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ..geneval.prompts import CLASSES, COLOURS, NUMBERS, RELATIONS, plural
from .faults import CRITIQUE_WORDS

PROMPT_WORDS = tuple(
    dict.fromkeys(
        ("a", "an", "photo", "of", "and", "the", *NUMBERS, *COLOURS)
        + tuple(word for relation in RELATIONS for word in relation.split())
        + tuple(word for kind in (*CLASSES, *map(plural, CLASSES)) for word in kind.split())
    )
)  # what the models read

_ALSO = {
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
    for name in (*_ALSO.get(kind, "").replace(", ", ",").split(","), kind)
    if name
    for form in _forms(name)
}  # the words of a name, singular or plural -> its kind
LONGEST = max(map(len, NAMES))  # words of a name

_MARKS = ("<pad>", "<unk>", "<image>", "<|im_start|>", "<|im_end|>")
_QUESTION_WORDS = ("clear", "potential", "match", "present", "why", "what", "?")


def _word_level(vocabulary: Iterable[str], **special: str) -> PreTrainedTokenizerFast:
    table = {word: index for index, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token=special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def prompt_tokenizer() -> PreTrainedTokenizerFast:
    """The generator's text tokenizer: prompts and critiques. As phi-1.5's, one token both begins and ends a text,
    and padding comes after the text vocabulary (Show-o adds it, with the other task tokens)."""
    return _word_level(
        ("<unk>", *PROMPT_WORDS, *CRITIQUE_WORDS, "<|endoftext|>"),
        unk_token="<unk>", bos_token="<|endoftext|>", eos_token="<|endoftext|>",
    )  # fmt: skip


def judge_tokenizer() -> PreTrainedTokenizerFast:
    """The judge's tokenizer: Qwen's turn marks, the image placeholder, the two answers, questions and critiques."""
    tokenizer = _word_level(
        (*_MARKS, "yes", "no", *_QUESTION_WORDS, *PROMPT_WORDS, *CRITIQUE_WORDS),
        unk_token="<unk>", pad_token="<pad>", eos_token="<|im_end|>",
    )  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<|im_start|>"]})
    return tokenizer
