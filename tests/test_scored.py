"""GenEval's scorer as the checker of a released model: of which prompts, in which words, what is said where it fails.

Real searches, loaders and scorers on weights at random in the released layouts.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass, field

import numpy as np
import pytest
import released_tiny
import torch
from page_driver import filled, run, shut, small, status
from test_geneval import CASES

from cotdemo import app
from cotdemo.backends import ReleasedBackend, load_backend
from cotdemo.backends import scorer as source
from cotdemo.backends.checker import Checker, entry_of, verdict
from cotdemo.backends.released import SCORER
from cotdemo.backends.sizes import ROOM
from cotdemo.errors import UserError
from cotdemo.geneval import network
from cotdemo.geneval.prompts import draw
from cotdemo.geneval.rules import COUNTING_THRESHOLD, THRESHOLD, Found
from cotdemo.geneval.verdict import OFFICIAL
from cotdemo.run.events import Checked, RunFinished
from cotdemo.run.narration import narrate
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.handlers import verdict as told
from cotdemo.ui.learn import stops_of
from cotdemo.ui.page import Loading, build_demo, launch_options
from cotdemo.ui.run_tab import _watched

TOASTER, DOG = "a photo of a toaster", "a photo of a dog right of a bench"  # the small detector sees toasters alone
NOISE = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return released_tiny.build_scorer(released_tiny.build(tmp_path_factory.mktemp("hub")))


@pytest.fixture
def trusted(monkeypatch):
    released_tiny.trust(monkeypatch)


@dataclass
class Eyes:
    """A scorer that finds what it is given, and notes what it is asked."""

    things: list[Found] = field(default_factory=list)
    detector: str = OFFICIAL
    asked: list[str] = field(default_factory=list)

    def look(self, entry, image):
        self.asked.append(entry["prompt"])
        return self.things


# -- which prompts


def test_every_prompt_of_the_benchmark_is_checked_by_its_own_metadata():
    assert [entry_of(entry["prompt"]) for entry in draw()] == draw()


@pytest.mark.parametrize(
    "prompt",
    [
        "a dog", "A photo of a dog", "a photo of a dog.", "a photo of 2 dogs", "a photo of one dog",
        "a photo of five dogs", "a photo of two red dogs", "a photo of two dogs and a cat",
        "a photo of a cat and a red dog",
        "a photo of a red dog right of a cat", "a photo of a dog and a cat and a bus", "a photo of a puppy",
        "a photo of a red person", "a castle at night", "",
    ],
)  # fmt: skip
def test_of_any_other_sentence_nothing_is_said_and_nothing_loaded(prompt):
    checker = Checker(lambda: pytest.fail("loaded"))
    assert checker(prompt, NOISE) is None and checker.refused == ""


# -- in which words

BENCH, LEFT_OF_IT = (60.0, 40.0, 90.0, 60.0), (10.0, 40.0, 30.0, 60.0)


@pytest.mark.parametrize(
    ("prompt", "things", "words"),
    [
        (DOG, [Found("bench", None, BENCH), Found("dog", None, LEFT_OF_IT)], "a dog found, not right of a bench"),
        ("a photo of a dog left of a bench", [Found("bench", None, BENCH), Found("dog", None, LEFT_OF_IT)], ""),
        (DOG, [Found("bench", None, BENCH)], "no dog found"),
        (DOG, [], "no bench found; no dog found"),
        ("a photo of two dogs", [Found("dog", None, BENCH)], "one dog found, not two"),
        ("a photo of two dogs", [Found("dog", None, BENCH)] * 3, "three dogs found, not two"),
        ("a photo of two dogs", [Found("dog", None, BENCH)] * 2, ""),
        ("a photo of a red bus", [Found("bus", "orange", BENCH)], "an orange bus found, not red"),
        ("a photo of a dog", [Found("dog", None, BENCH)] * 3 + [Found("cat", None, BENCH)], ""),  # GenEval asks no more
    ],
)
def test_a_fault_is_told_as_what_was_found(prompt, things, words):
    said = verdict(Eyes(things), entry_of(prompt), NOISE)
    assert (said.correct, said.strict, said.reason, said.by) == (not words, not words, words, "GenEval's detector")


@pytest.mark.parametrize("number", range(0, len(CASES), 4))
def test_it_is_right_where_the_official_evaluator_says_so_and_else_has_words(number):
    case = CASES[number]
    least = COUNTING_THRESHOLD if case["metadata"]["tag"] == "counting" else THRESHOLD
    things = [
        Found(kind, one[5], tuple(one[:4]), one[4])
        for kind, detections in case["detections"].items()
        for one in detections
        if one[4] > least
    ]
    said = verdict(Eyes(things), case["metadata"], NOISE)
    assert (said.correct, said.reason == "") == (case["correct"], case["correct"])


def test_another_detector_than_genevals_is_named():
    assert verdict(Eyes(detector="approximate: another"), entry_of(TOASTER), NOISE).by == "approximate: another"


# -- a released backend


def test_the_scorer_is_loaded_once_when_there_is_something_to_check(root, trusted):
    backend = load_backend("show-o", "cpu", root, scored=OFFICIAL)
    assert load_backend("show-o", "cpu", root).check is None and not backend._parts
    assert backend.check("a castle at night", NOISE) is None and not backend._parts
    first = backend.check(TOASTER, NOISE)
    assert (first.correct, first.reason, first.by) == (True, "", "GenEval's detector")
    scorer = backend._parts[SCORER]
    assert backend.check("a photo of a dog", NOISE).reason == "no dog found" and backend._parts[SCORER] is scorer
    with pytest.raises(UserError, match="'yolo' is no detector"):
        load_backend("show-o", "cpu", root, scored="yolo")


def test_facebooks_detector_says_that_it_is_another(root, trusted):
    said = load_backend("show-o", "cpu", root, scored="approximate").check(TOASTER, NOISE)
    assert said.by == "approximate: facebook/mask2former-swin-small-coco-instance, not GenEval's own weights"


def test_the_embedded_model_keeps_its_exact_checker():
    assert load_backend("mini", scored=OFFICIAL).check("a photo of a red dog", NOISE).strict is False


class Card:
    """In place of a device's memory: each part of a backend takes some of it, in GB."""

    def __init__(self, monkeypatch, size: float, **parts: float):
        self.size, self.parts, self.backend = size, parts, None
        monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: self.free())

    def free(self) -> float:
        return 1e9 * (self.size - sum(self.parts[name] for name in (self.backend._parts if self.backend else ())))


def test_room_is_kept_for_it_until_it_is_there_and_it_stays(monkeypatch):
    """Reckoned twice, or as one that leaves, it would drive generator and judge out in turn, a run after the other."""
    sizes = {"the generator base": 3.1, "the judge parm": 16.1, "the judge orm": 16.1, SCORER: source.BYTES / 1e9}
    monkeypatch.setattr(source, "load_scorer", lambda *_, **__: Eyes())
    card = Card(monkeypatch, 24, **sizes)
    backend = card.backend = ReleasedBackend("show-o", "cuda", scored=OFFICIAL)
    assert backend.room == ROOM[16] + source.BYTES and backend.plan.precision.name == "bf16"

    def use(what: str) -> None:
        def load():
            backend._make_room(0 if what == SCORER else int(1e9 * sizes[what]))
            return what

        backend._part(what, load)

    usual = ("the generator base", "the judge parm")
    for what in usual:
        use(what)
    assert backend.check(TOASTER, NOISE).reason == "no toaster found"
    assert list(backend._parts) == [*usual, SCORER] and backend.room == ROOM[16]
    for what in usual:
        use(what)
    assert set(backend._parts) == {*usual, SCORER}  # nothing had to leave
    use("the judge orm")
    assert SCORER in backend._parts and len(backend._parts) < 4


# -- a search


def test_a_search_has_the_checkers_word_which_words_traces_and_clients_are_given_with_who_says_so(root, trusted):
    backend = load_backend("show-o", "cpu", root, scored=OFFICIAL)
    events = list(search("baseline", backend, DOG, steps=2, seed=1))
    (checked,) = (event for event in events if isinstance(event, Checked))
    assert checked == Checked(0, 0, False, False, "no bench found; no dog found", "GenEval's detector")
    trace = Trace.of(events)
    again = Trace.from_json(trace.to_json())
    assert again.state.answer_path.checked == checked
    assert told(again.state)["truth"] == {
        "correct": False, "strict": False, "reason": "no bench found; no dog found", "by": "GenEval's detector"
    }  # fmt: skip
    said = []
    list(narrate(trace.events, said.append, lambda words: None))
    assert "the checker (GenEval's detector, which errs): wrong: no bench found" in said[-2]
    assert "The truth" not in [stop.title for stop in stops_of(trace)]  # which is that of an exact checker
    content = json.loads(trace.to_json())
    next(event for event in content["events"] if event["type"] == "Checked")["by"] = "x" * 300
    with pytest.raises(UserError):
        Trace.from_json(json.dumps(content))


def test_what_is_painted_is_the_same_whoever_checks_it(root, trusted):
    runs = [
        list(search("parm", load_backend("show-o", "cpu", root, scored=scored), TOASTER, paths=2, steps=2, seed=1))
        for scored in (None, OFFICIAL)
    ]
    plain, scored = ([event for event in Trace.of(events).events if not isinstance(event, Checked)] for events in runs)
    assert plain == scored and any(isinstance(event, Checked) for event in runs[1])


# -- what can be wrong


def failing(root, monkeypatch, how: str):
    """A backend whose scorer cannot be had, and how often that was tried."""
    released_tiny.trust(monkeypatch)
    tries, load = [], source.load_scorer
    monkeypatch.setattr(source, "load_scorer", lambda *given, **more: tries.append(1) or load(*given, **more))
    if how == "missing":
        monkeypatch.setattr(network, "OFFICIAL_FILE", "not-here.pth")
    elif how == "self-test":
        monkeypatch.undo()
        monkeypatch.setattr(network, "OFFICIAL", released_tiny.mask2former_tiny.CONFIG)
        monkeypatch.setattr(source, "load_scorer", lambda *given, **more: tries.append(1) or load(*given, **more))
    elif how == "memory":
        monkeypatch.setattr(network, "official_weights", _out_of_memory)
    elif how == "a bug":
        monkeypatch.setattr(network, "official_weights", lambda file: 1 / 0)
    return load_backend("show-o", "cpu", root, scored=OFFICIAL), tries


def _out_of_memory(file):
    raise torch.OutOfMemoryError("no room")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "not-here.pth is missing; it is at https://"),
        ("self-test", "The self-test failed, so nothing is scored: of 8 drawn things 0 are found"),
        ("memory", "not enough memory for GenEval's scorer"),
        ("a bug", "GenEval's scorer has failed (ZeroDivisionError)"),
    ],
)
def test_where_it_cannot_be_had_runs_go_on_unchecked_and_that_is_said_once(how, words, root, monkeypatch, caplog):
    backend, tries = failing(root, monkeypatch, how)
    with caplog.at_level(logging.WARNING, "cotdemo.backends.checker"):
        for seed in (1, 2):
            events = list(search("baseline", backend, TOASTER, steps=1, seed=seed))
            assert isinstance(events[-1], RunFinished) and not any(isinstance(event, Checked) for event in events)
    (said,) = caplog.messages
    assert words in said and words in backend.unchecked and tries == [1]
    assert bool(caplog.records[0].exc_info) is (how in ("memory", "a bug"))


def test_numbers_that_are_none_end_the_checking_and_no_run():
    class Broken(Eyes):
        def look(self, entry, image):
            raise FloatingPointError("The detector gives numbers that are not finite: its weights are damaged.")

    checker = Checker(Broken)
    assert checker(TOASTER, NOISE) is None and "not finite" in checker.refused


def test_whoever_meets_it_first_is_told_with_no_path_of_the_server(root, monkeypatch):
    backend, _ = failing(root, monkeypatch, "missing")
    warned = []
    monkeypatch.setattr("cotdemo.ui.handlers.gr.Warning", lambda words, **_: warned.append(words))
    assert "checked by GenEval's own scorer" in _watched(backend) and "errs" in _watched(backend)
    handlers = Handlers("show-o", lambda: backend)
    form = (TOASTER, {"method": "baseline", "model": "base"}, 1, 1, 0.0, 1.0, 7, False)
    for _ in range(2):
        list(handlers.paint(*form))
    assert len(warned) == 1 and warned[0].startswith("Images are not checked. not-here.pth is missing")
    assert _watched(backend).startswith(" Final images are not checked: not-here.pth is missing")


# -- the app


@pytest.mark.parametrize(
    ("arguments", "scored"),
    [
        ([], None), (["--scored"], "official"), (["--scored", "approximate"], "approximate"),
        (["--safety", "on", "--scored"], "official"),
    ],
)  # fmt: skip
def test_the_scorer_is_there_where_it_is_asked_for(monkeypatch, arguments, scored):
    asked = {}

    class Page:
        launch = close = staticmethod(lambda **options: None)

    monkeypatch.setattr("cotdemo.ui.page.build_demo", lambda backend, **options: asked.update(options) or Page())
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    app.start(parser.parse_args(["--backend", "show-o", *arguments]))
    assert asked["scored"] == scored


def test_a_gpu_that_is_lent_is_not_given_a_scorer_in_every_run(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    with pytest.raises(UserError, match="--scored wants a GPU of its own"):
        app.start(parser.parse_args(["--backend", "show-o", "--scored"]))


# -- the page


@pytest.fixture
def page_of(enter, root, monkeypatch):
    """Opens a page of the released backend, loaded as app.py has it loaded, with short runs in its form."""
    served = []

    def opened():
        demo = build_demo("show-o", Loading("show-o", "cpu", root, scored=OFFICIAL))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        page = enter()
        served.append((demo, page))
        page.goto(url + small("baseline", 1, 2, 5, TOASTER))
        filled(page, 5, TOASTER)
        return page

    yield opened
    for demo, page in served:
        shut(page)
        demo.close()


def asked_for(page, prompt: str) -> None:
    page.fill("#prompt textarea", prompt)
    run(page)
    assert page.locator(".cot-prompt").inner_text() == prompt


def test_the_page_says_what_genevals_detector_finds_and_that_it_errs(page_of, trusted):
    page = page_of()
    asked_for(page, DOG)
    line = page.locator(".cot-facts .cot-truth").inner_text()
    assert (
        line == "Checker (GenEval's detector, which errs; hidden from the judge): wrong: no bench found; no dog found"
    )
    assert "may be wrong" in page.locator(".cot-facts .cot-truth").get_attribute("title")
    asked_for(page, "a castle at night")
    assert page.locator(".cot-facts .cot-truth").is_hidden() and status(page)


def test_a_page_whose_scorer_is_missing_says_so_once_and_paints(page_of, trusted, monkeypatch):
    monkeypatch.setattr(network, "OFFICIAL_FILE", "not-here.pth")
    page = page_of()
    asked_for(page, TOASTER)
    toast = page.get_by_test_id("toast-body")
    toast.wait_for()
    assert "Images are not checked. not-here.pth is missing; it is at https://" in toast.inner_text()
    assert page.locator(".cot-facts .cot-truth").is_hidden()
    asked_for(page, "a photo of a dog")
    assert toast.count() == 1
