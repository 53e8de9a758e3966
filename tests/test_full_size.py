"""Operations of the released models, counted from their shapes alone."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch

from cotdemo import cli
from cotdemo.backends.weightless import JUDGE, AsReleased, RandomBackend, Shapes
from cotdemo.benchmark.bench import bench, count, count_in_words, in_words, of_a_step
from cotdemo.benchmark.released import Script
from cotdemo.generator.magvit import MagvitV2
from cotdemo.generator.showo import KNOWN_PHI
from cotdemo.settings import Settings
from cotdemo.verifiers.released_keys import SIGLIP_SO400M

PROMPT = "a photo of two red dogs"


@pytest.fixture(scope="module")
def counted():
    settings = Settings.checked(PROMPT, "parm", "show-o", paths=2, steps=2, seed=0)
    return count(settings, Script(clear_from=0, hopeless_one_in=2))


def test_models_have_the_size_of_the_released_ones_and_no_weights():
    shapes = Shapes("show-o")
    showo, judge = shapes.generator("base").showo, shapes.verifier("parm").model
    assert sum(p.numel() for p in showo.parameters()) == 1_448_176_770
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(8.03e9, rel=0.01)
    assert all(p.device == torch.device("meta") for p in judge.parameters())


def test_operations_are_those_of_the_arithmetic(counted):
    """By hand: two branches of 258 tokens, blank once for both paths, then of the one that was not stopped."""
    generator = counted["fast"]["operations"]["generator"]
    layers = 24 * (4 * 2048**2 + 2 * 2048 * 8192)
    blank, open_one = 2 * 258 * layers, 2 * 258 * layers
    assert generator == pytest.approx(2 * (blank + open_one), rel=0.15)
    judge = counted["fast"]["operations"]["judge"]
    # two images clear and asked on, one final: SigLIP on 729 patches, 7.1B weights x about 880 tokens
    assert judge / counted["fast"]["decodes"] == pytest.approx(13e12, rel=0.25)
    assert (counted["fast"]["questions"], counted["plain"]["questions"]) == (5, 5)


def test_the_plain_procedure_does_more_in_every_part(counted):
    for part in ("generator", "decoder", "judge"):
        assert counted["plain"]["operations"][part] > counted["fast"]["operations"][part]
    assert "TFLOP a run" in count_in_words(counted) and "times fewer by count" in count_in_words(counted)


@pytest.fixture
def narrow(monkeypatch):
    """The released models' shapes, made narrow: all that is done at full size on a GPU, on a processor."""
    few = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    phi = KNOWN_PHI["microsoft/phi-1_5"] | few
    monkeypatch.setitem(KNOWN_PHI, "microsoft/phi-1_5", phi)
    monkeypatch.setattr("cotdemo.verifiers.released_keys.SIGLIP_SO400M", SIGLIP_SO400M | few)
    monkeypatch.setattr("cotdemo.backends.weightless.JUDGE", JUDGE | few)
    narrow_vq = partial(MagvitV2, 8, norm_groups=4, encoder_blocks=(1,) * 5, decoder_blocks=(1,) * 5)
    monkeypatch.setattr("cotdemo.backends.weightless.MagvitV2", narrow_vq)


def test_the_timed_benchmark_runs_on_the_released_shapes_made_narrow(narrow, tmp_path):
    """Weights at random, both procedures, floor, and what was measured; the file is there after the first prompt."""
    asked = ["bench", "--backend", "show-o", "--random", "--device", "cpu", "--prompts", "1", "--paths", "2"]
    asked += ["--steps", "3", "--clear-at", "2", "--stop-one-in", "2", "--json", str(tmp_path / "bench.json")]
    assert cli.main(asked) == 0
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["fast"]["seconds"] > 0 and result["plain"]["operations"]["judge"] > 0
    assert "as_released" not in result  # a processor has that precision already
    assert "parm" not in result  # what weights at random say is no verdict


def test_the_opponent_may_have_the_released_codes_precision(narrow):
    half, whole = RandomBackend("show-o", "cpu", "bf16"), RandomBackend("show-o", "cpu")
    settings, kept = Settings.checked(PROMPT, "parm", "show-o", paths=1, steps=2, seed=0), []
    result = bench(
        half, settings, Script(0), 1, keep=lambda so_far: kept.append(list(so_far)), as_released=AsReleased(half, whole)
    )
    assert result["as_released"]["seconds"] > 0 and "in the released code's precision" in in_words(result)
    assert (
        "fast" in kept[0] and "agreement" not in kept[0] and "agreement" in kept[-1]
    )  # cut off, what was measured stays
    opponent = AsReleased(half, whole)
    assert opponent.generator("base").showo.dtype == torch.float32
    assert opponent.verifier("parm") is half.verifier("parm")


def test_a_profile_is_written_part_by_part(narrow, tmp_path, monkeypatch, capsys):
    asked = ["profile", "--backend", "show-o", "--random", "--device", "cpu", "--paths", "2", "--out", str(tmp_path)]
    assert cli.main([*asked, "--steps", "2"]) == 2
    assert "3 steps or more" in capsys.readouterr().err
    assert cli.main([*asked, "--steps", "3"]) == 0
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("latency", "memory", "kernels")}
    assert found["latency"]["step"] > 0 and found["latency"]["graph"] is None and found["memory"]["most"] is None
    assert "aten::" in (tmp_path / "kernels-step.txt").read_text()  # which products there are depends on the processor
    assert cli.main(["profile", "--random", "--out", str(tmp_path)]) == 2  # the embedded model's weights are here


def test_counting_is_for_the_released_models(tmp_path, capsys):
    assert cli.main(["bench", "--count", "--json", str(tmp_path / "count.json")]) == 2
    assert "weights are here" in capsys.readouterr().err


def test_the_command_writes_its_counts(tmp_path, monkeypatch):
    said = lambda settings, script: {"said": [settings.judge_from, script.clear_from]}  # noqa: E731
    monkeypatch.setattr("cotdemo.benchmark.bench.count", said)
    monkeypatch.setattr("cotdemo.benchmark.bench.count_in_words", json.dumps)
    asked = ["bench", "--backend", "show-o", "--count", "--clear-at", "10", "--judge-from", "9"]
    assert cli.main([*asked, "--json", str(tmp_path / "count.json")]) == 0
    assert json.loads((tmp_path / "count.json").read_text()) == {"said": [9, 9]}


def test_a_guided_step_of_one_path_launches_as_few_kernels_as_is_said():
    found = of_a_step(Shapes("show-o"))
    assert found["attention"] == 24 and found["mask"] == 0  # a mask is made once, not in every layer
    assert sum(found.values()) <= 410  # torch's versions differ by a few
