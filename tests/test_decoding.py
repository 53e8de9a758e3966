from __future__ import annotations

import hashlib

import pytest
import torch
from showo_cases import golden, golden_json, small, tiny_real
from test_prompting import canvas_of

from cotdemo.errors import UserError
from cotdemo.generator.chance import BatchSampler, PathSampler, RecordedSampler, draw
from cotdemo.generator.mask_predict import MASKED, guided, likeliest, mask_predict, masked_positions, with_known
from cotdemo.generator.pipeline import FastForm, PlainForm
from cotdemo.generator.schedule import mask_ratio, masked_counts, temperatures

RUNS = list(golden_json("sampling")["trajectories"])
SMALL_RUNS = [run for run in RUNS if run.startswith("small")]
TABLES = golden_json("sampling")["schedule_tables_N256"]

MULTINOMIAL_OF_TORCH_2_13 = [436, 863, 780, 145, 445, 669, 572, 197]


def this_torch_draws_as_the_recorded_one() -> bool:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(torch.full((8, 1000), 1e-3), 1, generator=generator)[:, 0]
    return drawn.tolist() == MULTINOMIAL_OF_TORCH_2_13


def replay(run: str, sampler, form) -> tuple[dict, dict[str, torch.Tensor]]:
    """Decode a golden run; returns its tensors and ours, each ``(steps, paths, tokens)``."""
    settings = golden_json("sampling")["trajectories"][run]
    recorded = {key.split(".")[1]: tensor for key, tensor in golden("sampling").items() if key.startswith(run + ".")}
    model = small() if run in SMALL_RUNS else tiny_real()
    vocabulary, tokens, paths = model.vocabulary, model.config.num_vq_tokens, range(settings["batch"])
    prompts = (
        golden_json("sampling")["small_prompts"] if run in SMALL_RUNS else golden_json("logits")["prompt_token_ids"]
    )
    unconditional = vocabulary.prefix() if settings["guidance"] > 0 else None
    canvas = canvas_of(recorded["input_ids"], vocabulary, tokens)
    counts = masked_counts(settings["schedule"], settings["steps"], tokens)
    heat = temperatures("compounding", 1.0, settings["steps"])
    steps = []
    with torch.inference_mode():
        compute = form(model, [vocabulary.prefix(prompts[path]) for path in paths], unconditional)
        for step in range(settings["steps"]):
            where = masked_positions(canvas)
            probs = with_known(canvas, where, guided(*compute(canvas, paths, where), settings["guidance"]).softmax(-1))
            sampled = sampler.codes(probs, paths, step)
            predicted = mask_predict(
                canvas, probs, sampled, sampler.noise(probs, paths, step), counts[step], heat[step]
            )
            canvas = predicted.canvas
            steps.append(predicted[:3])
    names = ("sampled_ids", "masking", "confidence")
    return recorded, dict(zip(names, map(torch.stack, zip(*steps, strict=True)), strict=True))


def recorded_noise(masking: torch.Tensor) -> torch.Tensor:
    """Noise that agrees with the recorded choice: as little as possible where masked, as much where kept."""
    return torch.where(masking.bool(), 0.0, 1 - 2.0**-24)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.skipif(not this_torch_draws_as_the_recorded_one(), reason="this torch draws other random numbers")
def test_trajectories_are_those_of_the_reference(run):
    settings = golden_json("sampling")["trajectories"][run]
    generator = torch.Generator().manual_seed(settings["seed"])
    recorded, ours = replay(run, BatchSampler(generator), FastForm)
    for name in ("sampled_ids", "masking"):
        assert torch.equal(ours[name].long(), recorded[name]), name
    known = recorded["selected_probs"] > 1
    torch.testing.assert_close(
        ours["confidence"], recorded["selected_probs"].masked_fill(known, 1.0), rtol=1e-4, atol=0
    )
    assert hashlib.sha256(generator.get_state().numpy().tobytes()).hexdigest() == settings["generator_end_state_sha256"]


@pytest.mark.parametrize("form", [FastForm, PlainForm])
@pytest.mark.parametrize("run", SMALL_RUNS)
def test_both_forms_replay_recorded_draws(run, form):
    draws = {key.split(".")[1]: tensor for key, tensor in golden("sampling").items() if key.startswith(run + ".")}
    recorded, ours = replay(run, RecordedSampler(draws["raw_sample"], recorded_noise(draws["masking"])), form)
    assert torch.equal(ours["sampled_ids"], recorded["sampled_ids"])
    assert torch.equal(ours["masking"], recorded["masking"].bool())
    known = recorded["selected_probs"] > 1
    torch.testing.assert_close(
        ours["confidence"], recorded["selected_probs"].masked_fill(known, 1.0), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("run", ["b2_cos18", "b1_cos18_noguid", "b1_lin12", "b1_sig12"])
def test_real_runs_replay_recorded_draws(run):
    draws = {key.split(".")[1]: tensor for key, tensor in golden("sampling").items() if key.startswith(run + ".")}
    recorded, ours = replay(run, RecordedSampler(draws["raw_sample"], recorded_noise(draws["masking"])), FastForm)
    assert torch.equal(ours["sampled_ids"], recorded["sampled_ids"])
    assert torch.equal(ours["masking"], recorded["masking"].bool())


@pytest.mark.parametrize("table", TABLES)
def test_schedules_and_temperatures_are_those_of_the_reference(table):
    schedule, steps = table.split("_")
    rows, steps = TABLES[table], int(steps)
    assert [mask_ratio(schedule, (step + 1) / steps).item() for step in range(steps)] == pytest.approx(
        [row["mask_ratio_f32"] for row in rows], abs=0
    )
    assert list(masked_counts(schedule, steps, 256)) == [row["mask_len"] for row in rows]
    assert list(temperatures("compounding", 1.0, steps)) == [row["temperature"] for row in rows]


def test_the_cosine_schedule_rounds_in_float32():
    assert masked_counts("cosine", 12, 256)[7] == 127


def test_more_steps_than_tokens_keep_one_token_a_step_and_then_wait_with_one_masked():
    assert masked_counts("linear", 8, 4) == (3, 2, 1, 1, 1, 1, 1, 1)


def test_annealing_rules():
    assert temperatures("compounding", 6.0, 2) == (3.0, 0.0)
    assert temperatures("linear", 6.0, 3) == pytest.approx((6.0, 4.0, 2.0))
    assert temperatures("constant", 6.0, 3) == (6.0, 6.0, 6.0)
    assert temperatures("released", 1.0, 2, path=0) == temperatures("compounding", 1.0, 2)
    assert temperatures("released", 1.0, 2, path=1) == (0.0, 0.0)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(UserError, match="cosine, linear, sigmoid, pow2"):
        masked_counts("square", 4, 16)
    with pytest.raises(UserError, match="compounding, linear, constant"):
        temperatures("none", 1.0, 4)


def test_a_step_keeps_known_tokens_and_masks_the_least_confident_new_ones():
    canvas = torch.tensor([[3, -1, -1, -1]])
    probs = torch.full((1, 4, 5), 0.1)
    probs[0, 1, 1], probs[0, 2, 2], probs[0, 3, 4] = 0.9, 0.2, 0.5
    sampled, noise = torch.tensor([[0, 1, 2, 4]]), torch.full((1, 4), 0.5)

    step = mask_predict(canvas, probs, sampled, noise, masked=2, temperature=0.0)

    assert step.codes.tolist() == [[3, 1, 2, 4]]
    assert step.masked.tolist() == [[False, False, True, True]]
    assert step.canvas.tolist() == [[3, 1, MASKED, MASKED]]
    torch.testing.assert_close(step.confidence, torch.tensor([[1.0, 0.9, 0.2, 0.5]]))


def test_noise_decides_which_tokens_are_masked_when_the_temperature_is_high():
    canvas, probs = torch.full((1, 2), -1), torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
    sampled, noise = torch.zeros(1, 2, dtype=torch.long), torch.tensor([[0.01, 0.99]])
    assert mask_predict(canvas, probs, sampled, noise, 1, 0.0).masked.tolist() == [[False, True]]
    assert mask_predict(canvas, probs, sampled, noise, 1, 6.0).masked.tolist() == [[True, False]]


def test_drawing_inverts_the_cumulative_distribution_and_never_picks_the_impossible():
    probs = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0]).expand(4, 5)
    assert draw(probs, torch.tensor([0.0, 0.2, 0.3, 1 - 2.0**-24])).tolist() == [1, 1, 3, 3]


def test_drawn_codes_follow_the_distribution():
    probs = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 20000, 4)
    codes = PathSampler.from_seed(0, [0]).codes(probs, [0], 0)
    shares = codes.flatten().bincount(minlength=4) / 20000
    torch.testing.assert_close(shares, probs[0, 0], rtol=0, atol=0.015)


def test_a_path_draws_the_same_whoever_is_beside_it():
    probs = torch.rand(3, 16, 64, generator=torch.Generator().manual_seed(0))
    together, alone = PathSampler.from_seed(7, [0, 4, 2]), PathSampler.from_seed(7, [4])
    assert torch.equal(together.codes(probs, [0, 4, 2], 0)[1], alone.codes(probs[1:2], [4], 0)[0])
    assert torch.equal(together.noise(probs, [4, 2], 0)[0], alone.noise(probs[1:2], [4], 0)[0])


def test_paths_and_seeds_draw_differently():
    probs = torch.ones(1, 16, 64)
    drawn = {
        tuple(PathSampler.from_seed(seed, [path]).codes(probs, [path], 0)[0].tolist())
        for seed, path in [(0, 0), (0, 1), (1, 0), (1, 1)]
    }
    assert len(drawn) == 4


def test_the_likeliest_codes_alone_are_drawn_from_and_keep_their_probabilities():
    probs = torch.randn(3, 5, 20, generator=torch.Generator().manual_seed(0)).softmax(-1)
    some = likeliest(probs, 4)
    assert ((some > 0).sum(-1) == 4).all() and (some.sum(-1) < 1).all()
    kept = some > 0
    assert torch.equal(some[kept], probs[kept]) and (probs[~kept].amax() <= probs.amax())
    assert (probs.masked_fill(~kept, 1).amin(-1) >= probs.masked_fill(kept, 0).amax(-1)).all()
    for none in (0, 20, 50):
        assert likeliest(probs, none) is probs
