"""The checklist: the judge is asked for each requirement of the prompt, which chooses nothing; critiques that agree."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest
import tiny_mini
from scripted import Studio

from cotdemo import cli
from cotdemo.backends.metered import Instrumented, Prices
from cotdemo.compute.counting import counted
from cotdemo.errors import UserError
from cotdemo.geneval.prompts import metadata, plural
from cotdemo.geneval.rules import Found
from cotdemo.run.codec import encode_event
from cotdemo.run.events import Critiqued, Judged, PathPruned, Present, Progress, RunFinished, RunStarted, StepDecoded
from cotdemo.run.listing import checklist, listed
from cotdemo.run.narration import narrate
from cotdemo.run.state import RunState
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.settings import METHODS, Settings
from cotdemo.ui.data import settings_of
from cotdemo.ui.recording import RUNS
from cotdemo.world.faults import Fault, judge_reading
from cotdemo.world.prompts import canonical, parse
from cotdemo.world.requirements import requirements, requirements_of

PROMPT = "a photo of two red apples"
ASKS = ("apples", "two", "red apples")


def shows(words: str, number: int, path: int, step: int) -> float:
    """Apples all along; never two of them in round 0."""
    return 0.1 if words == "two" and not number else round(0.9 - path / 10, 2)


def run(method="parm", say=lambda *_: "yes", asks=ASKS, **settings):
    studio = Studio(say=say, asks=asks, shows=shows)
    return studio, list(search(method, studio, PROMPT, **{"paths": 3, "steps": 4, "seed": 7} | settings))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def places(events):
    return [(event.round, event.path, event.step) for event in events]


def no_to(question):
    return lambda asked, *_: "no" if asked == question else "yes"


# -- what is asked


@pytest.mark.parametrize("say", [lambda *_: "yes", no_to("clarity"), no_to("potential"), no_to("outcome")])
def test_every_guess_that_the_judge_looks_at_is_gone_through_once(say):
    studio, events = run(say=say)
    present = of(Present, events)
    assert sorted(set(places(of(Judged, events)))) == sorted(places(present)) != []
    for event, place in zip(present, places(present)):
        assert event.p_yes == tuple(shows(words, *place) for words in ASKS)
    assert of(RunFinished, events)[0].judge_passes == len(of(Judged, events)) + len(ASKS) * len(present)
    assert Trace.from_json(Trace.of(events).to_json()).events == Trace.of(events).events


@pytest.mark.parametrize("method", ["parm", "parm++"])
def test_nothing_is_chosen_by_it(method):
    def chosen(events):
        left_out = (Present, Progress, RunStarted, RunFinished)
        return [replace(e, about=()) if isinstance(e, Critiqued) else e for e in events if not isinstance(e, left_out)]

    say = lambda question, number, path, step: "no" if (question, path) in (("potential", 1), ("outcome", 0)) else "yes"  # noqa: E731
    with_it, without, unknown = (run(method, say, **more)[1] for more in ({}, {"checklist": False}, {"asks": ()}))
    assert of(Present, with_it) and not of(Present, without) and not of(Present, unknown)
    assert chosen(with_it) == chosen(without) == chosen(unknown)
    assert of(RunFinished, without)[0].judge_passes == of(RunFinished, unknown)[0].judge_passes
    assert (without[0].requirements, unknown[0].requirements) == (ASKS, ())


def test_a_path_is_stopped_before_its_guess_is_gone_through():
    _, events = run(say=no_to("potential"))
    assert events.index(of(PathPruned, events)[-1]) < events.index(of(Present, events)[0])


def test_what_is_asked_just_now_is_told():
    _, events = run()
    before = events[events.index(of(Present, events)[0]) - 1]
    assert before == Progress("step 1 of 4 - 3 of 3 paths alive - looking for red apples")


def test_only_parms_judge_is_asked():
    wanted = {method for method in METHODS if Settings.checked(PROMPT, method).checklist}
    assert wanted == {"parm", "parm++"}
    for method in METHODS.keys() - wanted:
        assert not Settings.checked(PROMPT, method, checklist=True).checklist
        studio, events = run(method)
        assert not studio.questions("present") and events[0].requirements == ASKS


def test_candidates_of_a_repainting_are_gone_through_at_their_end():
    _, events = run("parm++", no_to("outcome"), rounds=1)
    again = [place for place in places(of(Present, events)) if place[0]]
    assert again == [(1, path, 3) for path in range(3)]


def test_a_sampled_verdict_draws_nothing_for_it():
    say = lambda *_: ("yes", 0.9, 0.1)  # noqa: E731
    (_, sampled), (_, likeliest) = run(say=say, verdicts="sampled"), run(say=say)
    said = {place: event.p_yes for event, place in zip(of(Present, likeliest), places(of(Present, likeliest)))}
    both = [event for event in of(Present, sampled) if (event.round, event.path, event.step) in said]
    assert both and all(event.p_yes == said[event.round, event.path, event.step] for event in both)


def test_what_is_no_probability_ends_the_run():
    studio = Studio(asks=ASKS, shows=lambda *_: float("nan"))
    with pytest.raises(FloatingPointError, match="judge"):
        list(search("parm", studio, PROMPT, paths=2, steps=2, seed=1))


# -- Reflect


def test_reflect_goes_through_the_image_of_another_judges_run():
    for method in ("orm", "baseline"):
        studio, events = run(method, no_to("outcome"))
        studio.first_round = 0
        after = [*events, *reflect(studio, events)]
        winner = RunState.of(events).answer.path
        assert places(of(Present, after)) == [(0, winner, 3), *((1, path, 3) for path in range(3))]
        assert Trace.from_json(Trace.of(after).to_json()).state.finished == after[-1]


def test_reflect_asks_nothing_twice_and_nothing_where_it_was_not_wanted():
    studio, events = run("parm", no_to("outcome"))
    after = [*events, *reflect(studio, events)]
    assert len(places(of(Present, after))) == len(set(places(of(Present, after)))) > len(of(Present, events))
    Trace.from_json(Trace.of(after).to_json())
    studio, events = run("parm", no_to("outcome"), checklist=False)
    assert not of(Present, [*events, *reflect(studio, events)])
    _, events = run("parm", no_to("outcome"))
    other = Studio(no_to("outcome"), asks=("buses",), seen=studio.seen)  # it reads the prompt otherwise
    assert not of(Present, reflect(other, events))


# -- critique and checklist


def test_a_critique_agrees_where_it_speaks_of_what_is_least_likely():
    _, events = run("parm++", no_to("outcome"), rounds=1)
    (said,) = of(Critiqued, events)[-1:]
    assert said.text.startswith("three apples, not two") and [ASKS[place] for place in said.about] == ["two"]
    assert RunState.of(events).rounds[0].agreed == 1
    lines = []
    list(narrate(events, lines.append, lambda _: None))
    assert any(line.endswith("not two in round 0; so does the checklist: two, 10%") for line in lines)


@pytest.mark.parametrize(
    ("asks", "least"),
    [(("apples", "red"), 0.1), (("apples", "two"), 0.6)],
    ids=["it speaks of something else", "the judge rather sees it"],
)
def test_where_they_differ_nothing_is_claimed(asks, least):
    studio = Studio(no_to("outcome"), asks=asks, shows=lambda words, *_: least if words == asks[1] else 0.9)
    events = list(search("parm++", studio, PROMPT, paths=2, steps=3, seed=7, rounds=1))
    assert RunState.of(events).rounds[0].agreed is None
    lines = []
    list(narrate(events, lines.append, lambda _: None))
    assert not any("checklist" in line for line in lines)


def test_it_is_decided_where_the_judge_last_changed_its_mind():
    says = {0: 0.2, 1: 0.7, 2: 0.3, 3: 0.1}
    studio = Studio(no_to("clarity"), asks=("two",), shows=lambda words, number, path, step: says[step])
    state = RunState.of(search("parm", studio, PROMPT, paths=1, steps=4, seed=7))
    assert state.rounds[0].paths[0].decided(0) == 2
    plain = RunState.of(search("baseline", studio, PROMPT, paths=1, steps=4, seed=7))
    assert plain.rounds[0].paths[0].decided(0) is None


# -- traces


def altered(events, change):
    content = json.loads(Trace.of(events).to_json())
    change(content["events"])
    return json.dumps(content)


def test_a_trace_that_does_not_fit_its_requirements_is_refused():
    _, events = run("parm++", no_to("outcome"), rounds=1)

    def first(of_it, kind):
        return next(event for event in of_it if event["type"] == kind)

    faults = {
        "must hold 3 probabilities": lambda e: first(e, "Present")["p_yes"].pop(),
        "must be a number from 0 to 1": lambda e: first(e, "Present")["p_yes"].__setitem__(0, 1.5),
        "list of 1 to 16": lambda e: first(e, "Present").update(p_yes=[]),
        "list of 0 to 16": lambda e: e[0].update(requirements=["a dog"] * 17),
        "must be a text": lambda e: e[0].update(requirements=[3, "two", "red apples"]),
        "it comes twice": lambda e: e.append(first(e, "Present")),
        "a requirement that there is not": lambda e: first(e, "Critiqued").update(about=[3]),
    }
    for words, change in faults.items():
        with pytest.raises(UserError, match=words):
            Trace.from_json(altered(events, change))


def test_traces_of_before_open_and_have_no_checklist():
    for file in RUNS.glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        content["events"] = [event for event in content["events"] if event["type"] != "Present"]
        for event in content["events"]:
            for name in ("requirements", "about", "checklist"):
                event.pop(name, None)
        trace = Trace.from_json(json.dumps(content))
        assert trace.started.requirements == () and not trace.started.settings.checklist
        assert checklist(trace.state) == "" and "least_present" not in listed(trace.state)


# -- tables


def test_the_table_names_what_is_least_likely_at_each_step():
    _, events = run("parm", no_to("clarity"), paths=1)
    rows = Trace.of(events).to_rows()
    assert [(row["least_present"], row["least_present_p_yes"]) for row in rows] == [("two", 0.1)] * 4
    assert "two 0.10" in listed(RunState.of(events))
    rows = Trace.of(run("parm", paths=1)[1]).to_rows()
    assert [row["least_present"] for row in rows] == [
        "two",
        None,
        None,
        "two",
    ]  # promising, it is asked at its end only


def test_a_terminal_lists_each_path_at_its_last_look():
    _, events = run(say=lambda question, number, path, step: "no" if (question, path) == ("potential", 1) else "yes")
    head, names, *lines = checklist(RunState.of(events)).split("\n")
    assert names.split("  ")[:3] == ["round", "path", "step"] and names.endswith("red apples")
    assert [line.split()[:4] for line in lines] == [
        ["0", "0", "3", "0.90"], ["0", "1", "0", "0.80"], ["0", "2", "3", "0.70"],
    ]  # fmt: skip
    assert all("0.10 since 0" in line for line in lines)


def test_the_command_lists_it(tmp_path, capsys):
    Trace.of(run()[1]).save(tmp_path / "trace.json")
    assert cli.main(["trace", str(tmp_path / "trace.json")]) == 0
    assert capsys.readouterr().out.rstrip("\n").endswith(checklist(Trace.load(tmp_path / "trace.json").state))


# -- the setting


def test_the_command_line_can_leave_it_out_and_evaluations_do():
    options = cli._parser("generate").parse_args(["generate", "a", "--no-checklist", "--out", "x"])
    assert not cli._settings(options, PROMPT, 1).checklist
    options = cli._parser("generate").parse_args(["generate", "a", "--out", "x"])
    assert cli._settings(options, PROMPT, 1).checklist
    options = cli._parser("eval").parse_args(["eval"])
    assert not cli._settings(options, PROMPT, 1).checklist
    of_a_pool = Settings.from_dict(Settings.checked(PROMPT, "baseline").as_dict() | {"method": "parm"})
    assert not of_a_pool.checklist


def test_a_link_names_it_only_where_it_is_left_out():
    (known,) = [one for one in settings_of("mini") if one["name"] == "checklist"]
    assert known == {"name": "checklist", "usual": True, "methods": ["parm", "parm++"]}


# -- requirements


KINDS = ("dog", "hot dog", "bear", "teddy bear", "bus", "knife")


def entries():
    for one, other in combinations(KINDS, 2):
        both = [{"class": one, "count": 1}, {"class": other, "count": 1}]
        yield metadata("two_object", both)
        yield metadata("color_attr", [both[0] | {"color": "red"}, both[1] | {"color": "orange"}])
        yield metadata("position", [both[1], both[0] | {"position": ["left of", 0]}])
        yield metadata("counting", [both[0] | {"count": 2}, both[1] | {"count": 2}])


def test_they_are_those_of_prompts_in_the_benchmarks_words():
    assert [one.words for one in requirements_of("a photo of a dog right of a bench")] == [
        "a bench", "a dog", "a dog right of a bench",
    ]  # fmt: skip
    assert [one.words for one in requirements_of("a photo of two red dogs and a cat")] == [
        "two dogs", "a red dog", "a cat",
    ]  # fmt: skip
    for words in ("a dog.", "a puppy", "a dog in Paris", "", "ß" * 280):
        assert requirements_of(f"a photo of {words}") == requirements_of(words) == ()
    for entry in entries():
        assert requirements_of(entry["prompt"]) == requirements(entry) != ()


def test_a_critique_names_what_it_speaks_of():
    """Of each prompt: what the small judge says of a fault names the requirements that break by it, and no others."""
    for entry in entries():
        for item in entry["include"]:
            kind, count = item["class"], item["count"]
            own = {one.words for one in requirements(entry) if any(i["class"] == kind for i in one.entry["include"])}
            assert named(entry, Fault("missing", kind)) == own
            for other in (Fault("extra", kind, "one", "two"), Fault("malformed", "something")):
                assert named(entry, other) == set()
            if count > 1:
                words = "two"
                assert named(entry, Fault("count", kind, words, "one")) == {f"{words} {plural(kind)}"}
            if "color" in item:
                for found in ("blue", ""):
                    (said,) = named(entry, Fault("colour", kind, item["color"], found))
                    assert item["color"] in said and said.endswith(kind)
            if "position" in item:
                whole = entry["prompt"].removeprefix("a photo of ")
                assert named(entry, Fault("position", kind, "left of", "beside")) == {whole}


def named(entry, fault) -> set[str]:
    return {one.words for one in requirements(entry) if one.named_by(fault.words())}


@pytest.mark.parametrize(
    ("critique", "words"),
    [
        ("The image shows only one dog instead of two.", {"two dogs"}),
        ("There's no cat in the image!", {"a cat", "a white cat"}),
        ("The cat is missing; the dogs are fine.", {"a cat", "a white cat"}),
        ("The cat is black and not white.", {"a white cat"}),
        ("It lacks a white cat", {"a cat", "a white cat"}),
        ("There are two hot dogs.", set()),
        ("The image is blurry.", set()),
        ("", set()),
    ],
)
def test_a_critique_in_free_words_is_understood(critique, words):
    entry = parse("two dogs and a white cat")
    assert {one.words for one in requirements(entry) if one.named_by(critique)} == words


def test_what_breaks_a_requirement_breaks_the_prompt():
    """By the rules: the faults of a reading name at least one requirement that does not hold, where GenEval's break."""
    entry = metadata(
        "position", [{"class": "bench", "count": 1}, {"class": "dog", "count": 1, "position": ["left of", 0]}]
    )
    right_of = [Found("bench", None, (0, 40, 30, 70)), Found("dog", None, (70, 40, 100, 70), 0.9)]
    (fault,) = judge_reading(right_of, entry).faults
    broken = {one.words for one in requirements(entry) if not one.holds(right_of)}
    assert broken == named(entry, fault) == {"a dog left of a bench"}


# -- with a real judge


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A backend of the drawn world with weights at random."""
    backend = tiny_mini.backend(tmp_path_factory.mktemp("drawn"))
    backend.canonical, backend.check = canonical, None
    return backend


DRAWN = "a photo of a dog right of a bench"


def test_the_bars_are_what_the_judge_says_of_each_requirement_alone(drawn):
    events = list(search("parm", drawn, "a puppy right of a bench", paths=3, steps=4, seed=2))
    assert events[0].requirements == ("a bench", "a dog", "a dog right of a bench")
    guesses = {place: event for event, place in zip(of(StepDecoded, events), places(of(StepDecoded, events)))}
    assert len(of(Present, events)) >= 3
    for event in of(Present, events):
        look = drawn.verifier("parm").encode([guesses[event.round, event.path, event.step].picture])
        alone = [float(look.ask("present", words).p_yes[0]) for words in events[0].requirements]
        assert event.p_yes == pytest.approx(alone, abs=1e-3)


def test_it_is_metered_and_costs_little_beside_a_look(drawn):
    metered_by, spent = Instrumented(drawn, Prices()), {}
    for wanted in (True, False):
        before = dict(metered_by.meter.totals)
        settings = {"paths": 4, "steps": 5, "seed": 0, "show": "judged", "checklist": wanted}
        metered = list(search("parm", metered_by, DRAWN, **settings))
        plainly, whole = counted(lambda settings=settings: list(search("parm", drawn, DRAWN, **settings)))
        assert metered == plainly
        spent[wanted] = metered_by.meter.since(before)["judge"]
        assert sum(metered_by.meter.since(before).values()) == pytest.approx(whole, rel=0.002)
    assert spent[False] < spent[True]


def test_events_of_a_checklist_are_json(drawn):
    present = Present(0, 1, 2, (0.25, 1.0))
    assert encode_event(present) == {"type": "Present", "round": 0, "path": 1, "step": 2, "p_yes": [0.25, 1.0]}
    assert present.least == 0
