"""Repair: the tokens that the generator least believes in are painted anew, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cotdemo.backends import load_backend
from cotdemo.errors import UserError
from cotdemo.generator.mask_predict import MASKED
from cotdemo.run.events import Judged, RoundStarted, RunFinished, StepDecoded, Winner
from cotdemo.run.table import rows_of
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.search.repair import STEPS

PROMPT = "a photo of a dog right of a teddy bear"


@pytest.fixture(scope="module")
def backend():
    return load_backend("mini")


@pytest.fixture(scope="module")
def trace(backend):
    return Trace.of(search("repair", backend, PROMPT, seed=4, steps=6))


def of(trace, kind) -> list:
    return [event for event in trace.events if isinstance(event, kind)]


def test_the_first_round_is_the_plain_generators(backend, trace):
    plain = Trace.of(search("baseline", backend, PROMPT, seed=4, steps=6))
    assert of(trace, Winner)[0].codes == plain.winner.codes and not of(trace, Judged)


def test_the_least_believed_eighth_is_painted_anew_and_the_rest_stays(backend, trace):
    before, after = of(trace, Winner)
    (tokens,) = [event.tokens for event in of(trace, RoundStarted) if event.round]
    belief, passes = backend.generator("base").belief(PROMPT, before.codes, trace.started.settings.guidance)
    assert len(tokens) == 8 and max(belief[list(tokens)]) <= min(np.delete(belief, tokens))
    changed = [place for place, pair in enumerate(zip(before.codes, after.codes)) if len(set(pair)) > 1]
    assert set(changed) <= set(tokens)
    assert [event.step for event in of(trace, StepDecoded) if event.round] == list(range(6))[-STEPS:]
    assert trace.winner == after and of(trace, RunFinished)[-1].round == 1


def test_belief_is_the_probability_of_each_token_with_half_of_the_others_in_sight(backend):
    generator = backend.generator("base")
    codes = Trace.of(search("baseline", backend, PROMPT, seed=1, steps=4)).winner.codes
    belief, passes = generator.belief(PROMPT, codes, 1.0)
    assert belief.shape == (64,) and (0 <= belief).all() and (belief <= 1).all() and passes == 4
    assert generator.belief(PROMPT, codes, 0.0)[1] == 2  # without guidance a pass is one sequence
    # by hand, of those that are asked for together with token 0
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    part = next(half for half in order.chunk(2) if 0 in half)
    canvas = torch.tensor(codes)[None].clone()
    canvas[0, part] = MASKED
    with torch.no_grad():
        prefix = generator.prefill([PROMPT], 1.0, [None])
        logits = generator.logits(prefix, canvas, [0], part.sort().values[None])
    assert belief[0] == pytest.approx(logits[0, 0].softmax(-1)[codes[0]].item(), abs=1e-5)


def test_its_passes_are_counted_once_and_the_table_sums_to_them(trace):
    end = of(trace, RunFinished)[-1]
    assert end.generator_passes == 2 * (6 + 2 + STEPS) and end.passes_saved == end.judge_passes == 0
    assert sum(int(row["passes"]) for row in rows_of(trace.state)) == end.generator_passes


def test_it_can_be_read_again_reflected_on_and_taken_back(backend, trace):
    from cotdemo.search.entry import reflect, taken_back

    again = Trace.from_json(trace.to_json())
    assert again.winner.codes == trace.winner.codes
    assert taken_back(again.events).round == 0
    assert isinstance(list(reflect(backend, again.events))[-1], RunFinished)


@pytest.mark.parametrize("paths, steps", [(3, 5), (1, 2)])
def test_it_runs_with_more_attempts_and_with_few_steps(backend, paths, steps):
    trace = Trace.of(search("repair", backend, PROMPT, seed=2, paths=paths, steps=steps))
    end = of(trace, RunFinished)[-1]
    again = min(STEPS, steps - 1)
    assert end.path == 0 and end.generator_passes == 2 * (paths * (steps + again) + 2)


def test_an_image_of_one_step_cannot_be_repaired(backend):
    with pytest.raises(UserError, match="2 steps"):
        list(search("repair", backend, PROMPT, steps=1))
