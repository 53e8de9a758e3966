"""The embedded backend's files: what is damaged, altered or missing is said in words, before anything is painted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_mini
from safetensors.torch import load_file, save_file
from scripted import SamplingSession, Studio

from cotdemo.backends import RECIPE, MiniBackend, weights_hash
from cotdemo.errors import UserError
from cotdemo.search import search
from cotdemo.ui.handlers import words_for

PROMPT = "a photo of a red star"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_mini.build(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "mini")


def weights_of(folder):
    (file,) = folder.glob("*.safetensors")
    return file


def altered(folder, change) -> None:
    file = weights_of(folder)
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("part", ["magvit", "showo", "judge", "self-correct"])
def test_weights_that_are_not_those_of_their_recipe_are_refused(root, part):
    (root / part / RECIPE).write_text(json.dumps({"weights": weights_hash(root / part)}))
    load = {
        "magvit": lambda backend: backend.magvit,
        "showo": lambda backend: backend.generator("base"),
        "self-correct": lambda backend: backend.generator("self-correct"),
        "judge": lambda backend: backend.verifier("parm"),
    }[part]
    load(MiniBackend(root=root))
    file = weights_of(root / part)
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x40  # one bit: the file is as whole as before
    file.write_bytes(data)
    with pytest.raises(UserError, match="Take both from the repository again"):
        load(MiniBackend(root=root))


def test_a_damaged_recipe_is_said_in_words(root):
    for content in ("{", "[]", '{"made_from": 3}', "\xff"):
        (root / "showo" / RECIPE).write_text(content, encoding="latin-1")
        with pytest.raises(UserError, match="recipe.json is"):
            MiniBackend(root=root)


def test_a_tokenizer_of_numbers_that_are_none_is_noticed_at_its_first_picture(root):
    altered(root / "magvit", lambda tensors: [v.fill_(float("nan")) for v in tensors.values() if v.is_floating_point()])
    backend = MiniBackend(root=root)
    with pytest.raises(FloatingPointError, match="image tokenizer of mini") as raised:
        list(search("baseline", backend, PROMPT, steps=2, seed=1))
    assert words_for(raised.value) == str(raised.value)
    with pytest.raises(FloatingPointError):
        backend.decode(np.zeros((1, 64), int))


def test_a_whole_tokenizer_is_looked_at_once(root):
    backend = MiniBackend(root=root)
    backend.decode(np.zeros((1, 64), int))
    assert not backend.magvit.decoder._forward_hooks


def test_a_generator_of_numbers_that_are_none_is_noticed(monkeypatch):
    step = SamplingSession.step

    def broken(self):
        taken = step(self)
        taken.confidence[:, 3] = float("nan")
        return taken

    monkeypatch.setattr(SamplingSession, "step", broken)
    with pytest.raises(FloatingPointError, match="generator's probabilities"):
        list(search("orm", Studio(), PROMPT, paths=2, steps=4, seed=1))
