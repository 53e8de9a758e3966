"""Files of weights: nothing in memory twice, nothing that runs code, damage said in words."""

from __future__ import annotations

import pickle
import sys

import pytest
import torch
from peak_memory import run_apart
from safetensors.torch import save_file

from cotdemo.compute.weights import read_weights
from cotdemo.errors import UserError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor([3])}


@pytest.fixture(params=[".safetensors", ".bin"])
def file(request, tmp_path):
    place = tmp_path / f"weights{request.param}"
    save_file(TENSORS, place) if request.param == ".safetensors" else torch.save(TENSORS, place)
    return place


def test_tensors_come_as_they_are_or_as_asked_for(file):
    plain, half = read_weights(file), read_weights(file, torch.bfloat16)
    assert all(torch.equal(plain[name], value) for name, value in TENSORS.items())
    assert half["a.weight"].dtype == torch.bfloat16 and half["a.count"].dtype == torch.int64


def test_half_a_file_is_damaged(file):
    content = file.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 3):
        file.write_bytes(content[:length])
        with pytest.raises(UserError, match="damaged or incomplete"):
            read_weights(file)


class Evil:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.cotdemo_was_here = True",))


@pytest.mark.parametrize("content", [{"a": Evil()}, {"a": [1, 2]}, [torch.zeros(2)], Evil()])
def test_a_pickle_that_is_more_than_tensors_is_refused_and_not_run(tmp_path, content):
    import builtins

    for number, write in enumerate((torch.save, lambda what, place: place.write_bytes(pickle.dumps(what)))):
        place = tmp_path / f"{number}.bin"
        write(content, place)
        with pytest.raises(UserError, match="damaged or incomplete, or no file of weights"):
            read_weights(place)
    assert not hasattr(builtins, "cotdemo_was_here")


_LOADING = """
import sys, torch
from pathlib import Path
from cotdemo.compute.weights import read_weights
from peak_memory import peak_of

weights, peak = peak_of(lambda: read_weights(Path(sys.argv[1]), torch.bfloat16))
print(peak / sum(value.nbytes for value in weights.values()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's account of a process's memory")
@pytest.mark.parametrize("kind", [".safetensors", ".bin"])
def test_a_checkpoint_is_never_in_memory_twice(tmp_path, kind):
    """Of a file of single precision, loaded as bfloat16, memory holds the result and one tensor more."""
    tensors = {str(number): torch.full((2_000_000,), 0.5) for number in range(40)}
    place = tmp_path / f"weights{kind}"
    save_file(tensors, place) if kind == ".safetensors" else torch.save(tensors, place)
    assert float(run_apart(_LOADING, str(place))) < 1.25
