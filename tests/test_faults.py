"""What is wrong with an image of the drawn world is said in words, and right is what GenEval calls right."""

import json
from pathlib import Path

import pytest

from cotdemo.geneval.rules import Found, evaluate
from cotdemo.world.faults import CRITIQUE_WORDS, judge_reading
from cotdemo.world.prompts import parse
from cotdemo.world.words import PROMPT_WORDS, judge_tokenizer, prompt_tokenizer

CASES = json.loads((Path(__file__).parent / "data" / "geneval_rules.json").read_text())["cases"]


def thing(kind: str, x: int = 0, y: int = 0, colour: str | None = None) -> Found:
    return Found(kind, colour, (x, y, x + 48, y + 48))


@pytest.mark.parametrize(
    ("prompt", "found", "correct", "reason"),
    [
        ("a dog", [thing("dog")], True, ""),
        ("a dog", [], False, "there is no dog"),
        ("a dog", [thing("dog"), thing("cat", 64)], True, "there is a cat too many"),
        ("a dog", [thing("dog"), thing("", 64)], True, "something is malformed"),
        ("a dog", [thing("")], False, "there is no dog; something is malformed"),
        ("two dogs", [thing("dog")], False, "one dog , not two"),
        ("two dogs", [thing("dog"), thing("dog", 64), thing("dog", 0, 64)], False, "three dogs , not two"),
        ("a red dog", [thing("dog", colour="blue")], False, "the dog is blue , not red"),
        ("a red dog", [thing("dog")], False, "the dog is not red"),
        ("a dog left of a cat", [thing("dog", 64), thing("cat")], False, "the dog is right of , not left of"),
        ("a dog left of a cat", [thing("dog")], False, "there is no cat"),
        ("a red dog and a blue cat", [thing("dog", colour="red"), thing("cat", 64, colour="blue")], True, ""),
    ],
)  # fmt: skip
def test_a_fault_in_words(prompt, found, correct, reason):
    verdict = judge_reading(found, parse(prompt))
    assert (verdict.correct, verdict.reason) == (correct, reason)
    assert verdict.strict == (not reason)


@pytest.mark.parametrize("number", range(0, len(CASES), 4))
def test_an_image_is_right_where_the_benchmark_says_so_and_wrong_only_with_a_reason(number):
    metadata = CASES[number]["metadata"]
    found = [
        Found(kind, detection[5], tuple(detection[:4]))
        for kind, detections in CASES[number]["detections"].items()
        for detection in detections
    ]
    verdict = judge_reading(found, metadata)
    assert verdict.correct == evaluate(found, metadata)[0]
    assert verdict.correct == (not {fault.fault for fault in verdict.faults} - {"malformed", "extra"})


def test_the_models_know_every_word_of_prompts_and_critiques():
    for tokenizer in (prompt_tokenizer(), judge_tokenizer()):
        for word in (*PROMPT_WORDS, *CRITIQUE_WORDS):
            assert tokenizer.unk_token_id not in tokenizer(word).input_ids
