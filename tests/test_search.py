"""Searches with a scripted painter and judge: what is asked, who stops, who wins, what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_mini
import torch
from scripted import Encoded, SamplingSession, Studio, Verdict, decode
from showo_cases import pipeline

from cotdemo.errors import UserError
from cotdemo.registry import METHODS, resolve
from cotdemo.run.events import (
    Checked,
    Critiqued,
    Judged,
    PathPruned,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.search.reflection import MAX_CRITIQUE

PROMPT = "a photo of two red apples"


def run(studio, method="parm", **settings):
    settings = {"paths": 3, "steps": 4, "seed": 7, "guidance": 1.5} | settings
    return list(search(method, studio, PROMPT, **settings))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def only(kind, events):
    (event,) = of(kind, events)
    return event


def steps_taken(studio):
    return [paths for kind, paths in studio.log if kind == "step"]


def at(table, otherwise="yes"):
    """A script from {(question, path, step): answer}; a step of None stands for all steps."""
    return lambda question, number, path, step: table.get(
        (question, path, step), table.get((question, path, None), otherwise)
    )


# -- every run


def test_there_is_a_strategy_for_every_method():
    assert all(callable(resolve(method.strategy)) for method in METHODS.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_run_begins_with_what_was_asked_for_and_ends_with_what_it_cost(method):
    events = run(Studio(say=at({("outcome", 0, None): "no"}, "yes")), method, temperature=2)
    assert isinstance(events[0], RunStarted) and isinstance(events[-1], RunFinished)
    assert len(of(RunStarted, events)) == len(of(RunFinished, events)) == 1
    started = events[0]
    assert (started.settings.prompt, started.settings.method, started.settings.seed, started.settings.temperature) == (
        PROMPT,
        method,
        7,
        2.0,
    )
    assert (started.grid, started.codebook, started.weights) == ((4, 4), 64, {"generator": "0123abcd"})


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_makes_the_same_run(method):
    assert run(Studio(), method) == run(Studio(), method)
    assert run(Studio(), method) != run(Studio(), method, seed=8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("show", ["all", "none"])
def test_a_search_yields_between_any_two_forward_passes(method, show):
    studio = Studio(say=lambda *_: "no")
    done = 0
    for _ in search(method, studio, PROMPT, paths=3, steps=4, rounds=1, show=show):
        passes = sum(kind in ("step", "look", "clarity", "potential", "outcome", "explain") for kind, _ in studio.log)
        assert passes - done <= 1
        done = passes
    assert done > 0


@pytest.mark.parametrize("method", METHODS)
def test_closing_a_search_stops_the_work_at_every_moment(method):
    length = len(run(Studio(), method))
    for moment in range(1, length):
        studio = Studio()
        events = search(method, studio, PROMPT, paths=3, steps=4, seed=7, guidance=1.5)
        for _ in range(moment):
            next(events)
        before = len(studio.log)
        events.close()
        assert len(studio.log) == before
        assert list(events) == []


def test_what_cannot_be_run_is_refused_before_anything_is_computed():
    studio = Studio()
    for method, prompt, settings in [
        ("vote", PROMPT, {}),
        ("parm", "", {}),
        ("parm", "a photo of a unicorn", {}),
        ("parm", PROMPT, {"paths": 33}),
        ("parm", PROMPT, {"model": "sdxl"}),
    ]:
        with pytest.raises(UserError):
            search(method, studio, prompt, **settings)
    with pytest.raises(UserError):
        search("prm", Studio(name="show-o"), PROMPT)
    assert studio.log == []


def test_progress_says_in_words_where_the_run_is():
    say = at({("clarity", 1, 0): "yes", ("potential", 1, 0): "no"}, "no")
    words = [event.message for event in of(Progress, run(Studio(say=say)))]
    assert "step 1 of 4 - 3 of 3 paths alive - painting" in words
    assert "step 1 of 4 - 3 of 3 paths alive - judging potential" in words
    assert "step 2 of 4 - 2 of 3 paths alive - judging clarity" in words


def test_only_what_is_judged_or_shown_is_decoded():
    late = at({("clarity", path, step): "no" for path in range(3) for step in range(2)})
    everything = run(Studio(say=late), "parm", show="all")
    judged = run(Studio(say=late), "parm", show="judged")
    nothing = run(Studio(say=late), "parm", show="none")
    assert everything[-1].pictures_decoded == 3 * 4
    assert all(event.picture is not None for event in of(StepDecoded, everything))
    # steps 0 to 2 for clarity, the last for outcome; nothing was to be judged in between
    assert judged[-1].pictures_decoded == nothing[-1].pictures_decoded == 3 * 4
    settled = run(Studio(), "parm", show="judged")
    assert settled[-1].pictures_decoded == 3 * 2
    assert [event.picture is not None for event in of(StepDecoded, settled)] == [True] * 3 + [False] * 6 + [True] * 3
    assert all(event.picture is None for event in of(StepDecoded, nothing))
    assert only(Winner, nothing).picture is not None
    assert run(Studio(), "baseline", paths=2, show="none")[-1].pictures_decoded == 1


def test_guesses_are_events_with_codes_masks_and_confidences():
    studio = Studio()
    steps = of(StepDecoded, run(studio, "baseline", paths=2))
    assert [(event.path, event.step) for event in steps] == [(path, step) for step in range(4) for path in range(2)]
    first = steps[0]
    assert first.codes == tuple(studio.draw(0, 7, 0, 0).tolist())
    assert first.masked == tuple(range(12))
    assert first.confidence == (0.2,) * 12 + (1.0,) * 4
    assert (first.picture == decode([first.codes])[0]).all()


def test_final_images_go_to_the_checker_and_stopped_paths_do_not():
    def check(prompt, image):
        assert prompt == PROMPT
        right = bool((image == final).all())
        return Verdict(right, right, "" if right else "three apples , not two")

    say = at({("potential", 0, None): "no"})
    final = of(StepDecoded, run(Studio(say=say)))[-1].picture  # path 2's
    events = run(Studio(say=say, check=check))
    assert of(Checked, events) == [
        Checked(0, 1, False, False, "three apples , not two"),
        Checked(0, 2, True, True, ""),
    ]
    assert of(Checked, run(Studio(say=say, check=check), check=False)) == []
    assert len(of(Checked, run(Studio(check=check), "baseline", show="none"))) == 3
    assert of(Checked, run(Studio(check=lambda prompt, image: None))) == []  # a prompt it cannot judge


def test_a_judge_that_answers_nan_ends_the_run():
    with pytest.raises(FloatingPointError):
        run(Studio(say=lambda *_: ("yes", float("nan"), 0.0)))


def test_a_generator_whose_probabilities_are_nan_ends_the_run(monkeypatch):
    step = SamplingSession.step

    def broken(self):
        done = step(self)
        done.confidence[-1, 3] = np.nan
        return done

    monkeypatch.setattr(SamplingSession, "step", broken)
    with pytest.raises(FloatingPointError, match="generator"):
        run(Studio(), "baseline")


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_end_the_run_in_words(broken, tmp_path):
    backend = tiny_mini.backend(tmp_path)
    with torch.no_grad():
        for parameter in backend.generator("base").showo.parameters():
            parameter.fill_(broken)
    with pytest.raises(FloatingPointError, match="generator"):
        list(search("baseline", backend, "a photo of a dog", paths=1, steps=2))


def test_a_judge_that_answers_fewer_rows_than_it_was_asked_about_is_noticed(monkeypatch):
    ask = Encoded.ask
    monkeypatch.setattr(
        Encoded, "ask", lambda self, question, prompt, rows, **more: ask(self, question, prompt, rows[1:], **more)
    )
    with pytest.raises(ValueError, match="zip"):
        run(Studio(), "orm")


def test_a_run_goes_on_only_as_far_as_its_trace_can_be_read(monkeypatch):
    from cotdemo.search import entry

    events = run(Studio(), "parm")
    text = Trace.of(iter(events)).to_json()
    monkeypatch.setattr(entry, "MAX_BYTES", len(text) // 2)
    with pytest.raises(UserError, match="paint it anew"):
        list(reflect(Studio(), events))


def test_probabilities_beyond_one_by_a_rounding_are_cut():
    events = run(Studio(say=lambda *_: ("yes", 1.0000001, -1e-9)))
    assert {(event.p_yes, event.p_no) for event in of(Judged, events)} == {(1.0, 0.0)}


# -- baseline and ORM


def test_the_plain_generator_answers_with_path_0_and_asks_nobody():
    studio = Studio()
    events = run(studio, "baseline", paths=1)
    winner = only(Winner, events)
    assert (winner.path, winner.p_yes) == (0, None)
    assert not any(kind in ("look", "outcome") for kind, _ in studio.log)
    assert (events[-1].generator_passes, events[-1].judge_passes) == (2 * 4, 0)
    assert only(Winner, run(Studio(), "baseline", paths=5)).path == 0


def test_without_guidance_a_step_is_one_pass():
    assert run(Studio(), "baseline", paths=1, guidance=0)[-1].generator_passes == 4


def test_orm_takes_the_final_image_with_the_highest_p_yes():
    p_yes = {0: 0.3, 1: 0.8, 2: 0.8}
    studio = Studio(say=lambda question, number, path, step: ("yes", p_yes[path], 1 - p_yes[path]))
    events = run(studio, "orm")
    winner = only(Winner, events)
    assert (winner.path, winner.p_yes, winner.survivors) == (1, 0.8, (0, 1, 2))  # of equals the first
    assert studio.questions("outcome") == [(0, 0, 3), (0, 1, 3), (0, 2, 3)]
    assert studio.questions("clarity") == studio.questions("potential") == []
    assert (winner.picture == decode([winner.codes])[0]).all()
    assert winner.codes == of(StepDecoded, events)[-2].codes
    assert (events[-1].judge_passes, events[-1].passes_saved) == (3, 0)


def test_a_process_reward_model_ranks_by_the_mean_of_all_guesses():
    """Path 1 looks best at its end, path 2 all the way."""
    p_yes = {0: (0.1, 0.1, 0.1, 0.1), 1: (0.1, 0.1, 0.1, 0.9), 2: (0.6, 0.6, 0.6, 0.6)}
    studio = Studio(say=lambda question, number, path, step: ("yes", p_yes[path][step], 0.1))
    winner = only(Winner, run(studio, "prm"))
    assert (winner.path, winner.p_yes) == (2, 0.6)
    assert studio.questions("outcome") == [(0, path, step) for step in range(4) for path in range(3)]


# -- PARM


def test_clarity_is_asked_until_clear_then_potential_at_once_then_nothing_until_the_end():
    studio = Studio(say=at({("clarity", 1, 0): "no", ("clarity", 1, 1): "neither", ("clarity", 2, None): "no"}))
    run(studio)
    assert studio.questions("clarity") == [
        *[(0, 0, 0), (0, 1, 0), (0, 2, 0)],
        *[(0, 1, 1), (0, 2, 1)],
        *[(0, 1, 2), (0, 2, 2)],
        (0, 2, 3),
    ]
    assert studio.questions("potential") == [(0, 0, 0), (0, 1, 2)]
    assert studio.questions("outcome") == [(0, 0, 3), (0, 1, 3)]


def test_clarity_and_potential_share_one_look():
    studio = Studio()
    run(studio, paths=2, steps=1)
    assert [kind for kind, _ in studio.log] == ["step", "decode", "look", "clarity", "potential", "look", "outcome"]


def test_a_pruned_path_leaves_the_batch_at_once():
    studio = Studio(say=at({("clarity", 0, 0): "no", ("potential", 1, 0): "no", ("potential", 0, 1): "no"}))
    events = run(studio)
    assert steps_taken(studio) == [(0, 1, 2), (0, 2), (2,), (2,)]
    assert of(PathPruned, events) == [PathPruned(0, 1, 0, 0.8), PathPruned(0, 0, 1, 0.8)]
    winner = only(Winner, events)
    assert (winner.path, winner.survivors, winner.fallback) == (2, (2,), False)
    assert (events[-1].generator_passes, events[-1].passes_saved) == (2 * 7, 2 * 5)


def test_a_path_whose_potential_is_unanswered_is_asked_again():
    studio = Studio(say=at({("potential", 0, 0): "neither", ("potential", 1, None): "neither"}))
    winner = only(Winner, run(studio))
    assert studio.questions("potential") == [
        *[(0, 0, 0), (0, 1, 0), (0, 2, 0)],
        *[(0, 0, 1), (0, 1, 1)],
        *[(0, 1, 2), (0, 1, 3)],
    ]
    assert len(studio.questions("clarity")) == 3
    assert winner.survivors == (0, 2)


def test_the_best_survivor_may_have_a_no_to_outcome():
    say = at({("outcome", 0, 3): ("yes", 0.6, 0.3), ("outcome", 1, 3): ("no", 0.8, 0.1)})
    assert only(Winner, run(Studio(say=say), paths=2)).path == 1


def test_without_survivors_the_least_hopeless_path_is_restored_and_finished():
    table = {
        ("potential", 0, None): ("no", 0.2, 0.7),
        ("clarity", 1, 0): "no",
        ("potential", 1, None): ("no", 0.3, 0.6),
        ("clarity", 2, None): "no",
    }
    studio = Studio(say=at(table))
    events = run(studio)
    assert steps_taken(studio) == [(0, 1, 2), (1, 2), (2,), (2,), (1,), (1,)]
    assert ("restore", 1) in studio.log
    winner = only(Winner, events)
    assert (winner.path, winner.survivors, winner.fallback) == (1, (), True)
    assert winner.codes == tuple(studio.draw(0, 7, 1, 3).tolist())
    assert studio.questions("outcome") == [(0, 1, 3)]
    assert winner.p_yes == 0.9
    assert (events[-1].generator_passes, events[-1].passes_saved) == (2 * 9, 2 * 3)


def test_a_path_rejected_at_its_last_step_needs_no_finishing():
    table = {("clarity", path, 3): "yes" for path in range(3)} | {("potential", 1, 3): ("no", 0.2, 0.5)}
    studio = Studio(say=at(table, "no"))
    winner = only(Winner, run(studio))
    assert (winner.path, winner.fallback) == (1, True)
    assert len(steps_taken(studio)) == 4
    assert (winner.picture == decode([winner.codes])[0]).all()


def test_if_no_path_ever_becomes_clear_the_first_is_the_answer():
    studio = Studio(say=at({}, "no"))
    winner = only(Winner, run(studio))
    assert (winner.path, winner.fallback, winner.survivors) == (0, True, ())
    assert studio.questions("potential") == []


# -- the released code's search, call by call

GOLDEN = json.loads((Path(__file__).parent / "data" / "parm_search_golden.json").read_text())
GOLDEN["orm_negative_answer_still_wins"] |= {"of": "mixed"}
CODE_OF_PIXEL = {int(pixel): code for code, pixel in enumerate(decode(np.arange(64)).reshape(-1, 3)[:, 0])}


class Replay(Studio):
    """Paints the images of a recorded search and answers as its judge did."""

    def __init__(self, case):
        super().__init__(codes=self.recorded_codes)
        self.search_num, self.steps = case["search_num"], case["steps"]
        self.finals, self.orm = case["final_pixels_per_candidate"], list(case["orm_script"])
        self.calls = {path: [] for path in range(self.search_num)}  # calls of the judge, by path
        path = 0
        for call in case["calls"]:
            if call["fn"] == "parm":
                self.calls[path].append(call)
                # one path at a time, until it is clear or at its end
                path += call["returned"][2] or len(self.calls[path]) == self.steps
        self.outcomes = [int(Path(call["file"]).stem) for call in case["calls"] if call["fn"] == "orm"]
        self.say = self.recorded_answer

    def recorded_codes(self, path, step):
        if step == self.steps - 1:
            pixels = self.finals[path]
        elif step < len(self.calls[path]):
            pixels = self.calls[path][step]["pixels"]
        else:
            pixels = [path * 4 + step] * 16  # was not judged, so not recorded
        return [CODE_OF_PIXEL.get(pixel, pixel) for pixel in pixels]

    def recorded_answer(self, question, number, path, step):
        if question == "outcome":
            yes, p_yes = self.orm[self.outcomes.index(path)]
            # an answer that is neither was recorded as 0.0, whatever the logits
            return ("yes" if yes else "no" if p_yes else "neither", p_yes or 0.3 + path / 10, 0.2)
        promising, p_no, clear = self.calls[path][step]["returned"]
        if question == "clarity":
            return "yes" if clear else "no"
        answer = "yes" if promising else "no" if p_no <= 1 else "neither"
        return answer, 0.2, p_no if p_no <= 1 else 0.1


def golden(name):
    case = GOLDEN[name]
    return GOLDEN[case["of"]] | case if "of" in case else case


@pytest.mark.parametrize("name", GOLDEN)
def test_by_the_original_rules_a_search_agrees_with_the_released_code(name):
    case = golden(name)
    replay = Replay(case)
    events = run(replay, paths=case["search_num"], steps=case["steps"], original=True)
    winner = only(Winner, events)
    assert [winner.path] == case["selected_candidate"]
    assert (winner.picture[..., 0].ravel() == case["final_pixels_per_candidate"][winner.path]).all()
    for path, calls in replay.calls.items():
        asked = [place[2] for place in replay.questions("clarity") if place[1] == path]
        assert asked == list(range(len(calls)))
        potential = [place[2] for place in replay.questions("potential") if place[1] == path]
        assert potential == [step for step, call in enumerate(calls) if call["returned"][2]]
    assert [path for _, path, _ in replay.questions("outcome")] == replay.outcomes
    assert of(PathPruned, events) == []
    assert events[-1].generator_passes == 2 * case["search_num"] * case["steps"]


@pytest.mark.parametrize("name", ["mixed", "orm_negative_answer_still_wins", "none_promising", "tie_first_wins"])
def test_by_the_right_rules_the_same_candidate_wins_with_no_more_passes(name):
    case = golden(name)
    replay = Replay(case)
    recorded = replay.say

    def say(question, *place):
        # the released code does not judge an image that it falls back to
        return "no" if question == "outcome" and not replay.outcomes else recorded(question, *place)

    replay.say = say
    events = run(replay, paths=case["search_num"], steps=case["steps"])
    assert [only(Winner, events).path] == case["selected_candidate"]
    rejected = sum(call["returned"][2] and not call["returned"][0] for calls in replay.calls.values() for call in calls)
    assert len(of(PathPruned, events)) == rejected
    assert (events[-1].passes_saved > 0) == (rejected > 0)


def test_an_unanswered_clarity_counts_as_clear_by_the_original_rules_only():
    say = at({("clarity", path, None): "neither" for path in range(3)})
    original, right = Studio(say=say), Studio(say=say)
    run(original, original=True)
    run(right)
    assert original.questions("potential") == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    assert right.questions("potential") == []


@pytest.mark.parametrize("first", [1, 2, 4])
def test_steps_before_judge_from_are_painted_and_not_judged(first):
    studio = Studio(say=at({("potential", 1, None): "no"}))
    events = run(studio, judge_from=first, show="judged")
    assert studio.questions("clarity") == [(0, path, first - 1) for path in range(3)]
    assert [(event.path, event.step) for event in of(PathPruned, events)] == [(1, first - 1)]
    assert [event.step for event in of(StepDecoded, events) if event.picture is not None][0] == first - 1
    assert len(steps_taken(studio)) == 4


# -- lenient rules


def test_lenient_rules_stop_only_what_is_hopeless():
    say = at({("potential", 0, None): ("no", 0.3, 0.6), ("potential", 1, None): ("no", 0.05, 0.9)})
    events = run(Studio(say=say), stopping="lenient")
    assert [(event.path, event.step) for event in of(PathPruned, events)] == [(1, 0)]
    assert only(Winner, events).survivors == (0, 2)
    assert [event.path for event in of(PathPruned, run(Studio(say=say)))] == [0, 1]


def test_by_lenient_rules_an_image_may_win_that_never_was_clear():
    say = at(
        {("clarity", 2, None): "no", ("outcome", 0, None): ("yes", 0.7, 0.3), ("outcome", 1, None): ("no", 0.2, 0.8)}
    )
    winner = only(Winner, run(Studio(say=say), stopping="lenient"))
    assert winner.path == 2 and winner.survivors == (0, 1, 2) and not winner.fallback
    assert only(Winner, run(Studio(say=say))).path == 0


def test_without_survivors_lenient_rules_finish_the_least_hopeless_path_too():
    say = at({("potential", path, None): ("no", 0.05, p_no) for path, p_no in enumerate((0.9, 0.8, 0.95))})
    winner = only(Winner, run(Studio(say=say), stopping="lenient"))
    assert winner.path == 1 and winner.fallback and winner.survivors == ()


# -- sampled verdicts


def test_sampled_verdicts_follow_their_probabilities_and_their_seed():
    def wavering(*_):
        return "yes", 0.6, 0.3

    studio = Studio(say=wavering)
    draws = [
        event.answer
        for seed in range(300)
        for event in of(Judged, search("orm", studio, PROMPT, paths=7, steps=1, seed=seed, verdicts="sampled"))
    ]
    shares = [draws.count(answer) / len(draws) for answer in ("yes", "no", "neither")]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)

    def unsure(*_):
        return "yes", 0.5, 0.5

    answers = [event.answer for event in of(Judged, run(Studio(say=unsure), verdicts="sampled"))]
    assert {"yes", "no"} <= set(answers)
    assert answers == [event.answer for event in of(Judged, run(Studio(say=unsure), verdicts="sampled"))]
    few = of(Judged, run(Studio(say=unsure), method="orm", paths=2, verdicts="sampled"))
    many = of(Judged, run(Studio(say=unsure), method="orm", paths=5, verdicts="sampled"))
    assert [event.answer for event in few] == [event.answer for event in many][:2]  # whoever is beside a path
    assert run(Studio(say=unsure), verdicts="sampled")[0].settings.verdicts == "sampled"
    assert {event.answer for event in of(Judged, run(Studio(say=unsure)))} == {"yes"}


# -- with the real generator


class Generator(Studio):
    """A small Show-o with made-up weights, and a judge that finds every path clear and then hopeless, path by path."""

    def generator(self, model):
        return pipeline()

    def encode(self, images):
        return Encoded(self, [(0, path, 0) for path in range(len(images))])

    def canonical(self, prompt):
        return prompt


def test_a_restored_path_of_the_real_generator_ends_as_if_it_had_never_been_stopped():
    settings = {"paths": 3, "steps": 5, "seed": 3}
    undisturbed = list(search("baseline", Generator(), "w3 w4", **settings))
    hopeless = Generator(say=at({("potential", 1, 0): ("no", 0.4, 0.5), ("outcome", 0, 0): "yes"}, "no"))
    hopeless.say = lambda question, *place, say=hopeless.say: "yes" if question == "clarity" else say(question, *place)
    stopped = list(search("parm", hopeless, "w3 w4", **settings))
    assert len(of(PathPruned, stopped)) == 3
    winner = only(Winner, stopped)
    assert (winner.path, winner.fallback) == (1, True)

    def codes(events, path):
        return [(event.step, event.codes, event.masked) for event in of(StepDecoded, events) if event.path == path]

    assert codes(stopped, 1) == codes(undisturbed, 1)
    assert codes(stopped, 0) == codes(undisturbed, 0)[:1]
    assert winner.picture.shape == (16, 16, 3) and winner.picture.dtype == np.uint8
    Trace.from_json(Trace.of(stopped).to_json())


# -- PARM++ and Reflect


def outcomes(*p_yes_of_rounds):
    """Round r's final images get P(yes) of entry r; above one half the judge says "yes"."""

    def say(question, number, path, step):
        if question != "outcome":
            return "yes"
        p_yes = p_yes_of_rounds[number]
        return "yes" if p_yes > 0.5 else "no", p_yes, 1 - p_yes

    return say


def test_an_image_that_is_right_is_not_repainted():
    events = run(Studio(say=outcomes(0.9)), "parm++")
    assert len(of(RoundStarted, events)) == 1
    assert of(Critiqued, events) == []


def test_a_wrong_image_is_criticised_and_repainted_by_the_self_correcting_model():
    studio = Studio(say=outcomes(0.2, 0.9))
    events = run(studio, "parm++")
    first, second = of(Winner, events)
    said = [(event.text, event.done) for event in of(Critiqued, events)]
    words = "three apples, not two in round 0"  # one line, whatever the judge's pieces hold
    assert said == [("", False), ("three apples", False), ("three apples, not", False), (words, False), (words, True)]
    (model, seed, context), (corrector, other_seed, correction) = studio.started
    assert (model, corrector, context) == ("base", "self-correct", None)
    assert (correction.prompt_codes, correction.critique) == (first.codes, words)
    assert seed == 7 and other_seed != 7
    begun = of(RoundStarted, events)[1]
    assert (begun.round, begun.model, begun.critique) == (1, "self-correct", words)
    assert (begun.picture == first.picture).all()
    assert (events[-1].round, events[-1].path) == (1, second.path)


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_reflection_ends_after_the_rounds_allowed(rounds):
    events = run(Studio(say=outcomes(0.1, 0.2, 0.3, 0.4)), "parm++", rounds=rounds)
    assert [event.round for event in of(RoundStarted, events)] == list(range(rounds + 1))
    assert len([event for event in of(Critiqued, events) if event.done]) == rounds
    assert events[-1].round == rounds


def test_the_best_image_so_far_is_kept_and_repainted():
    studio = Studio(say=outcomes(0.3, 0.2, 0.4, 0.1))
    events = run(studio, "parm++")
    winners = of(Winner, events)
    assert events[-1].round == 2
    sources = [context.prompt_codes for _, _, context in studio.started[1:]]
    assert sources == [winners[0].codes, winners[0].codes, winners[2].codes]
    assert [event.round for event in of(Critiqued, events) if event.done] == [0, 2]  # not asked twice about round 0
    assert len({seed for _, seed, _ in studio.started}) == 4  # yet the candidates are new


def test_a_yes_beats_a_higher_p_yes_without_one():
    def say(question, number, path, step):
        if question != "outcome":
            return "yes"
        return ("yes", 0.4, 0.3) if number else ("no", 0.45, 0.5)

    assert run(Studio(say=say), "parm++")[-1].round == 1


def test_of_two_images_that_are_as_good_the_earlier_one_stays():
    events = run(Studio(say=outcomes(0.3, 0.3)), "parm++", rounds=1)
    assert len(of(RoundStarted, events)) == 2 and events[-1].round == 0
    studio = Studio(say=outcomes(0.3, 0.3))
    first = run(studio, "parm")
    assert list(reflect(studio, first))[-1].round == 0


def test_a_judge_that_does_not_end_its_sentence_is_cut_off(monkeypatch):
    pieces = []

    def endless(self, prompt, row):
        while True:
            pieces.append("wrong ")
            yield pieces[-1]

    monkeypatch.setattr(Encoded, "explain", endless)
    events = run(Studio(say=outcomes(0.2, 0.9)), "parm++")
    said = [event.text for event in of(Critiqued, events)]
    assert len(said[-1]) == max(map(len, said)) == MAX_CRITIQUE and len(pieces) < MAX_CRITIQUE
    assert Trace.from_json(Trace.of(events).to_json()).state.rounds[0].criticised.text == said[-1]


def test_critiques_can_be_rewritten_for_an_ablation():
    studio = Studio(say=outcomes(0.2, 0.9))
    events = run(studio, "parm++", rewrite=lambda critique: "")
    assert studio.started[1][2].critique == of(RoundStarted, events)[1].critique == ""


def kept(events):
    return [event for event in events if not isinstance(event, (RunStarted, RunFinished, Progress))]


def test_parm_and_then_reflect_is_parm_plus_plus():
    say = outcomes(0.2, 0.3, 0.9)
    whole = run(Studio(say=say), "parm++", rounds=2)
    studio = Studio(say=say)
    events = run(studio, "parm")
    for _ in range(2):
        events += reflect(studio, events)
    assert kept(events) == kept(whole)
    together, finished = whole[-1], events[-1]
    assert (finished.round, finished.generator_passes) == (together.round, together.generator_passes)
    assert finished.judge_passes == together.judge_passes
    trace = Trace.of(events)
    assert Trace.from_json(trace.to_json()).winner == trace.winner == of(Winner, events)[2]


def test_reflect_judges_an_image_that_nobody_has_judged():
    studio = Studio(say=outcomes(0.2, 0.9))
    events = run(studio, "baseline", paths=2)
    more, passes = [], 0
    for event in reflect(studio, events):
        more.append(event)
        judged = sum(kind in ("look", "outcome", "explain") for kind, _ in studio.log)
        assert judged - passes <= 1  # a stop is heard between any two passes of the judge
        passes = judged
    asked = of(Judged, more)[0]
    assert (asked.question, asked.round, asked.path, asked.step) == ("outcome", 0, 0, 3)
    assert (more[-1].round, studio.started[1][0]) == (1, "self-correct")
    assert more[-1].generator_passes == events[-1].generator_passes + 2 * 4  # without guidance


def test_reflect_does_not_take_over_what_another_judge_said():
    studio = Studio(say=outcomes(0.9, 0.8))
    events = run(studio, "orm")
    asked = len(studio.questions("outcome"))
    for number in range(2):
        events += reflect(studio, events)
        assert len(studio.questions("outcome")) == asked + 1, number  # its own word is asked for once
    assert Trace.from_json(Trace.of(events).to_json()).winner == of(Winner, events)[0]


def test_reflect_repaints_a_right_image_only_if_told_to():
    studio = Studio(say=outcomes(0.9, 0.8))
    events = run(studio)
    for _ in range(2):
        events += reflect(studio, events)
    assert len(studio.started) == 1
    assert "the judge calls this image right (P(yes) = 0.90)" in [event.message for event in of(Progress, events)]
    events += reflect(studio, events, anyway=True)
    assert len(studio.started) == 2
    assert len(of(Winner, events)) == 2
    assert events[-1].round == 0  # the first is still the better one


def test_reflect_works_on_a_run_from_a_trace_and_decodes_its_codes():
    studio = Studio(say=outcomes(0.2, 0.9))
    opened = Trace.from_json(Trace.of(run(studio)).to_json())
    other = Studio(say=studio.say, seen=studio.seen, first_round=1)
    more = list(reflect(other, opened.events))
    assert (of(RoundStarted, more)[0].picture == decode([opened.winner.codes])[0]).all()
    assert more[-1].round == 1


def test_reflect_goes_by_the_codes_of_a_trace_and_not_by_the_image_that_it_shows():
    studio = Studio(say=outcomes(0.2, 0.9))
    events = run(studio)
    (winner,) = of(Winner, events)
    other = replace(winner, picture=255 - winner.picture)
    altered = [other if event is winner else event for event in events]
    begun = only(RoundStarted, list(reflect(studio, altered)))
    assert (begun.picture == winner.picture).all()


def test_reflect_refuses_what_it_cannot_work_on():
    events = run(Studio(say=outcomes(0.2)))
    started = events[:4]
    elsewhere = Studio(name="show-o")
    retrained = Studio()
    retrained.weights = {"generator": "ffff0000"}
    for backend, run_so_far in [(Studio(), []), (Studio(), started), (elsewhere, events), (retrained, events)]:
        with pytest.raises(UserError):
            reflect(backend, run_so_far)


def test_reflect_ends_after_the_last_round_allowed():
    studio = Studio(say=outcomes(0.1, 0.2, 0.3, 0.4))
    events = run(studio)
    for _ in range(3):
        events += reflect(studio, events)
    with pytest.raises(UserError, match="3 times"):
        reflect(studio, events)


@pytest.mark.parametrize("claims", [{"codebook": 128}, {"grid": (2, 8)}, {"grid": (8, 2)}])
def test_reflect_refuses_a_trace_of_another_grid_or_codebook_before_anything_is_computed(claims):
    events = run(Studio(say=outcomes(0.2)))
    studio = Studio()
    with pytest.raises(UserError, match="paint it anew"):
        reflect(studio, [replace(events[0], **claims), *events[1:]])
    assert studio.log == []
