"""Settings: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest

from cotdemo.errors import UserError
from cotdemo.settings import BACKENDS, METHODS, MODELS, Settings, offers

PROMPT = "a photo of a red apple"


def test_defaults_are_those_of_the_backend():
    settings = Settings.checked(PROMPT)
    limits = BACKENDS["mini"].defaults
    assert (settings.method, settings.backend, settings.model, settings.paths) == ("parm", "mini", "base", 8)
    assert (settings.steps, settings.guidance, settings.temperature) == (
        *(limits["steps"], limits["guidance"]),
        limits["temperature"],
    )
    assert Settings.checked(PROMPT, "baseline").paths == 1
    assert Settings.checked(PROMPT, "parm++").rounds == 3


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("paths", 1, 32), ("steps", 1, 50), ("guidance", 0, 10), ("temperature", 0, 5), ("seed", 0, 2**32 - 1)],
)
def test_both_ends_of_a_range_are_accepted_and_nothing_beyond(name, low, high):
    for value in (low, high, float(high), np.float32(low), np.int64(high)):
        settings = Settings.checked(PROMPT, **{"paths": 1, "steps": 1, name: value})
        assert getattr(settings, name) == value
        assert type(getattr(settings, name)) is (float if name in ("guidance", "temperature") else int)
    for value in (low - 1, high + 1, -math.inf, math.inf, 10**400, -(10**400)):
        with pytest.raises(UserError, match=name):
            Settings.checked(PROMPT, **{name: value})


@pytest.mark.parametrize("name", ["paths", "steps", "guidance", "temperature", "seed", "rounds"])
@pytest.mark.parametrize("value", [math.nan, True, False, "3", b"3", [3], {}, 1j, np.bool_(True), np.array([1, 2])])
def test_numbers_of_another_type_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        Settings.checked(PROMPT, "parm++", **{name: value})


@pytest.mark.parametrize("value", [1.5, np.float64(2.25), Fraction(7, 2)])
def test_a_fraction_is_no_whole_number(value):
    for name in ("paths", "steps", "seed", "rounds"):
        with pytest.raises(UserError, match=name):
            Settings.checked(PROMPT, **{name: value})


def test_rounds_count_for_parm_plus_plus_only():
    assert Settings.checked(PROMPT, "parm++", rounds=2).rounds == 2
    assert Settings.checked(PROMPT, "parm", rounds=2).rounds == 0
    for rounds in (-1, 4):
        with pytest.raises(UserError, match="rounds"):
            Settings.checked(PROMPT, "parm", rounds=rounds)


@pytest.mark.parametrize(
    "prompt", ["", "   ", "\n", "a" * 301, "a\nb", "a\x00b", "a\x1b[31mb", "\ud800", "a\u2028b", "a\u202eb", "a\x85b"]
)
def test_prompts_that_are_empty_too_long_or_not_plain_are_refused(prompt):
    with pytest.raises(UserError, match="prompt") as caught:
        Settings.checked(prompt)
    str(caught.value).encode()  # a message can always be shown


@pytest.mark.parametrize("prompt", [None, 3, b"a photo", ["a photo"]])
def test_a_prompt_is_a_text(prompt):
    with pytest.raises(UserError, match="prompt must be a text"):
        Settings.checked(prompt)


@pytest.mark.parametrize(
    "prompt", ["a" * 300, "ein roter Apfel für Zoë", "赤いりんご", "🍎", "<script>", "${1}", "👩‍🎨"]
)
def test_any_script_passes_here_for_a_backend_to_judge(prompt):
    assert Settings.checked(f"  {prompt} ").prompt == prompt


def test_a_giant_prompt_is_refused_without_walking_over_it():
    with pytest.raises(UserError, match="300"):
        Settings.checked(" " * 100_000_000)


def test_every_run_without_a_seed_draws_one():
    seeds = {Settings.checked(PROMPT).seed for _ in range(20)}
    assert len(seeds) > 15 and all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize("backend", BACKENDS)
def test_paths_times_steps_are_capped_by_backend(backend):
    cap = BACKENDS[backend].cap
    steps = 25
    assert Settings.checked(PROMPT, backend=backend, paths=min(32, cap // steps), steps=steps)
    over = cap // steps + 1
    with pytest.raises(UserError, match=rf"{over if over <= 32 else 32} paths x"):
        Settings.checked(PROMPT, backend=backend, paths=min(32, over), steps=steps if over <= 32 else 50)


def test_method_backend_model_and_verdicts_come_from_fixed_lists():
    for name in ("method", "backend", "model", "verdicts"):
        for value in ("vote", "", "../weights", "https://example.org/x", "owner/repository", None, 3, ["mini"]):
            with pytest.raises(UserError, match=name):
                Settings.checked(PROMPT, **{name: value})
    with pytest.raises(UserError, match="original"):
        Settings.checked(PROMPT, original=1)


def test_a_judge_looks_first_at_one_of_the_steps():
    assert Settings.checked(PROMPT).judge_from == 1
    for step in (0, 1.5, "3", None, 51):
        with pytest.raises(UserError, match="judge_from"):
            Settings.checked(PROMPT, judge_from=step)
    with pytest.raises(UserError, match="step 9 of 8"):
        Settings.checked(PROMPT, steps=8, judge_from=9)


def test_the_table_of_offers_is_what_settings_accept():
    for backend in BACKENDS:
        table = offers(backend)
        assert {(offer.method, offer.model) for offer in table} == {(a, b) for a in METHODS for b in MODELS}
        for offer in table:
            if offer.offered:
                assert Settings.checked(PROMPT, offer.method, backend, offer.model)
            else:
                with pytest.raises(UserError) as caught:
                    Settings.checked(PROMPT, offer.method, backend, offer.model)
                assert offer.reason in str(caught.value)
    with pytest.raises(UserError):
        offers("sdxl")


def test_what_each_backend_offers():
    def offered(backend):
        return {(offer.method, offer.model) for offer in offers(backend) if offer.offered}

    whole = {"sd3", "sdxl"}  # of which only finished images can be judged
    elsewhere = {"turbo", *whole}
    assert offered("mini") == {(method, model) for method in METHODS for model in MODELS if model not in elsewhere}
    released = [method for method in METHODS if method != "prm"]
    finals = {(method, model) for method in ("baseline", "orm", "orm-zero-shot", "adaptive") for model in whole}
    tokens = [model for model in MODELS if model not in {"self-correct", *whole}]
    assert offered("show-o") == {(m, model) for m in released for model in tokens} | finals
    assert offered("show-o-512") == {(m, model) for m in released for model in ("base", "turbo")} | finals


def test_a_generator_for_few_steps_has_defaults_of_its_own():
    turbo = Settings.checked(PROMPT, "parm", "show-o", "turbo")
    assert (turbo.steps, turbo.guidance) == (4, 0.0)
    assert Settings.checked(PROMPT, "parm", "show-o", "turbo", steps=8, guidance=1).steps == 8
    assert Settings.checked(PROMPT, "parm", "show-o").steps == 18


def test_what_is_repainted_depends_on_what_has_been_released():
    assert Settings.checked(PROMPT, "parm++").corrects
    assert not Settings.checked(PROMPT, "parm++", "show-o").corrects
    assert Settings.checked(PROMPT, "parm++", "show-o", repaint="whole").corrects
    assert not Settings.checked(PROMPT, "parm", repaint="whole").corrects


def test_every_reward_model_judges_by_its_own_weights():
    judges = {method: Settings.checked(PROMPT, method).verifier for method in METHODS}
    assert judges == {
        "baseline": "parm", "repair": "parm", "orm-zero-shot": "zero-shot", "orm": "orm", "adaptive": "orm",
        "think": "orm", "prm": "prm", "parm": "parm", "parm++": "parm",
    }  # fmt: skip


def test_settings_go_through_json_and_back():
    settings = Settings.checked(PROMPT, "parm++", seed=5, guidance=2, rounds=1, verdicts="sampled")
    assert Settings.from_dict(json.loads(json.dumps(settings.as_dict()))) == settings
    for values in ([], None, "prompt", {"prompt": PROMPT, "colour": 1}, {"steps": 3}, {"prompt": PROMPT, 3: 4}):
        with pytest.raises(UserError):
            Settings.from_dict(values)


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Settings.checked(PROMPT).paths = 99


def test_the_released_code_has_no_parm_plus_plus():
    assert Settings.checked(PROMPT, "parm", original=True).original
    with pytest.raises(UserError, match="Lenient"):
        Settings.checked(PROMPT, "parm", original=True, stopping="lenient")
    with pytest.raises(UserError, match="PARM"):
        Settings.checked(PROMPT, "parm++", original=True)
