"""GenEval's prompts and rules are the official ones."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from cotdemo import cli
from cotdemo.geneval.prompts import draw, write
from cotdemo.geneval.rules import Found, evaluate

CASES = json.loads((Path(__file__).parent / "data" / "geneval_rules.json").read_text())["cases"]
OFFICIAL = {  # SHA-256 of the published files
    "generation_prompts.txt": "55b6e3650e980c13daf30569eb666e000faf19bfc2b7b4cbe999fcdb7aa9d680",
    "evaluation_metadata.jsonl": "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
}


def test_the_prompts_are_the_official_files_byte_for_byte(tmp_path):
    written = write(tmp_path)
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in written} == OFFICIAL


def test_the_command_writes_them(tmp_path, capsys):
    assert cli.main(["geneval", "prompts", str(tmp_path / "geneval")]) == 0
    assert {file.name for file in (tmp_path / "geneval").iterdir()} == set(OFFICIAL)
    assert "85,209 bytes" in capsys.readouterr().out


def test_another_seed_draws_others_of_the_same_make():
    official, others = ({entry["prompt"] for entry in draw(seed)} for seed in (43, 44))
    assert len(official) == 553
    assert len(others - official) > 300


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_rules_answer_as_the_official_evaluator(number):
    case = CASES[number]
    found = [
        Found(kind, detection[5], tuple(detection[:4]), detection[4])
        for kind, detections in case["detections"].items()
        for detection in detections
    ]
    correct, reason = evaluate(found, case["metadata"])
    assert (correct, _in_order(reason)) == (case["correct"], _in_order(case["reason"]))


def _in_order(reason: str) -> str:
    """The official evaluator names two directions in the order of a Python set, which changes from run to run."""
    return re.sub(r"found (\w+(?: of)?) and (\w+(?: of)?) target", lambda m: " and ".join(sorted(m.groups())), reason)
