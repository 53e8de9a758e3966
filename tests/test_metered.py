"""Operations of a search: what the metered backend adds up is what counting every one of them comes to."""

from __future__ import annotations

import pytest
from tiny_mini import backend

from cotdemo.backends.metered import Instrumented, Prices, Work
from cotdemo.compute.counting import counted
from cotdemo.run.events import Critiqued
from cotdemo.search import search
from cotdemo.verifiers.llava import Encoded

PROMPT = "a photo of two red apples"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return backend(tmp_path_factory.mktemp("mini"))


def events_of(painted_by, method: str, paths: int, seed: int = 0, **more) -> list:
    return list(search(method, painted_by, PROMPT, paths=paths, steps=5, seed=seed, show="judged", **more))


def is_criticised(events: list) -> bool:
    return any(isinstance(event, Critiqued) for event in events)


def test_the_sum_is_what_counting_all_of_it_comes_to(tiny, monkeypatch):
    monkeypatch.setattr(Encoded.explain, "__defaults__", (0, 12))  # weights by chance end no critique
    metered_by = Instrumented(tiny, Prices())
    meter = metered_by.meter
    by_region = {"repaint": "region"}
    seed = next(seed for seed in range(50) if is_criticised(events_of(tiny, "parm++", 3, seed, rounds=1)))
    runs = (
        ("baseline", 1, {}),
        ("repair", 1, {}),
        ("parm", 5, {}),
        ("parm++", 3, {}),
        ("parm++", 3, by_region),
        ("parm", 4, {}),
    )
    for method, paths, more in runs:
        before = dict(meter.totals)
        metered = events_of(metered_by, method, paths, seed, **more)
        plainly, whole = counted(lambda run=(method, paths), more=more: events_of(tiny, *run, seed, **more))
        assert metered == plainly and is_criticised(metered) == (method == "parm++")
        assert sum(meter.since(before).values()) == pytest.approx(whole, rel=0.002) and whole > 10**6


def test_what_is_known_is_not_counted_again(tiny, monkeypatch):
    metered_by = Instrumented(tiny, Prices())
    meter = metered_by.meter
    events_of(metered_by, "parm", 4)
    monkeypatch.setattr("cotdemo.backends.metered.counted", lambda do: pytest.fail("counted again"))
    before = dict(meter.totals)
    assert events_of(metered_by, "baseline", 1) and sum(meter.since(before).values()) > 0


def test_a_third_size_is_on_the_line_through_two(monkeypatch):
    monkeypatch.setattr("cotdemo.backends.metered.counted", lambda do: (do(), 3 * (100 + 10 * size)))
    prices = Prices()
    for size in (4, 8):
        prices.spend("judge", [Work(("step",), 3, size)], lambda: None)
    monkeypatch.setattr("cotdemo.backends.metered.counted", lambda do: pytest.fail("counted again"))
    prices.spend("judge", [Work(("step",), 3, 6)], lambda: None)
    assert prices.totals["judge"] == 3 * (140 + 180 + 160)
    prices.spend("judge", [Work(("step",), 1, 4), Work(("step",), 2, 8)], lambda: None)
    assert prices.totals["judge"] == 3 * (140 + 180 + 160) + 140 + 2 * 180
