"""The plain procedure, the fast path, and what is measured of both."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_mini
import torch
from torch import nn

import cotdemo.backends
from cotdemo import cli
from cotdemo.backends.metered import Clock
from cotdemo.benchmark.bench import bench, first_difference, margin, runs_of
from cotdemo.benchmark.released import PlainRun, Script, plain_answer, scripted
from cotdemo.compute import counting
from cotdemo.compute.counting import counted, matmul_rate
from cotdemo.generator.chance import PathSampler
from cotdemo.geneval.prompts import TAGS
from cotdemo.run.events import Judged, PathPruned, StepDecoded, Winner
from cotdemo.search.parm import parm
from cotdemo.settings import Settings
from cotdemo.world.prompts import parse

PROMPT = "a photo of a red car and a blue bus"
PATHS, STEPS = 8, 6
SCRIPT = Script(clear_from=2)
SETTINGS = Settings.checked(PROMPT, "parm", "mini", paths=PATHS, steps=STEPS, guidance=0.5, seed=4)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_mini.backend(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="module")
def plain(tiny):
    return PlainRun(tiny, SETTINGS, SCRIPT, Clock())


@pytest.fixture(scope="module")
def fast(tiny):
    return list(parm(scripted(tiny, SETTINGS, SCRIPT, Clock())))


def guesses(events):
    return {(e.path, e.step): (e.codes, e.masked) for e in events if isinstance(e, StepDecoded)}


# -- the script and the plain procedure


def test_the_typical_script_is_clear_at_step_8_of_18_and_stops_a_quarter():
    script = Script.typical(18)
    assert [script.says("clarity", 0, step) for step in (6, 7, 17)] == [False, True, True]
    assert [path for path in range(8) if not script.says("potential", path, 7)] == [3, 7]
    assert Script.typical(1).says("clarity", 0, 0)


def test_the_search_follows_the_script_and_the_judge_still_answers(fast):
    assert [(e.path, e.step) for e in fast if isinstance(e, PathPruned)] == [(3, 2), (7, 2)]
    clarity = [e for e in fast if isinstance(e, Judged) and e.question == "clarity"]
    # each path is asked until the script calls it clear, and then for its potential
    assert [(e.step, e.path) for e in clarity] == [(step, path) for step in range(3) for path in range(PATHS)]
    assert [e.path for e in fast if isinstance(e, Judged) and e.question == "potential"] == list(range(PATHS))
    assert len({e.p_yes for e in clarity}) > PATHS  # real probabilities, one for each image


def test_the_plain_procedure_decodes_and_asks_as_the_released_code(plain):
    clear = SCRIPT.clear_from + 1
    assert plain.decodes == PATHS * (STEPS + 1 + clear)  # 19 + c for 18 steps
    assert plain.questions == PATHS * (clear + 1) + 6
    assert len(plain.guesses) == PATHS * STEPS  # a rejected path is painted to its end


def test_both_procedures_paint_the_same_tokens_and_choose_the_same_path(plain, fast):
    ours = guesses(fast)
    assert len(ours) == 6 * STEPS + 2 * 3
    assert all(plain.guesses[place] == guess for place, guess in ours.items())
    assert [e.path for e in fast if isinstance(e, Winner)] == [plain.winner]


@pytest.mark.parametrize("question", ["clarity", "potential", "outcome"])
def test_an_answer_from_scratch_is_the_answer_of_the_judge(tiny, question):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    answers = tiny.verifier("parm").encode(images).ask(question, PROMPT)
    alone = [plain_answer(tiny.verifier("parm"), image, question, PROMPT, True) for image in images]
    np.testing.assert_allclose(alone, answers.p_yes, atol=2e-5)


# -- differences


def test_the_first_difference_is_found_among_steps_that_both_painted():
    a = {(0, step): ((step,), ()) for step in range(4)}
    assert first_difference(a, a, 0) is None
    assert first_difference(a, a | {(0, 2): ((9,), ())}, 0) == 2
    assert first_difference({(0, 0): a[0, 0]}, a | {(0, 2): ((9,), ())}, 0) is None
    assert first_difference(a, {(0, 1): ((1,), (0,))}, 0) == 1


class LoudPlain:
    """A computation that rounds coarsely: its distribution is off by up to ``error`` for one code."""

    def __init__(self, sampler, error: float):
        self.sampler, self.error = sampler, error

    def codes(self, probs, paths, step):
        shifted = probs.clone()
        shifted[..., 0] += self.error
        return self.sampler.codes(shifted, paths, step)

    def noise(self, probs, paths, step):
        return self.sampler.noise(probs, paths, step)


@pytest.mark.parametrize("error", [1e-4, 1e-3])
def test_a_difference_is_no_further_from_its_boundary_than_the_rounding_that_made_it(tiny, error):
    def paint(sampler):
        s, seen = SETTINGS, {}
        session = tiny.generator("base").start(
            s.prompt, range(PATHS), s.steps, s.guidance, s.temperature, s.seed, sampler=sampler
        )
        while not session.done:
            step = session.step()
            for row, path in enumerate(step.paths):
                masked = tuple(step.masked[row].nonzero()[:, 0].tolist())
                seen[path, step.index] = tuple(step.codes[row].tolist()), masked
        return seen

    ours = paint(PathSampler.from_seed(SETTINGS.seed, range(PATHS)))
    other = paint(LoudPlain(PathSampler.from_seed(SETTINGS.seed, range(PATHS)), error))
    margins = []
    for path in range(PATHS):
        step = first_difference(ours, other, path)
        if step is not None:
            margins.append(margin(tiny.generator("base"), SETTINGS, path, step, ours[path, step], other[path, step]))
    assert margins
    assert 0 <= min(margins) and max(margins) <= 1.01 * error


def test_a_difference_in_masks_alone_is_measured_in_the_ranking(tiny, fast):
    """Exchange a masked token with a kept one: they are as far apart as their ranks are."""
    codes, masked = guesses(fast)[0, 0]
    kept = next(token for token in range(64) if token not in masked)
    exchanged = tuple(sorted({*masked[1:], kept}))
    apart = margin(tiny.generator("base"), SETTINGS, 0, 0, (codes, masked), (codes, exchanged))
    assert 0 < apart < float("inf")
    assert margin(tiny.generator("base"), SETTINGS, 0, 0, (codes, exchanged), (codes, masked)) == apart


# -- operations


@pytest.mark.parametrize("kernel", ["flash_attention", "efficient_attention", "cudnn_attention"])
def test_attention_of_a_gpu_is_counted_with_fewer_heads_of_keys_than_of_queries(kernel):
    count = counting._KERNELS[getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}")]
    assert count((2, 6, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8), None, out_shape=None) == 2 * 2 * 6 * 3 * 5 * (8 + 8)


def test_operations_of_products_convolutions_and_attention_are_counted():
    queries, keys = torch.ones(2, 3, 5, 8), torch.ones(2, 1, 7, 8)
    attention = nn.functional.scaled_dot_product_attention
    with torch.inference_mode():
        assert counted(lambda: nn.Linear(8, 16)(torch.ones(3, 5, 8)))[1] == 2 * 15 * 8 * 16
        assert counted(lambda: nn.Conv2d(3, 4, 3, padding=1)(torch.ones(2, 3, 6, 6)))[1] == 2 * (2 * 36) * 4 * 27
        assert counted(lambda: attention(queries, keys, keys, enable_gqa=True))[1] == 2 * 2 * 2 * 3 * 5 * 7 * 8


def test_operations_of_a_fast_step_follow_from_the_shapes(tiny):
    """Two guided paths: rows of 64 tokens, soi and eoi, which also attend to the prefix."""
    session, start = counted(lambda: tiny.generator("base").start(PROMPT, [0, 1], STEPS, 0.5, 1.0))
    step, first = counted(session.step)
    masked, second = step.masked[0].sum().item(), counted(session.step)[1]
    tokens, width, inner, layers, head = 66, 32, 48, 2, 1024
    prefix = 1 + 2 + len(PROMPT.split())

    def operations(rows: int, asked: int) -> int:
        """The last layer has queries, and what follows from them, for the tokens asked for only."""
        queries = (layers - 1) * tokens + asked
        after = 2 * queries * (2 * width * width + 2 * width * inner) + 2 * 2 * queries * (tokens + prefix) * width
        return rows * (after + 2 * layers * tokens * 2 * width * width + 2 * asked * width * head)

    assert first == operations(2, 64)  # blank canvases differ by their prefix only
    assert second == operations(4, masked)
    assert 0 < start < first


def test_the_machine_multiplies_at_some_rate():
    assert matmul_rate(seconds=0.01) > 1e8


# -- the whole benchmark


@pytest.fixture(scope="module")
def result(tiny):
    return bench(tiny, replace(SETTINGS, prompt="bench", paths=2, steps=3), Script.typical(3), 2)


def test_the_benchmark_reports_both_sides_part_by_part(result):
    for side in ("plain", "fast"):
        one = result[side]
        assert one["seconds"] == pytest.approx(sum(one["parts"].values()))
        assert all(one["operations"][part] > 0 for part in ("generator", "decoder", "judge"))
        assert 0 < one["floor_seconds"]
    assert result["ratio"] == pytest.approx(result["plain"]["seconds"] / result["fast"]["seconds"])
    assert result["plain"]["questions"] == result["fast"]["questions"]
    assert result["plain"]["operations"]["generator"] > result["fast"]["operations"]["generator"]
    assert result["agreement"] | {"differences": []} == {
        "paths": 4, "identical": 4, "largest_margin": None, "differences": [], "same_winner": 2,
    }  # fmt: skip
    assert result["parm"]["all_images"]["first_image"] < result["parm"]["all_images"]["seconds"]
    assert result["weights"].keys() == {"magvit", "showo", "judge", "self-correct"}


def test_the_first_six_runs_of_a_benchmark_are_of_the_six_kinds():
    runs = runs_of(SETTINGS, 12)
    assert [parse(run.prompt)["tag"] for run in runs] == [*TAGS, *TAGS]
    assert len({run.seed for run in runs}) == 12
    assert {replace(run, prompt=PROMPT, seed=4) for run in runs} == {SETTINGS}


def test_the_bench_command_writes_its_file_and_prints_the_ratio(tiny, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cotdemo.backends, "load_backend", lambda name, device=None, root=None, **_: tiny)
    file = tmp_path / "bench.json"
    assert cli.main(["bench", "--json", str(file), "--prompts", "1", "--paths", "1", "--steps", "2"]) == 0
    printed = capsys.readouterr().out
    assert "times as fast" in printed and "identical tokens on 1 of 1 paths" in printed
    assert json.loads(file.read_text())["asked"]["prompts"] == 1
    assert cli.main(["bench", "--json", str(file), "--prompts", "0"]) == 2
