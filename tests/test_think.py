"""Waves that are halved: who goes on, who is asked what, what it costs, what is said of it, and that a replay is it."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import tiny_mini
from page_driver import filled, open_settings, run, small
from scripted import Studio
from test_adaptive import Undecided, assert_same_tokens, by_place, events_of, of, tried, undecided
from test_pools import COUNTED, TOLERANCE, comparable

from cotdemo import cli
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.pool import Maker, Pool, fill
from cotdemo.evaluation.records import Journal
from cotdemo.evaluation.runner import Runner, replay
from cotdemo.registry import refusal
from cotdemo.run.events import Judged, PathPruned, Progress, RunFinished, Winner
from cotdemo.run.narration import narrate
from cotdemo.run.story import RANKED, SOME_STOPPED, SURE, story_of
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.search.think import WAVE
from cotdemo.settings import Settings

PROMPT, STEPS = "a photo of two red apples", 4


class Asked(Studio):
    """A studio that notes whom it lends."""

    def verifier(self, name):
        self.log.append(("verifier", name))
        return super().verifier(name)


def telling(potential, outcome) -> Asked:
    """Judges that are so sure of paths 0, 1 and so on, half-way and at the end."""

    def say(question, number, path, step):
        p_yes = (outcome if question == "outcome" else potential)[path]
        return ("yes" if p_yes > 0.5 else "no", p_yes, 1 - p_yes)

    return Asked(say=say)


def think(studio, paths: int = 8, **settings) -> list:
    return events_of(studio, "think", paths, **settings)


def test_the_likelier_half_of_a_wave_goes_on_and_the_best_of_it_wins():
    studio = telling([0.3, 0.9, 0.6, 0.7] + [0.5] * 4, [0.99, 0.2, 0.99, 0.95] + [0.1] * 4)
    events = think(studio)
    assert [paths for kind, paths in studio.log if kind == "step"] == [(0, 1, 2, 3)] * 2 + [(1, 3)] * 2
    assert studio.questions("potential") == [(0, path, 1) for path in range(4)] and not studio.questions("clarity")
    assert studio.questions("outcome") == [(0, 1, 3), (0, 3, 3)]
    assert [one for kind, one in studio.log if kind == "verifier"] == ["parm", "orm"]
    stops = of(PathPruned, events)
    assert [(stop.path, stop.step, stop.p_no, stop.outdone) for stop in stops] == [
        (0, 1, pytest.approx(0.7), True), (2, 1, pytest.approx(0.4), True),
    ]  # fmt: skip
    (winner,), (end,) = of(Winner, events), of(RunFinished, events)
    assert (winner.path, winner.p_yes, winner.survivors) == (3, 0.95, (0, 1, 2, 3))
    assert (end.generator_passes, end.passes_saved) == (2 * 12, 2 * (8 * STEPS - 12)) and end.judge_passes == 4 + 2


def test_of_equals_the_first_go_on():
    assert [stop.path for stop in of(PathPruned, think(telling([0.5] * 4, [0.9] * 4), 4))] == [2, 3]


@pytest.mark.parametrize(("paths", "stopped"), [(1, []), (2, [1]), (3, [2]), (5, [2, 3]), (6, [2, 3, 5])])
def test_a_last_wave_may_be_small(paths, stopped):
    events = think(telling([0.5] * 6, [0.1, 0.2, 0.3, 0.4, 0.15, 0.1]), paths)
    assert [stop.path for stop in of(PathPruned, events)] == stopped and tried(events) == list(range(paths))


@pytest.mark.parametrize(("steps", "asked_at"), [(1, []), (2, [0]), (3, [1]), (18, [8])])
def test_they_are_asked_half_way(steps, asked_at):
    events = think(telling([0.5] * 4, [0.1] * 4), 4, steps=steps)
    assert sorted({one.step for one in of(Judged, events) if one.question == "potential"}) == asked_at


@pytest.mark.parametrize("seed", range(40))
def test_no_path_that_goes_on_is_less_likely_than_one_that_stops_and_no_wave_is_begun_in_vain(seed):
    rng = random.Random(seed)
    paths = rng.randint(1, 13)
    potential, outcome = ([rng.choice([0.1, 0.3, 0.5, 0.8, 0.95]) for _ in range(paths)] for _ in range(2))
    enough = rng.choice([0.4, 0.9, 1.0])
    events = think(telling(potential, outcome), paths, enough=enough)
    stopped, begun = {stop.path for stop in of(PathPruned, events)}, tried(events)
    judged = {one.path for one in of(Judged, events) if one.question == "outcome"}
    assert judged == set(begun) - stopped and begun == list(range(len(begun)))
    for first in range(0, len(begun), WAVE):
        wave = begun[first : first + WAVE]
        on, off = ([potential[path] for path in wave if (path in stopped) is fate] for fate in (False, True))
        assert len(on) == (len(wave) + 1) // 2 and (not off or min(on) >= max(off))
    (winner,) = of(Winner, events)
    assert outcome[winner.path] == max(outcome[path] for path in judged)
    assert len(begun) == paths or (len(begun) % WAVE == 0 and outcome[winner.path] >= enough)
    assert all(outcome[path] < enough for path in judged if path < len(begun) - WAVE)


def test_what_it_says_of_itself():
    studio, lines = telling([0.3, 0.9, 0.6, 0.7], [0.99, 0.2, 0.99, 0.95]), []
    words = [event.message for event in of(Progress, list(narrate(think(studio), lines.append, lambda _: None)))]
    assert "wave 1 - step 2 of 4 - 4 of 8 paths alive - judging potential" in words
    assert "wave 1 - step 4 of 4 - 2 of 8 paths alive - painting" in words
    assert any(
        "step 2 of 4 with P(no) 0.70, as others of its wave were likelier to come out right" in line for line in lines
    )
    assert any(line.startswith("Stopped after 4 of 8 attempts: the judge was 95% sure") for line in lines)


def test_its_story_and_its_trace(tmp_path):
    def trace(*arguments, **settings):
        return Trace.of(iter(think(*arguments, **settings)))

    sure = trace(telling([0.3, 0.9, 0.6, 0.7], [0.99, 0.2, 0.99, 0.95]))
    never = trace(telling([0.3, 0.9, 0.6, 0.7], [0.2] * 4), 4)
    assert [story_of(one) for one in (sure, never, trace(telling([0.5], [0.2]), 1))] == [SURE, SOME_STOPPED, RANKED]
    sure.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json").events == sure.events
    older = json.loads((tmp_path / "trace.json").read_text())
    for event in older["events"]:
        event.pop("outdone", None)
    (tmp_path / "trace.json").write_text(json.dumps(older))
    assert not any(event.outdone for event in of(PathPruned, Trace.load(tmp_path / "trace.json").events))


def test_it_can_be_reflected_on():
    studio = telling([0.3, 0.9, 0.6, 0.7], [0.2] * 4)
    events = think(studio, 4)
    assert of(RunFinished, reflect(studio, events))


def test_it_asks_two_judges_and_counts_both(monkeypatch):
    asked = Settings.checked(PROMPT, "think")
    assert (asked.paths, asked.enough, asked.verifier) == (16, 0.9, "orm")
    assert all(refusal("think", "base", backend) == "" for backend in ("mini", "show-o", "show-o-512"))
    assert refusal("think", "sd3", "show-o")  # it has no guesses on the way


# -- the embedded model's code, with few weights


ENTRIES, PATHS = select(of_split("dev"), limit=1), 7


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Undecided:
    return undecided(tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini")))


def test_its_images_are_those_that_the_orm_paints_to_the_bit(backend):
    asked = {"paths": 7, "steps": 5, "seed": 11}
    whole = by_place(search("orm", backend, ENTRIES[0].prompt, **asked))
    events = list(search("think", backend, ENTRIES[0].prompt, **asked, enough=1))
    stops = {stop.path: stop.step for stop in of(PathPruned, events)}
    steps = by_place(events)
    assert steps.keys() == {(path, step) for path, step in whole if step <= stops.get(path, step)}
    for place, step in steps.items():
        assert_same_tokens(step, whole[place])


def test_a_replay_is_the_live_run(backend, tmp_path):
    pool = Pool(backend, "base", "dev", steps=6, folder=tmp_path / "pools")
    fill(Maker(pool, PATHS, ["parm", "orm"]), ENTRIES, lambda _: None)
    asked = Settings.checked(ENTRIES[0].prompt, "think", paths=PATHS, steps=6, seed=0, enough=1)
    with Journal(tmp_path / "live.json", {}) as journal:
        live = list(Runner(backend, asked, finish_pruned=True).run(ENTRIES, journal))
    for entry, record in zip(ENTRIES, live):
        (expected, p), (found, q) = map(comparable, (record, replay(pool, entry, "think", PATHS, enough=1)))
        operations = expected.pop("operations"), found.pop("operations")
        assert json.dumps(found) == json.dumps(expected)
        np.testing.assert_allclose(q, p, atol=TOLERANCE)
        assert operations[1] == pytest.approx(operations[0], rel=COUNTED)


def test_the_command_line_says_why_paths_were_stopped(backend, tmp_path, capsys):
    command = ["generate", ENTRIES[0].prompt, "--method", "think", "--paths", "4", "--steps", "3", "--seed", "1"]
    assert cli.main([*command, "--enough", "1", "--assets", str(backend.root), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("as others of its wave were likelier") == 2


# -- on the page


def test_the_page_shows_who_went_on_and_why(visit):
    with visit(small("think", 8, 6, 5) + "&enough=1") as page:
        open_settings(page)
        filled(page, 5)
        run(page)
        assert page.locator("tr[data-kind='pruned']").count() == 4
        assert page.locator("tr[data-begins]").count() == 1
        stopped = page.locator("tr[data-kind='pruned'] .cot-path-state").first
        assert "stopped at step 3" in stopped.inner_text()
        assert stopped.get_attribute("title") == "Others of its wave are likelier to come out right"
        words = page.locator(".cot-status").inner_text()

        assert words.endswith("4 attempts stopped early.")
