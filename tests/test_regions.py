"""Reflection by region: what a round opens, and that it leaves the rest of the image as it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_mini

from cotdemo.errors import UserError
from cotdemo.run.events import RoundStarted, StepDecoded, Winner
from cotdemo.run.trace import Trace
from cotdemo.search import brush, reflect, search, taken_back
from cotdemo.search.reflection import amended
from cotdemo.search.regions import distances
from cotdemo.settings import MAX_PROMPT, Settings

PROMPT = "a photo of a red dog"
STEPS = 6


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_mini.backend(tmp_path_factory.mktemp("mini"))


def test_regions_are_connected_and_of_many_shapes():
    order = distances((8, 8), 400, np.random.default_rng(1))
    opened = (order.argsort(1).argsort(1) < 32).reshape(-1, 8, 8)
    heights, widths = opened.any(2).sum(1), opened.any(1).sum(1)
    assert ((heights == 8) & (widths <= 5)).any() and ((widths == 8) & (heights <= 5)).any()
    assert (abs(heights - widths) <= 1).any()
    assert opened.mean(0).min() > 0.15  # every token is in many regions
    for region in opened[:50]:
        rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
        assert (np.diff(rows) == 1).all() and (np.diff(columns) == 1).all()
        assert len(rows) * len(columns) <= 32 + 2 * max(len(rows), len(columns))  # full but for its rim


@pytest.mark.parametrize("steps", [2, 6, 18])
def test_a_reopened_image_has_what_a_step_leaves(tiny, steps):
    codes, order = list(range(64)), distances((8, 8), 3, np.random.default_rng(2))
    pipeline = tiny.generator("base")
    step = pipeline.reopened(codes, order, 0.5, steps)
    counts = set(step.masked.sum(1).tolist())
    assert len(counts) == 1 and step.index < steps - 1
    assert steps == 2 or abs(counts.pop() - 32) <= 8
    session = pipeline.start(PROMPT, range(3), steps, after=step)
    while not session.done:
        last = session.step()
    kept = ~step.masked
    assert (last.codes[kept] == step.codes[kept]).all()
    with pytest.raises(UserError, match="2 steps"):
        pipeline.reopened(codes, order, 0.5, 1)


def test_each_path_of_a_round_paints_a_region_of_the_winner_anew(tiny):
    asked = {"paths": 3, "steps": STEPS, "seed": 5, "rounds": 0, "repaint": "region"}
    first = list(search("parm++", tiny, PROMPT, **asked))
    more = list(reflect(tiny, first, anyway=True))
    winner = next(event for event in first if isinstance(event, Winner))
    begun = next(event for event in more if isinstance(event, RoundStarted))
    assert (begun.round, begun.model) == (1, "base")
    steps = [event for event in more if isinstance(event, StepDecoded)]
    assert min(event.step for event in steps) > 0
    changed = set()
    for event in steps:
        other = {place for place, (now, old) in enumerate(zip(event.codes, winner.codes)) if now != old}
        assert len(other) <= 40
        changed.add(frozenset(other))
    assert len(changed) > 3
    passes = 2 * len(steps)  # with guidance
    assert more[-1].generator_passes == first[-1].generator_passes + passes
    opened = Trace.from_json(Trace.of([*first, *more]).to_json())
    assert [event for event in opened.events if isinstance(event, StepDecoded)][-1].step == STEPS - 1
    # as the rows have it; and where the trace is one of before steps counted their passes
    before = [replace(event, passes=None) if isinstance(event, StepDecoded) else event for event in opened.events]
    for trace in (opened, Trace.of(before)):
        assert sum(row["passes"] for row in trace.to_rows()) == more[-1].generator_passes


def test_a_repainting_without_pruning_saves_nothing(tiny):
    """It begins in the middle: the steps before its first one are not passes that somebody saved."""
    asked = {"paths": 3, "steps": STEPS, "seed": 5, "rounds": 0, "repaint": "region"}
    first = list(search("parm++", tiny, PROMPT, **asked))
    more = list(reflect(tiny, first, anyway=True))
    assert min(event.step for event in more if isinstance(event, StepDecoded)) > 0
    assert more[-1].passes_saved == first[-1].passes_saved


def test_passes_are_those_that_the_generator_has_run(tiny):
    ran: list[list[int]] = []  # of each session, the sequences of every step: two a path where it is guided

    class Watched(Released):
        name = "mini"

        def generator(self, model):
            generator = self._backend.generator(model)

            def start(prompt, paths, steps, guidance, *settings, **more):
                session = generator.start(prompt, paths, steps, guidance, *settings, **more)
                step, passes = session.step, []
                ran.append(passes)

                def counted():
                    done = step()
                    passes.append(len(done.paths) * (2 if guidance > 0 else 1))
                    return done

                session.step = counted
                return session

            return SimpleNamespace(reopened=generator.reopened, start=start)

    asked = {"paths": 3, "steps": STEPS, "seed": 5, "rounds": 0, "repaint": "region"}
    events = list(search("parm++", Watched(tiny), PROMPT, **asked))
    events += reflect(Watched(tiny), events, anyway=True)
    counted = sum(event.passes for event in events if isinstance(event, StepDecoded))
    assert len(ran) == 2 and counted == events[-1].generator_passes == sum(map(sum, ran))


class Released:
    """A small backend under the name of a released one; notes what is painted from and who judges."""

    name = "show-o"

    def __init__(self, backend):
        self._backend, self.prompts, self.judges = backend, [], []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def generator(self, model):
        generator = self._backend.generator(model)
        noted = SimpleNamespace(reopened=generator.reopened)
        noted.start = lambda prompt, *rest, **more: (
            self.prompts.append(prompt) or generator.start(PROMPT, *rest, **more)
        )
        return noted

    def verifier(self, name):
        self.judges.append(name)
        return self._backend.verifier("parm")


def test_released_generators_are_told_the_critique_in_the_prompt_by_a_judge_without_fine_tuning(tiny):
    backend = Released(tiny)
    asked = {"paths": 2, "steps": STEPS, "seed": 5, "rounds": 1}
    first = list(search("parm++", backend, PROMPT, **asked | {"rounds": 0}))
    assert set(backend.judges) == {"parm"} and backend.prompts == [PROMPT]
    more = list(reflect(backend, first, anyway=True))
    assert first[0].settings.repaint == "region" and backend.judges.count("zero-shot") == 1
    critique = next(event.critique for event in more if isinstance(event, RoundStarted))
    assert backend.prompts[1:] == [f"{PROMPT}. {critique}"[:MAX_PROMPT]] and critique


def test_a_long_critique_does_not_make_the_prompt_longer_than_it_may_be():
    released = Settings.checked("a dog.", "parm++", "show-o")
    assert amended(released, "it is a cat") == "a dog. it is a cat"
    assert len(amended(released, "wrong " * 100)) == MAX_PROMPT
    assert amended(released, "") == amended(Settings.checked("a dog", "parm++"), "it is a cat") == ""


def test_what_is_repainted_is_a_setting_of_reflection_only():
    assert Settings.checked(PROMPT, "parm++", repaint="region").repaint == "region"
    assert Settings.checked(PROMPT, "parm", repaint="region").repaint == "whole"
    with pytest.raises(UserError, match="repaint"):
        Settings.checked(PROMPT, "parm++", repaint="half")
    with pytest.raises(UserError, match="2 steps"):
        Settings.checked(PROMPT, "parm++", repaint="region", steps=1)


# -- the brush: tokens that a visitor has marked


def brushed(tiny, tokens, **asked):
    events = list(search("baseline", tiny, PROMPT, paths=2, steps=STEPS, seed=3, **asked))
    return events, list(brush(tiny, events, tokens))


@pytest.mark.parametrize("tokens", [[9], [0, 1, 8, 9], list(range(64)), [63, 5, 5]])
def test_nothing_but_the_marked_tokens_changes(tiny, tokens):
    events, new = brushed(tiny, tokens)
    before = next(event for event in events if isinstance(event, Winner))
    round = next(event for event in new if isinstance(event, RoundStarted))
    assert round.tokens == tuple(sorted(set(tokens))) and round.critique == "" and round.round == 1
    winner = next(event for event in new if isinstance(event, Winner))
    rest = sorted(set(range(64)) - set(tokens))
    assert [winner.codes[token] for token in rest] == [before.codes[token] for token in rest]
    for step in (event for event in new if isinstance(event, StepDecoded)):
        assert set(step.masked) <= set(tokens)
    trace = Trace.of([*events, *new])
    assert Trace.from_json(trace.to_json()).state.rounds[1].tokens == round.tokens
    assert trace.winner.round == 1  # whoever marked it chooses, not the judge


def test_fewer_tokens_take_fewer_steps(tiny):
    steps = [
        len([event for event in brushed(tiny, range(count))[1] if isinstance(event, StepDecoded)])
        for count in (1, 3, 64)
    ]
    assert steps[0] < steps[1] < steps[2] == 2 * (STEPS - 1)


def test_what_was_marked_can_be_taken_back_and_painted_again(tiny):
    events, new = brushed(tiny, [9, 10])
    with pytest.raises(UserError, match="nothing to take back"):
        taken_back(events)
    back = taken_back([*events, *new])
    both = Trace.of([*events, *new, back])
    assert both.winner.round == 0 and Trace.from_json(both.to_json()).winner.round == 0
    again = Trace.of([*both.events, *brush(tiny, both.events, [20])])
    assert again.winner.round == 2 and again.state.rounds[2].before == 0


def test_marked_tokens_are_painted_from_another_prompt_and_the_image_is_judged_by_it(tiny, monkeypatch):
    events = list(search("parm", tiny, PROMPT, paths=2, steps=STEPS, seed=3))
    asked = []
    real = type(tiny.verifier("parm")).encode

    def heard(self, images):
        encoded = real(self, images)
        ask = encoded.ask
        encoded.ask = lambda question, prompt, *more, **options: (
            asked.append(prompt) or ask(question, prompt, *more, **options)
        )
        return encoded

    monkeypatch.setattr(type(tiny.verifier("parm")), "encode", heard)
    new = list(brush(tiny, events, range(64), "  A photo of THREE cats. "))
    other = "a photo of three cats"
    assert [event.prompt for event in new if isinstance(event, RoundStarted)] == [other]
    assert set(asked) == {other}
    alike = list(brush(tiny, events, range(64)))
    codes = [next(event.codes for event in one if isinstance(event, StepDecoded)) for one in (new, alike)]
    assert codes[0] != codes[1]  # it was painted from other words
    trace = Trace.from_json(Trace.of([*events, *new]).to_json())
    assert trace.state.prompt == other and trace.state.settings.prompt == PROMPT
    more = Trace.of([*trace.events, *brush(tiny, trace.events, [1])])  # by default from the answer's own
    assert more.state.rounds[2].prompt == other
    back = Trace.of([*trace.events, taken_back(trace.events)])
    assert back.state.prompt == PROMPT
    assert Trace.of([*back.events, *brush(tiny, back.events, [1], PROMPT)]).state.rounds[2].prompt == ""


def test_a_prompt_that_cannot_be_painted_is_refused_before_anything_is(tiny):
    events = list(search("baseline", tiny, PROMPT, paths=1, steps=STEPS, seed=3))
    for prompt, words in (("a photo of a dragon", "dragon"), ("x" * 400, "300")):
        with pytest.raises(UserError, match=words):
            brush(tiny, events, [3], prompt)


@pytest.mark.parametrize("tokens", [[], [64], [-1]])
def test_marks_that_are_none_are_refused_at_once(tiny, tokens):
    events = list(search("baseline", tiny, PROMPT, paths=1, steps=STEPS, seed=3))
    with pytest.raises(UserError, match="Mark some tokens"):
        brush(tiny, events, tokens)


def test_an_image_of_one_step_has_no_part_to_paint(tiny):
    events = list(search("baseline", tiny, PROMPT, paths=1, steps=1, seed=3))
    with pytest.raises(UserError, match="2 steps"):
        brush(tiny, events, [3])
