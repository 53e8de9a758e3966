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
from cotdemo.errors import OUT_OF_MEMORY, UserError
from cotdemo.search import search
from cotdemo.ui.handlers import words_for

PROMPT = "a photo of a red dog"


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


def test_a_tokenizer_of_numbers_that_are_none_is_noticed_at_its_first_image(root):
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


# -- damaged, misshapen, missing


def loads(root) -> None:
    backend = MiniBackend(root=root)
    backend.warm_up()


@pytest.mark.parametrize("part", ["showo", "judge", "magvit"])
@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"num_vq_tokens": "64", "codebook_size": -1}', '{"vision_config": 5}', "{"]
)
def test_a_config_that_is_empty_or_misshapen_is_said_in_words_with_a_remedy(root, part, content):
    (root / part / "config.json").write_text(content)
    with pytest.raises(UserError, match="anew|again|Remade by"):
        loads(root)


def test_a_missing_tokenizer_is_said_in_words(root):
    shutil.rmtree(root / "tokenizer")
    with pytest.raises(UserError, match="tokenizer is missing. Take it from the repository again"):
        loads(root)


@pytest.mark.parametrize("part", ["showo", "judge", "magvit"])
def test_weights_that_are_cut_short_are_said_in_words(root, part):
    file = weights_of(root / part)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match="anew|again|Remade by"):
        loads(root)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
    ],
)
def test_too_little_memory_is_no_damage_and_said_in_words(root, monkeypatch, error):
    def load(*given, **named):
        raise error

    monkeypatch.setattr("cotdemo.backends.embedded.Showo.from_pretrained", load)
    with pytest.raises(type(error)) as raised:
        loads(root)
    assert words_for(raised.value) == OUT_OF_MEMORY


def test_visitors_see_names_of_files_and_not_where_they_are(root):
    (root / "magvit" / "config.json").unlink()
    with pytest.raises(UserError) as raised:
        loads(root)
    assert str(root) in str(raised.value)
    told = words_for(raised.value)
    assert "magvit" in told and str(root.parent) not in told and "/" not in told.replace("and/or", "")


@pytest.mark.parametrize(
    "words, told",
    [
        ("/srv/app/weights/a.bin is damaged.", "a.bin is damaged."),
        ("see (/a/b/c), '/d/e/f' and C:\\x\\y\\z.bin: it", "see (c), 'f' and z.bin: it"),
        ("showlab/show-o could not be downloaded: huggingface.co/a/b, 3/4 done", None),
        ("take --assets DIR with DIR/self-correct", None),
    ],
)
def test_only_places_of_files_are_shortened(words, told):
    assert words_for(UserError(words)) == (told or words)
