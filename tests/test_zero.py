"""ZeroGPU's rules: a search runs in a forked process, and what goes in and comes out is pickled."""

from __future__ import annotations

import inspect
import json
import multiprocessing
import pickle

import numpy as np
import pytest
import tiny_mini
from page_double import Double

from cotdemo.errors import UserError
from cotdemo.run.events import RunFinished
from cotdemo.search import search
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.zero_gpu import MOST, ZeroGpu, seconds_for

PROMPT = "a photo of a red car and a blue bus"
FORM = (PROMPT, {"method": "parm", "model": "base"}, 3, 5, 0.5, 1.0, 7, False)
END = None


class Lender:
    """As ``spaces.GPU``: decorates a generator function so that each call runs in a fork; notes seconds and ends."""

    def __init__(self):
        self.seconds, self.ended = [], []

    def __call__(self, duration):
        def decorate(function):
            assert inspect.isgeneratorfunction(function)

            def lent(*arguments):
                self.seconds.append(duration(*arguments))
                return self._forked(function, pickle.dumps(arguments))

            return lent

        return decorate

    def _forked(self, function, arguments):
        context = multiprocessing.get_context("fork")
        out = context.SimpleQueue()

        def work():
            try:
                for event in function(*pickle.loads(arguments)):
                    out.put(event)
                out.put(END)
            except Exception as error:
                out.put(error)

        process = context.Process(target=work)
        process.start()
        try:
            while (event := out.get()) is not END:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            process.terminate()
            process.join()
            self.ended.append(process.exitcode)


@pytest.fixture
def lender():
    return Lender()


@pytest.fixture
def handlers(lender):
    backend = Double(pace=0)
    return Handlers("mini", lambda: backend, searches=ZeroGpu(backend, lender))


def same(one, other) -> bool:
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else name == "seconds" or a == b
        for name, a, b in ((name, getattr(one, name), getattr(other, name)) for name in vars(one))
    )


def test_a_search_with_a_lent_gpu_is_the_search_without(handlers, lender):
    backend = Double(pace=0)
    asked = dict(paths=3, steps=5, seed=7)
    lent = list(handlers.searches.search("parm", backend, PROMPT, **asked))
    plain = list(search("parm", Double(pace=0), PROMPT, **asked))
    assert len(lent) == len(plain) and all(map(same, lent, plain))
    assert lender.seconds == [seconds_for(3, 5, 0)]


def test_the_page_runs_and_reflects_with_a_lent_gpu(handlers, lender):
    updates = list(handlers.paint(*FORM))
    run = next(update["run_id"] for update in updates if "run_id" in update)
    assert isinstance(handlers.runs.get(run).events[-1], RunFinished)
    list(handlers.reflect_anyway(run))
    assert isinstance(handlers.runs.get(run).events[-1], RunFinished) and len(lender.seconds) == 2
    made = Endpoints(handlers).painted(PROMPT, "parm", paths=2, steps=3, seed=1)
    assert json.dumps(made.told(with_trace=True)["verdict"])


def test_closing_gives_the_gpu_back(handlers, lender):
    events = handlers.searches.search("parm", Double(pace=1), PROMPT, paths=8)
    next(events)
    events.close()
    assert len(lender.ended) == 1


def test_what_must_be_refused_borrows_nothing(handlers, lender):
    for prompt, settings in ((PROMPT, {"paths": 99}), ("", {}), ("a photo of a unicorn", {})):
        with pytest.raises(UserError):
            handlers.searches.search("parm", Double(pace=0), prompt, **settings)
    assert lender.seconds == []


def test_what_is_not_on_the_gpu_yet_is_read_before_one_is_lent_and_paid_for_as_moving(lender, tmp_path, monkeypatch):
    backend = tiny_mini.MiniBackend(root=tiny_mini.build_all_judges(tmp_path))
    backend.warm_up()
    searches, asked = ZeroGpu(backend, lender), dict(prompt="a photo of a red dog", paths=2, steps=3, seed=1)
    for method, parts in (("parm", 0), ("orm", 1), ("parm++", 1), ("baseline", 0)):
        list(searches.search(method, backend, **asked))
        assert lender.seconds[-1] == seconds_for(2, 3, 3 * (method == "parm++"), parts), method
    assert list(backend._standing_by) == ["the judge orm", "the generator self-correct"]
    for load in ("_load_judge", "_load_showo"):  # in this process or in the one that has the GPU
        monkeypatch.setattr(backend, load, lambda name: pytest.fail(f"{name} was read"))
    first = list(searches.search("orm", backend, **asked))
    assert isinstance(first[-1], RunFinished)
    list(searches.reflect(backend, first, anyway=True))
    assert lender.seconds[-1] == seconds_for(2, 3, 0, 1)


def test_a_part_that_cannot_be_read_is_said_before_a_gpu_is_asked_for(lender, tmp_path):
    backend = tiny_mini.MiniBackend(root=tiny_mini.build(tmp_path))
    with pytest.raises(UserError, match="judge-orm"):
        ZeroGpu(backend, lender).search("orm", backend, "a photo of a red dog")
    assert lender.seconds == []


def test_seconds_grow_with_the_work_and_end():
    assert seconds_for(1, 18, 0) < seconds_for(8, 18, 0) < seconds_for(8, 18, 3) <= MOST == seconds_for(32, 50, 3)


def test_a_brush_stands_by_with_what_paints_and_judges_and_no_critic(lender):
    asked = []
    double = Double(pace=0)
    double.stand_by = lambda models, verifiers: asked.append((models, verifiers)) or len(verifiers)
    zero = ZeroGpu(double, lender)
    painted = list(zero.search("baseline", double, PROMPT, paths=1, steps=4, seed=1))
    asked.clear()
    events = list(zero.brush(double, painted, [3, 4]))
    assert isinstance(events[-1], RunFinished) and {words for one in asked for words in one[1]} == {"parm"}
    assert lender.seconds[-1] == seconds_for(1, 4, 0, 1)
