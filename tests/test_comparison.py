"""The Compare tab without a browser: cards, their order, costs, failures, Stop, and opening a run."""

from __future__ import annotations

import gc
import json
import weakref
from types import SimpleNamespace

import pytest
from page_double import Double

from cotdemo.errors import UserError
from cotdemo.files import ASSETS
from cotdemo.registry import MODELS
from cotdemo.run.events import RunFinished
from cotdemo.search import search
from cotdemo.ui.comparison import CHOICES, MOST, NOTHING, Choice, Comparing, Recorded, compared
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.session import Run

PROMPT = "a photo of a red car and a blue bus"


def comparing(backend=None) -> Comparing:
    backend = backend or Double(pace=0, any_words=True)
    return Comparing(Handlers("mini", lambda: backend))


def messages(updates) -> list[dict]:
    return [json.loads(update["board"]) for update in updates if "board" in update]


def test_what_is_compared_is_what_the_backend_offers():
    assert compared("mini") == tuple(choice for choice in CHOICES if not MODELS[choice.model].load)
    assert {choice.name for choice in CHOICES} - {choice.name for choice in compared("mini")} == {
        "baseline/sd3", "orm/sd3", "baseline/sdxl", "orm/sdxl",
    }  # fmt: skip
    assert len({choice.name for choice in CHOICES}) == len(CHOICES)
    released = compared("show-o")
    assert {choice.method for choice in released} == {
        "baseline",
        "orm-zero-shot",
        "orm",
        "adaptive",
        "think",
        "parm",
        "parm++",
    }
    assert not any(choice.corrects for choice in released)


def test_cards_come_in_a_fixed_order_and_end_as_the_same_runs_would_alone():
    compare = comparing()
    *_, last = messages(compare.compare(PROMPT, ["parm/base", "baseline/base", "orm/base"], 4, 7))
    assert [(card["method"], card["state"]) for card in last["cards"]] == [
        ("baseline", "done"), ("orm", "done"), ("parm", "done"),
    ]  # fmt: skip
    for card in last["cards"]:
        alone = list(search(card["method"], Double(pace=0), PROMPT, paths=card["paths"], seed=7))
        end = next(event for event in alone if isinstance(event, RunFinished))
        assert card["costs"]["passes"] == end.generator_passes and card["verdict"]["path"] == end.path
        assert card["picture"].startswith("data:image/")
    plain = last["cards"][0]
    assert plain["paths"] == 1
    assert plain["verdict"]["answer"] is None and last["cards"][2]["verdict"]["answer"] == "yes"


def test_the_page_opens_with_a_recorded_comparison_whose_runs_can_be_opened():
    recorded = Recorded.of("mini", ASSETS)
    message = json.loads(recorded.message())
    cards = message["cards"]
    assert [card["state"] for card in cards] == ["done"] * 5 and message["recorded"].startswith("20")
    assert [(card["method"], card["paths"]) for card in cards][0] == ("baseline", 1)
    assert len({(card["prompt"], card["seed"]) for card in cards}) == 1 and cards[0]["prompt"] == recorded.prompt
    assert all(card["picture"].startswith("data:image/") and card["costs"]["operations"] > 1e9 for card in cards)
    assert {Choice.of(trace.started.settings) for trace in recorded.traces.values()} <= set(compared("mini"))
    compare = Comparing(Handlers("mini", lambda: Double(pace=0)), recorded)
    for card in cards:
        assert card["title"] and compare.open(None, SimpleNamespace(value=card["run"]))["viewer"]
    assert json.loads(Recorded.of("mini", ASSETS).message()) != message  # never equal to the one before


def test_without_a_recorded_comparison_or_with_a_damaged_one_the_page_opens(tmp_path):
    assert Recorded.of("show-o", ASSETS).message() == Recorded.of("mini", tmp_path).message() == ""
    (tmp_path / "comparison").mkdir()
    for name in ("1-baseline.json", "3-orm.json"):
        (tmp_path / "comparison" / name).write_bytes((ASSETS / "comparison" / name).read_bytes())
    (tmp_path / "comparison" / "2-cut.json").write_text("{")
    for damaged in ("{", "[]", '{"operations": 3}', '{"operations": {"1-baseline": "many"}}'):
        (tmp_path / "comparison.json").write_text(damaged)
        cards = json.loads(Recorded.of("mini", tmp_path).message())["cards"]
        assert [(card["method"], card["costs"]["operations"]) for card in cards] == [("baseline", 0), ("orm", 0)]


def test_where_no_seed_is_given_one_is_drawn_for_all():
    compare = comparing()
    *_, last = messages(compare.compare(PROMPT, ["orm/base", "parm/base"], 2, None))
    opened = [compare.open(None, SimpleNamespace(value=card["run"]))["seed"] for card in last["cards"]]
    assert opened[0] == opened[1]


def test_the_time_left_is_told_once_such_runs_are_known():
    compare = comparing(Double(pace=0.01))
    first = messages(compare.compare(PROMPT, ["baseline/base", "parm/base"], 4, 7))
    assert all(message["left"] is None for message in first[:1])
    again = [message["left"] for message in messages(compare.compare(PROMPT, ["baseline/base", "parm/base"], 4, 8))]
    assert again[0] > 0 and again[-1] is None and again[0] == max(left for left in again if left is not None)


def test_what_cannot_be_asked_is_said_and_starts_nothing():
    compare = comparing()
    for prompt, names in ((PROMPT, []), (PROMPT, "parm/base"), (PROMPT, ["parm/none"]), ("", ["parm/base"])):
        (message,) = messages(compare.compare(prompt, names, 4, 7))
        assert message["failed"] and "cards" not in message
    (message,) = messages(compare.compare(PROMPT, [], 4, 7))
    assert message["failed"] == NOTHING


def test_a_run_that_fails_leaves_the_others():
    class Failing(Double):
        def verifier(self, name: str):
            if name == "orm":
                raise UserError("this judge is not here")
            return super().verifier(name)

    *_, last = messages(comparing(Failing(pace=0)).compare(PROMPT, ["baseline/base", "orm/base", "parm/base"], 2, 7))
    assert [card["state"] for card in last["cards"]] == ["done", "failed", "done"]
    assert last["cards"][1]["words"] == "this judge is not here" and last["cards"][1]["costs"] is None


def test_stop_ends_the_run_under_way_and_all_after_it():
    compare = comparing(Double(pace=0.05))
    updates = compare.compare(PROMPT, ["baseline/base", "orm/base", "parm/base", "parm++/base"], 4, 7)
    first = next(updates)
    seen = [first]
    for update in updates:
        seen.append(update)
        cards = json.loads(update["board"])["cards"]
        if any(card["method"] == "parm" and card["words"] for card in cards):
            compare.stop(first["comparison"])
    last = messages(seen)[-1]["cards"]
    states = {card["method"]: card["state"] for card in last}
    assert states == {"baseline": "done", "orm": "done", "parm": "stopped", "parm++": "stopped"}
    assert compare.stop("no such comparison").keys() == {"compare", "stop"}


def test_a_visitor_who_leaves_stops_what_was_under_way():
    compare = comparing(Double(pace=0.05))
    updates = compare.compare(PROMPT, ["parm/base"], 4, 7)
    next(updates), next(updates)
    updates.close()
    with compare._handlers.line.place() as place:
        assert place.wait(5)


def test_a_comparison_that_has_ended_holds_nothing_but_its_runs_and_they_are_counted():
    compare = comparing()
    runs = compare._handlers.runs
    updates = list(compare.compare(PROMPT, ["orm/base", "parm/base"], 4, 7))
    last, kept = messages(updates)[-1], []
    del updates
    for card in last["cards"]:
        run = runs.get(card["run"])
        kept.append(weakref.ref(run))
        assert run.held >= len(run.trace_text()) > 10_000
    del run
    for _ in range(300):
        runs.add(Run())
    gc.collect()
    assert [one() for one in kept] == [None, None]


def test_a_comparison_that_is_left_at_its_start_is_let_go():
    compare = comparing()
    updates = compare.compare(PROMPT, ["parm/base"], 4, 7)
    id = next(updates)["comparison"]
    assert id in compare._under_way
    updates.close()
    assert compare._under_way == {}


def test_a_finished_run_can_be_opened_and_a_forgotten_one_says_so():
    compare = comparing()
    *_, last = messages(compare.compare(PROMPT, ["parm/base"], 4, 7))
    opened = compare.open(None, SimpleNamespace(value=last["cards"][0]["run"]))
    assert opened["prompt"] == PROMPT and opened["seed"] == 7
    assert json.loads(opened["viewer"])["recorded"]["title"] == "From a comparison"
    gone = compare.open(None, SimpleNamespace(value="gone"))
    assert "no longer kept" in gone["viewer"]


def test_two_prompts_and_several_seeds_are_each_a_run_of_every_choice():
    compare, other = comparing(), "a photo of two red apples"
    *_, last = messages(compare.compare(PROMPT, ["orm/base", "baseline/base"], 2, 7, other, 2))
    asked = [(card["prompt"], card["seed"], card["method"]) for card in last["cards"]]
    methods = ("baseline", "orm")
    assert asked == [(prompt, seed, method) for prompt in (PROMPT, other) for seed in (7, 8) for method in methods]
    assert {card["state"] for card in last["cards"]} == {"done"}
    *_, last = messages(compare.compare(PROMPT, ["baseline/base"], 2, 2**32 - 1, "  ", 2))
    assert [card["seed"] for card in last["cards"]] == [2**32 - 1, 0]
    *_, last = messages(compare.compare(PROMPT, ["baseline/base"], 2, None, "", 3))
    first = last["cards"][0]["seed"]
    assert [card["seed"] for card in last["cards"]] == [(first + number) % 2**32 for number in range(3)]


@pytest.mark.parametrize("seeds", [0, 5, "two", None])
def test_how_many_seeds_and_runs_there_may_be_is_said(seeds):
    (message,) = messages(comparing().compare(PROMPT, ["parm/base"], 2, 7, "", seeds))
    assert message["failed"].startswith("seeds must be")
    every = [choice.name for choice in compared("mini")]
    (message,) = messages(comparing().compare(PROMPT, every, 2, 7, PROMPT, 4))
    assert f"at most {MOST}" in message["failed"]


def test_a_card_shows_the_path_that_leads_while_it_is_painted():
    compare = comparing(Double(pace=0.05))
    seen = [message["cards"][0] for message in messages(compare.compare(PROMPT, ["parm/base"], 4, 7))]
    assert any(card["state"] == "running" and card["picture"].startswith("data:image/") for card in seen)


@pytest.mark.parametrize("paths", [0, 33, "many"])
def test_limits_are_those_of_a_run(paths):
    (message,) = messages(comparing().compare(PROMPT, ["parm/base"], paths, 7))
    assert "paths" in message["failed"]
