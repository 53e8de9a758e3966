"""Adaptive best of N: which paths are begun, when the run ends, who wins, what it says of that, and what it costs."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from statistics import median, stdev

import numpy as np
import pytest
import tiny_mini
from page_driver import cells, filled, open_settings, run, small
from scripted import Studio
from test_pools import COUNTED, TOLERANCE, comparable

from cotdemo import cli
from cotdemo.backends import MiniBackend
from cotdemo.errors import UserError
from cotdemo.evaluation.entries import of_split, select
from cotdemo.evaluation.ladder import at_compute, means, replays
from cotdemo.evaluation.pool import Maker, Pool, fill
from cotdemo.evaluation.records import Journal
from cotdemo.evaluation.report import begun
from cotdemo.evaluation.runner import Runner, replay
from cotdemo.evaluation.variants import THRESHOLDS
from cotdemo.run.animation import _said
from cotdemo.run.codec import encode_event
from cotdemo.run.events import Judged, Progress, RunFinished, StepDecoded, Winner
from cotdemo.run.narration import narrate
from cotdemo.run.said import ending
from cotdemo.run.state import RunState
from cotdemo.run.story import RANKED, SURE, story_of
from cotdemo.run.terminal import in_lines
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.search.adaptive import WAVE
from cotdemo.settings import Settings
from cotdemo.ui.components import WEB

PROMPT = "a photo of two red apples"
STEPS = 4
ENTRIES, PATHS = select(of_split("dev"), limit=1), 7  # of a pool


def telling(*p_yes: float) -> Studio:
    """A judge that is so sure of the final images of paths 0, 1 and so on."""
    return Studio(say=lambda question, number, path, step: ("yes" if p_yes[path] > 0.5 else "no", p_yes[path], 0.0))


def events_of(studio, method: str = "adaptive", paths: int = 8, **settings) -> list:
    return list(search(method, studio, PROMPT, **{"paths": paths, "steps": STEPS, "seed": 7} | settings))


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def tried(events) -> list[int]:
    return sorted({event.path for event in of(StepDecoded, events)})


# -- which paths, and which of them


def test_it_begins_no_wave_after_the_one_in_which_the_judge_is_sure():
    studio = telling(0.2, 0.6, 0.3, 0.95, 0.99, 0.99, 0.99, 0.99)
    events = events_of(studio)
    assert [paths for kind, paths in studio.log if kind == "step"] == [(0, 1)] * STEPS + [(2, 3)] * STEPS
    assert studio.questions("outcome") == [(0, path, STEPS - 1) for path in range(4)]
    assert len(studio.started) == 1  # the prompt is read once
    (winner,), (end,) = of(Winner, events), of(RunFinished, events)
    assert (winner.path, winner.p_yes, winner.survivors) == (3, 0.95, (0, 1, 2, 3))
    assert (end.generator_passes, end.passes_saved) == (2 * 4 * STEPS, 2 * 4 * STEPS)  # guided: two passes a step
    assert (end.judge_passes, end.pictures_decoded) == (4, 4 * STEPS)


def test_a_threshold_is_reached_by_as_much_and_not_by_less():
    for enough, paths in ((0.5, 2), (0.6, 2), (0.601, 4), (0.7, 4), (0.71, 5)):
        assert len(tried(events_of(telling(0.6, 0.1, 0.7, 0.2, 0.3), paths=5, enough=enough))) == paths


@pytest.mark.parametrize("paths", [1, 2, 5])
def test_where_the_judge_is_never_sure_the_budget_is_spent(paths):
    said = (0.3, 0.1, 0.4, 0.4, 0.2)[:paths]
    events = events_of(telling(*said), paths=paths)
    assert tried(events) == list(range(paths))
    (winner,), (end,) = of(Winner, events), of(RunFinished, events)
    assert winner.path == said.index(max(said)) and end.passes_saved == 0


@pytest.mark.parametrize("seed", range(60))
def test_the_winner_is_the_orms_of_the_paths_that_were_begun(seed):
    """Of all of them where nothing is enough; levels are few, so that many are equal, and the surest is certain."""
    rng = random.Random(seed)
    paths, levels = rng.randint(1, 11), [0.0, 0.2, 0.5, 0.8, 1.0][: rng.randint(2, 5)]
    said = [rng.choice(levels) for _ in range(paths)]
    enough = rng.choice([0.4, 0.8, 1.0])
    events = events_of(telling(*said), paths=paths, enough=enough)
    count = len(tried(events))
    ranked = events_of(telling(*said), "orm", paths if enough == 1 else count)
    (winner,), (best,) = of(Winner, events), of(Winner, ranked)
    assert (winner.path, winner.p_yes, winner.codes) == (best.path, best.p_yes, best.codes)
    assert tried(events) == list(range(count)) and (count % WAVE == 0 or count == paths)
    assert max(said[: max(count - WAVE, 0)], default=-1) < enough  # no wave was begun in vain
    assert count == paths or max(said[:count]) >= enough


def test_a_wave_is_told_while_it_is_painted():
    words = [event.message for event in of(Progress, events_of(telling(0.1, 0.1, 0.1, 0.99)))]
    assert "wave 1 - step 1 of 4 - 2 of 8 paths alive - painting" in words
    assert "wave 2 - step 4 of 4 - 2 of 8 paths alive - judging outcome" in words


def test_the_setting_concerns_this_method_alone():
    assert Settings.checked(PROMPT, "adaptive").enough == 0.9
    assert Settings.checked(PROMPT, "adaptive", enough=0.5).in_words()[-1] == "until P(yes) 0.5"
    assert Settings.checked(PROMPT, "orm", enough=0.5).enough == 1.0
    for wrong in (1.01, -0.1, "much", True):
        with pytest.raises(UserError, match="enough must be a number from 0 to 1"):
            Settings.checked(PROMPT, "adaptive", enough=wrong)
    with pytest.raises(UserError, match="no original behaviour"):
        Settings.checked(PROMPT, "adaptive", original=True)


# -- the embedded model's code, with few weights


class Undecided(MiniBackend):
    """Its judges of random weights, which answer nearly the same about all images, are made unlike: their log-odds are
    told from the ``middle`` on, as so many times the ``spread``."""

    middle, spread = 0.0, 1.0

    def verifier(self, name):
        return Told(super().verifier(name), self)


def odds(p_yes, p_no):
    return np.log(np.maximum(p_yes, 1e-30)) - np.log(np.maximum(p_no, 1e-30))


class Told:
    """A judge, or its look at some images, whose answers are told so."""

    def __init__(self, judge, backend: Undecided):
        self.judge, self.backend = judge, backend

    def encode(self, images) -> Told:
        return Told(self.judge.encode(images), self.backend)

    def ask(self, question, prompt, rows=None):
        said = self.judge.ask(question, prompt, rows)
        told = (odds(said.p_yes, said.p_no) - self.backend.middle) / self.backend.spread
        p_yes = (1 / (1 + np.exp(-told))).astype(np.float32)
        return replace(said, p_yes=p_yes, p_no=1 - p_yes, yes=p_yes >= 0.5, no=p_yes < 0.5)


def undecided(root) -> Undecided:
    """With the weights of ``root``: the ORM is as often sure as not."""
    backend = Undecided(root=root)
    said = [one for entry in ENTRIES for one in of(Judged, search("orm", backend, entry.prompt, steps=6, seed=0))]
    told = [float(odds(one.p_yes, one.p_no)) for one in said]
    backend.middle, backend.spread = median(told), stdev(told)
    return backend


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Undecided:
    return undecided(tiny_mini.build_all_judges(tmp_path_factory.mktemp("mini")))


def by_place(events) -> dict[tuple[int, int], StepDecoded]:
    return {(event.path, event.step): event for event in of(StepDecoded, events)}


def assert_same_tokens(step: StepDecoded, same: StepDecoded) -> None:
    assert (step.codes, step.masked, step.confidence) == (same.codes, same.masked, same.confidence)


def test_its_images_are_those_that_the_orm_paints_to_the_bit(backend):
    asked = {"paths": 7, "steps": 5, "seed": 11}
    whole = by_place(search("orm", backend, ENTRIES[0].prompt, **asked))
    said = [event.p_yes for event in of(Judged, search("orm", backend, ENTRIES[0].prompt, **asked))]
    events = list(search("adaptive", backend, ENTRIES[0].prompt, **asked, enough=max(said[: 2 * WAVE]) - TOLERANCE))
    steps = by_place(events)
    assert tried(events) in ([0, 1], [0, 1, 2, 3])
    assert steps.keys() == {place for place in whole if place[0] in tried(events)}
    for place, step in steps.items():
        assert_same_tokens(step, whole[place])
        assert step.picture.tobytes() == whole[place].picture.tobytes()


@pytest.fixture(scope="module")
def pool(backend, tmp_path_factory) -> Pool:
    pool = Pool(backend, "base", "dev", steps=6, folder=tmp_path_factory.mktemp("pools"))
    fill(Maker(pool, PATHS + 1, ["orm"]), ENTRIES, lambda _: None)
    return pool


def between(pool) -> float:
    """A threshold that some waves of the pool reach and some do not, and no probability comes within half TOLERANCE."""
    of_waves = [
        max(pool.answers("orm", entry.index).p[0, first : first + WAVE, -1, 0])
        for entry in ENTRIES
        for first in range(0, PATHS, WAVE)
    ]
    ranked = sorted(map(float, of_waves))[2:-2]
    gaps = [(after - before, (after + before) / 2) for before, after in zip(ranked, ranked[1:])]
    gap, middle = max(gaps)
    assert gap > TOLERANCE
    return middle


def test_a_replay_is_the_live_run(pool, backend, tmp_path):
    enough = between(pool)
    asked = Settings.checked(ENTRIES[0].prompt, "adaptive", paths=PATHS, steps=6, seed=0, enough=enough)
    with Journal(tmp_path / "live.json", {}) as journal:
        live = list(Runner(backend, asked).run(ENTRIES, journal))
    counts = set()
    for entry, record in zip(ENTRIES, live):
        replayed = replay(pool, entry, "adaptive", PATHS, enough=enough)
        (expected, p), (found, q) = comparable(record), comparable(replayed)
        operations = expected.pop("operations"), found.pop("operations")
        assert json.dumps(found) == json.dumps(expected)  # but for probabilities, whose kernels go by the batch
        np.testing.assert_allclose(q, p, atol=TOLERANCE)
        assert operations[1] == pytest.approx(operations[0], rel=COUNTED)
        again = replay(pool, entry, "adaptive", PATHS, enough=enough)
        assert json.dumps(again.as_dict()) == json.dumps(replayed.as_dict())
        counts.add(begun([record]))
    assert len(counts) > 1  # some end early


def test_it_costs_as_much_as_the_paths_that_it_begins_and_the_orm_is_given_that(pool):
    enough = between(pool)
    usual = pool.settings_of(ENTRIES[0], method="adaptive", paths=PATHS)
    assert usual.enough == Settings.checked(PROMPT, "adaptive").enough  # its own, not that of what painted the pool
    records = [replay(pool, entry, "adaptive", PATHS, enough=enough) for entry in ENTRIES]
    runs = replays(pool, ENTRIES, "orm")
    spent = [sum(means(of)["operations"].values()) for of in (records, runs(1), runs(PATHS))]
    assert spent[1] < spent[0] < spent[2] and 1 < begun(records) < PATHS
    equal = at_compute(runs, spent[0], PATHS)
    assert sum(equal.cost["operations"].values()) == pytest.approx(spent[0])
    # a wave's first step is computed for it, and not for all paths at once: a little more than N paths at once take
    paths = sum(one.share * one.paths for one in equal.outcomes)
    assert begun(records) <= paths < begun(records) + 1


def test_a_replay_may_take_the_same_paths_in_another_order(pool):
    for entry in ENTRIES:
        held = pool.answers("orm", entry.index).p[0, :, -1, 0]
        for order in ([*range(PATHS)], [*range(1, PATHS + 1)], [6, 2, 4, 0, 1, 3, 7]):
            paths = replay(pool, entry, "orm", PATHS, order).rounds[0].paths
            assert [path.outcome().p_yes for path in paths] == pytest.approx(held[order].tolist())


def test_the_command_tells_every_threshold_beside_the_orm(tmp_path, monkeypatch, capsys):
    root = tiny_mini.build_all_judges(tmp_path / "mini")
    monkeypatch.chdir(tmp_path)
    command = ["eval", "--variants", "--method", "adaptive", "--split", "dev", "--limit", "1", "--paths", "3"]
    assert cli.main([*command, "--assets", str(root)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "of 3 paths" in head and [line.split()[1] for line in lines[::2]] == [f"{one:g}" for one in THRESHOLDS]
    painted = [float(line.split()[-3]) for line in lines[::2]]
    assert painted == sorted(painted) and painted[0] >= 2 and painted[-1] <= 3
    assert cli.main([*command[:3], "vote", "--assets", str(root)]) == 2


# -- what is said of it


def ended(p_yes: list[float], **settings) -> list:
    return events_of(telling(*p_yes), paths=len(p_yes), **settings)


def test_why_it_ended_is_said_at_the_end_with_what_all_attempts_would_have_cost():
    events = ended([0.1, 0.2, 0.97, 0.3] + [0.5] * 16)
    sentence = "Stopped after 4 of 20 attempts: the judge was 97% sure. All 20 would have cost 5.0 times as much."
    said: list[str] = []
    list(narrate(events, said.append, lambda message: None))
    assert sentence in said and "160 saved" not in said[-1] and "128 saved by stopping early" in said[-1]
    assert [line for line in said if line.startswith("  path")][-1].startswith("  path 3 ")
    never = ended([0.1, 0.4, 0.3])
    assert ending(RunState.of(never)) == "All 3 attempts were painted: the judge was 40% sure of the best."
    assert ending(RunState.of(ended([0.1]))) == ending(RunState.of(events[:-1])) == ""
    assert ending(RunState.of(ended([0.99, 0.1, 0.1, 0.1], enough=1))) == ""
    assert ending(RunState.of(events_of(telling(0.99, 0.1), "orm", 2))) == ""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_says_the_same_sentence():
    runs = [ended([0.1] * 2 * waves + [0.95] + [0.1] * (19 - 2 * waves)) for waves in range(10)]
    runs += [ended([0.999, 0.2, 0.1]), ended([0.3] * 3), ended([0.95, 0.1]), ended([0.2])]
    studio = telling(0.4, 0.1, 0.95, 0.1, 0.1)
    further = events_of(studio, paths=5)
    studio.say = lambda question, number, path, step: ("no", 0.3, 0.6)
    runs += [[*further, *reflect(studio, further)]]
    told = [ending(RunState.of(events)) for events in runs]
    assert "2.5 times" in told[3] and "1.3 times" in told[7] and told[-2:] == ["", ""] and "All 20" in told[9]
    code = f"""
        const {{ reduce, emptyState }} = await import({json.dumps(str(WEB / "reducer.js"))});
        const {{ ending, statusWords }} = await import({json.dumps(str(WEB / "words.js"))});
        const runs = JSON.parse(require("fs").readFileSync(0));
        const states = runs.map((events) => events.reduce(reduce, emptyState()));
        console.log(JSON.stringify([states.map(ending), states.map(statusWords)]));
    """
    written = json.dumps([[encode_event(event, images=False) for event in events] for events in runs])
    command = ["node", "-e", f"(async () => {{ {code} }})()"]
    done = subprocess.run(command, input=written, capture_output=True, text=True, check=True, timeout=60)
    endings, statuses = json.loads(done.stdout)
    assert endings == told
    assert all(status.endswith(words) for status, words in zip(statuses, told))


def test_its_trace_is_read_again_and_what_shows_a_trace_knows_waves():
    events = ended([0.1, 0.2, 0.3, 0.95, 0.1, 0.1])
    trace = Trace.of(events)
    again = Trace.from_json(trace.to_json())
    assert again.started.settings.enough == 0.9 and again.state.rounds[0].status(4) == "spared"
    assert [path.wave for path in again.state.rounds[0].paths] == [0, 0, 1, 1, None, None]
    assert {row["path"] for row in trace.to_rows()} == {0, 1, 2, 3}
    assert sum(row["passes"] for row in trace.to_rows()) == trace.finished.generator_passes
    assert story_of(trace) == SURE and story_of(Trace.of(ended([0.1, 0.2]))) == RANKED
    assert _said(trace.state, None) == "4 of 6 painted, the best chosen: the judge is 95% sure"
    lines: list[str] = []
    list(in_lines(events, lines.append))
    assert len(lines) == 2 * STEPS and lines[-1] == "  wave 2, step 4 of 4: 16 of 16 tokens kept; matches: 3 (0.95)"


def test_a_trace_from_before_there_was_the_setting_opens_as_it_did():
    written = Trace.of(events_of(telling(0.99, 0.1), "orm", 2)).to_json()
    trace = Trace.from_json(written.replace(',"enough":1.0', ""))
    assert '"enough":1.0' in written and trace == Trace.from_json(written)
    assert trace.started.settings.enough == 1.0 and ending(trace.state) == ""
    assert not any("until" in words for words in trace.started.settings.in_words())


def test_a_hostile_end_says_nothing_that_cannot_be_counted():
    *events, end = ended([0.95, 0.1, 0.1])
    nothing = replace(end, generator_passes=0, passes_saved=0)
    assert "0.0 times" in ending(RunState.of([*events, nothing]))
    winner = next(place for place, event in enumerate(events) if isinstance(event, Winner))
    events[winner] = replace(events[winner], p_yes=None)
    assert ending(RunState.of([*events, end])) == ""


def test_the_command_line_paints_until_it_is_sure(backend, tmp_path, capsys):
    command = ["generate", ENTRIES[0].prompt, "--method", "adaptive", "--paths", "6", "--steps", "3", "--seed", "1"]
    assert cli.main([*command, "--enough", "0", "--assets", str(backend.root), "--out", str(tmp_path)]) == 0
    assert "Stopped after 2 of 6 attempts: the judge was" in capsys.readouterr().out
    assert Trace.load(tmp_path / "trace.json").started.settings.enough == 0


# -- on the page


def test_the_page_shows_the_waves_and_why_it_stopped(visit):
    with visit(small("adaptive", 12, 6, 5) + "&enough=0.8") as page:
        open_settings(page)
        filled(page, 5)
        run(page)
        begun = cells(page, "decoded") // 6
        assert 2 <= begun < 12 and begun % WAVE == 0 and cells(page, "cut") == (12 - begun) * 6
        times = f"{int(10 * 12 / begun + 0.5) / 10:.1f}"
        words = page.locator(".cot-status").inner_text()
        assert f"Stopped after {begun} of 12 attempts: the judge was " in words
        assert f"All 12 would have cost {times} times as much." in words
        assert "until P(yes) 0.8" in page.locator(".cot-settings").inner_text()
        assert page.locator("tr[data-begins]").count() == begun // WAVE - 1
        last = page.locator(".cot-matrix tbody tr").last
        assert "not begun" in last.inner_text() and last.get_attribute("data-kind") == "spared"
        assert "sure enough before" in last.locator("td").first.get_attribute("aria-label")
