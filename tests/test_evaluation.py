"""Statistics with known values, and evaluations of a scripted search whose every figure can be counted by hand."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scripted import Studio, Verdict

from cotdemo.errors import UserError
from cotdemo.evaluation.entries import fingerprint, of_split, select
from cotdemo.evaluation.records import Journal, Path, Record, Round, load
from cotdemo.evaluation.report import compare, comparison_table, summarise, table
from cotdemo.evaluation.runner import Runner
from cotdemo.evaluation.statistics import OVERALL, means_of_kinds, roc_auc, roc_auc_within
from cotdemo.geneval.folder import Entry, image_file
from cotdemo.geneval.metadata import of_file
from cotdemo.geneval.prompts import TAGS, metadata
from cotdemo.run.png import read_png_settings
from cotdemo.settings import Settings

# -- areas under ROC curves


@pytest.mark.parametrize(
    ("scores", "labels", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 0.0),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # scikit-learn's example
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5),
        ([0.2, 0.5, 0.5, 0.9], [0, 0, 1, 1], 0.875),  # three pairs won, one tied
    ],
)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(scores, labels, area):
    assert roc_auc(scores, labels) == pytest.approx(area)


def test_the_area_agrees_with_counting_all_pairs():
    rng = np.random.default_rng(0)
    scores, labels, groups = rng.integers(0, 6, 60), rng.random(60) < 0.4, rng.integers(0, 5, 60)

    def counted(same_group):
        pairs = [
            (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
            for i, j in itertools.product(range(60), repeat=2)
            if labels[i] and not labels[j] and (groups[i] == groups[j] or not same_group)
        ]
        return sum(pairs) / len(pairs)

    assert roc_auc(scores, labels) == pytest.approx(counted(False))
    assert roc_auc_within(scores, labels, groups.tolist()) == pytest.approx(counted(True))


def test_within_prompts_a_score_that_only_tells_prompts_apart_is_worth_nothing():
    scores, labels, prompts = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1]
    assert roc_auc(scores, labels) > 0.6
    assert roc_auc_within(scores, labels, prompts) == 0.5


def test_without_a_pair_there_is_no_area():
    assert math.isnan(roc_auc([0.1, 0.2], [1, 1]))
    assert math.isnan(roc_auc([], []))
    assert math.isnan(roc_auc_within([0.1, 0.2], [1, 0], ["a", "b"]))
    with pytest.raises(ValueError, match="NaN"):
        roc_auc([0.1, float("nan")], [0, 1])


# -- intervals


def test_overall_is_the_mean_of_the_kinds_not_of_the_images():
    estimates = means_of_kinds([1] * 90 + [0] * 10, ["many"] * 90 + ["few"] * 10, list(range(100)))
    assert list(estimates) == ["many", "few", OVERALL]
    assert estimates[OVERALL].value == 0.5


def test_an_interval_of_independent_prompts_is_the_one_of_theory():
    values = [1, 0] * 200
    estimate = means_of_kinds(values, ["a"] * 400, list(range(400)))[OVERALL]
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.004)
    assert estimate.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.004)


def test_images_of_the_same_prompt_are_drawn_together():
    values = ([1] * 10 + [0] * 10) * 10  # ten images of a prompt share their fate
    alone = means_of_kinds(values, ["a"] * 200, list(range(200)))["a"]
    together = means_of_kinds(values, ["a"] * 200, [place // 10 for place in range(200)])["a"]
    assert together.value == alone.value
    assert together.high - together.low == pytest.approx(10**0.5 * (alone.high - alone.low), rel=0.15)


def test_kinds_are_strata():
    """Were kinds resampled too, a difference between them alone would widen the interval."""
    estimates = means_of_kinds([1] * 50 + [0] * 50, ["a"] * 50 + ["b"] * 50, list(range(100)))
    assert (estimates[OVERALL].low, estimates[OVERALL].high) == (0.5, 0.5)


def test_intervals_are_the_same_each_time():
    given = np.random.default_rng(0).random(50), ["a"] * 50, list(range(50))
    assert means_of_kinds(*given) == means_of_kinds(*given)
    assert means_of_kinds(*given) != means_of_kinds(*given, seed=1)


# -- entries


def test_a_limit_takes_the_first_prompts_of_each_kind_and_changes_no_seed():
    whole = {(entry.index, entry.sample): entry for entry in select(of_split("test"))}
    part = select(of_split("test"), limit=2)
    assert [entry.kind for entry in part] == [tag for tag in TAGS for _ in range(2)]
    assert all(whole[entry.index, entry.sample].seed(5) == entry.seed(5) for entry in part)


def test_repeated_prompts_have_seeds_of_their_own():
    entries = select(of_split("test"), images=2)
    assert len({entry.seed(0) for entry in entries}) == len(entries) == 2 * 553
    assert entries[0].seed(0) != entries[0].seed(1)
    assert all(0 <= entry.seed(0) < 2**32 for entry in entries)


def test_training_splits_are_not_evaluated_on():
    with pytest.raises(UserError, match="dev, test"):
        of_split("pretrain")


GENEVAL = [
    {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"},
    {
        "tag": "counting",
        "include": [{"class": "clock", "count": 2}],
        "exclude": [{"class": "clock", "count": 3}],
        "prompt": "a photo of two clocks",
    },
]


def test_genevals_metadata_is_read_as_it_is(tmp_path):
    file = tmp_path / "evaluation_metadata.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in GENEVAL))
    assert list(of_file(file)) == GENEVAL
    assert fingerprint(of_file(file)) != fingerprint(GENEVAL[:1])


@pytest.mark.parametrize(
    ("line", "why"),
    [("{", "no JSON"), ("[1]", "no object"), ('{"tag": "x"}', "prompt"), ('{"prompt": "a", "tag": 3}', "tag")],
)
def test_a_bad_line_of_metadata_is_named(tmp_path, line, why):
    file = tmp_path / "metadata.jsonl"
    file.write_text(json.dumps(GENEVAL[0]) + "\n" + line + "\n")
    with pytest.raises(UserError, match=f"Line 2 .*{why}"):
        of_file(file)


def test_a_metadata_file_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        of_file(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UserError, match="no prompts"):
        of_file(tmp_path / "empty.jsonl")


# -- evaluations of a script

ENTRIES = select([metadata("single_object", [{"class": kind, "count": 1}]) for kind in ("dog", "bus", "cow", "dog")])
HOPELESS = {1: 2, 2: 0}  # path -> step at which its potential is denied


def say(question, number, path, step):
    if question == "outcome":
        return {0: ("no", 0.4, 0.6), 3: ("yes", 0.7, 0.3)}.get(path, ("no", 0.2, 0.8))
    return "no" if question == "potential" and HOPELESS.get(path) == step else "yes"


def studio(right=(2, 3), strict=(3,), say=say) -> Studio:
    """Whose checker finds the final images of ``right`` paths right, and those of ``strict`` strictly so."""

    def check(prompt, image):
        path = made.seen[image.tobytes()][1]
        return Verdict(path in right, path in strict, "" if path in strict else "there is no dog")

    made = Studio(say=say, check=check)
    return made


def settings(method="parm", paths=4, **more) -> Settings:
    return Settings.checked("placeholder", method, "mini", paths=paths, steps=4, seed=9, **more)


def evaluate(runner: Runner, file, entries=ENTRIES, resume=False) -> list[Record]:
    with Journal(file, {"what": "test"}, resume) as journal:
        list(runner.run(entries, journal))
    places = [(entry.index, entry.sample) for entry in entries]
    journal.finish(places)
    return load(file)[1]


# A path that is asked for its potential at step 0 and told "yes" is asked no more, so path 1 must be unclear until 2.
def say_by_step(question, number, path, step):
    if question == "clarity":
        return "yes" if step >= HOPELESS.get(path, 0) else "no"
    return say(question, number, path, step)


def test_a_record_tells_what_every_path_came_to(tmp_path):
    records = evaluate(Runner(studio(say=say_by_step), settings()), tmp_path / "e.json")
    assert [record.prompt for record in records] == [entry.prompt for entry in ENTRIES]
    assert [record.seed for record in records] == [entry.seed(9) for entry in ENTRIES]
    (round,) = records[0].rounds
    assert [path.pruned for path in round.paths] == [None, 2, 0, None]
    assert [path.steps for path in round.paths] == [4, 3, 1, 4]
    assert [path.strict for path in round.paths] == [False, None, None, True]
    assert round.paths[1].verdicts[-1] == [2, "potential", 0.1, 0.8, "no"]
    assert round.paths[3].outcome() == (0.7, "yes")
    assert (round.winner, records[0].final) == (3, round.paths[3])
    assert Record.from_dict(json.loads(json.dumps(records[0].as_dict()))) == records[0]


def test_figures_of_a_search_with_stopped_paths(tmp_path):
    runner = Runner(studio(say=say_by_step), settings(), finish_pruned=True)
    summary = summarise(evaluate(runner, tmp_path / "e.json"), embedded=True)
    assert summary["kinds"] == {"single_object": {"prompts": 3, "images": 4, "seen_in_training": True}}
    assert summary["accuracy"]["strict"][OVERALL]["value"] == 1.0
    paths = summary["paths"]
    assert paths["strict"]["mean_path"][OVERALL]["value"] == 0.25
    assert paths["geneval"]["mean_path"][OVERALL]["value"] == 0.5
    assert paths["geneval"]["prompts_by_right_paths"] == [0, 0, 4, 0, 0]
    assert paths["geneval"]["some_but_not_all"] == 1.0
    assert summary["pruning"] == {
        "paths": 16,
        "pruned": 8,
        "mean_step": 2.0,
        "would_have_been_right": {"geneval": 0.5, "strict": 0.0},
        "all_pruned": 0.0,
        "passes_saved": 0.25,
    }
    assert summary["judge"]["outcome_auc_within"] == {"geneval": 1.0, "strict": 1.0}
    assert summary["cost"]["passes_saved"] == 4 * 2 * (1 + 3)
    text = table(summary)
    assert "seen in training" in text and "0.500 of them" not in text and "0.000 of them would have" in text


def test_stopped_paths_are_not_known_unless_they_are_finished(tmp_path):
    summary = summarise(evaluate(Runner(studio(say=say_by_step), settings()), tmp_path / "e.json"))
    assert summary["pruning"]["would_have_been_right"] == {"geneval": None, "strict": None}
    assert summary["paths"] == {"geneval": None, "strict": None}
    assert summary["accuracy"]["strict"][OVERALL]["value"] == 1.0


def test_finishing_a_stopped_path_shows_what_it_would_have_been(tmp_path):
    whole = evaluate(Runner(studio(right=(1,)), settings("orm")), tmp_path / "orm.json")
    stopped = studio(right=(1,), say=say_by_step)
    parm = evaluate(Runner(stopped, settings(), finish_pruned=True), tmp_path / "parm.json")
    for a, b in zip(whole, parm):
        assert [path.correct for path in a.rounds[0].paths] == [path.correct for path in b.rounds[0].paths]
        assert [path.finished_later for path in b.rounds[0].paths] == [False, True, True, False]


def test_the_plain_generator_counts_one_image_a_prompt(tmp_path):
    records = evaluate(Runner(studio(right=(3,)), settings("baseline")), tmp_path / "e.json")
    summary = summarise(records)
    assert summary["accuracy"]["geneval"][OVERALL]["value"] == 0.0  # path 0
    assert summary["paths"]["geneval"]["oracle"][OVERALL]["value"] == 1.0
    assert summary["pruning"] is summary["judge"] is summary["reflection"] is None


def test_a_run_without_survivors_is_counted(tmp_path):
    hopeless = studio(say=lambda question, *place: "no" if question == "potential" else "yes")
    summary = summarise(evaluate(Runner(hopeless, settings()), tmp_path / "e.json"))
    assert summary["pruning"]["all_pruned"] == 1.0


def test_without_a_checker_there_is_no_accuracy(tmp_path):
    summary = summarise(evaluate(Runner(Studio(), settings("orm")), tmp_path / "e.json"))
    assert summary["accuracy"] == {"geneval": None, "strict": None}
    assert "GenEval's evaluator" in table(summary)


# -- reflection


COST = {"generator": 30, "decoder": 2, "judge": 1}


def record(index, *rounds, answer=None) -> Record:
    """Rounds are (strict, what the judge says, P(yes), critique or None) of the winner."""
    made = [
        Round("base", [Path(4, None, [[3, "outcome", p, 1 - p, said]], strict, strict, "" if strict else "a; b")], 0,
              critique=critique)
        for strict, said, p, critique in rounds
    ]  # fmt: skip
    answer = len(rounds) - 1 if answer is None else answer
    return Record(index, 0, "counting", f"prompt {index}", index, made, answer, 1.0, 8, 4, 2, 0, COST)


REFLECTED = [
    record(0, (False, "no", 0.2, "a"), (True, "yes", 0.9, None)),
    record(1, (True, "no", 0.4, "c"), (False, "no", 0.5, "a"), (True, "yes", 0.8, None)),
    record(2, (False, "yes", 0.9, None)),
    record(3, (False, "no", 0.3, "c"), (False, "no", 0.1, None), answer=0),
    record(4, (True, "yes", 0.9, None)),
]


def test_reflection_is_counted_round_by_round():
    summary = summarise(REFLECTED)
    reflection = summary["reflection"]
    assert reflection["runs_repainted"] == 3
    assert reflection["strict"]["before"][OVERALL]["value"] == pytest.approx(2 / 5)
    assert reflection["strict"]["after"][OVERALL]["value"] == pytest.approx(3 / 5)
    assert reflection["strict"]["whole"] == {"images": 5, "right_to_wrong": 0, "wrong_to_right": 1}
    assert reflection["strict"]["rounds"] == [
        {"images": 3, "right_to_wrong": 1, "wrong_to_right": 1},
        {"images": 1, "right_to_wrong": 0, "wrong_to_right": 1},
    ]
    assert "repainted: 3 runs; strict: 1 wrong -> right, 0 right -> wrong" in table(summary)


def test_critiques_are_held_against_what_the_checker_found():
    assert summarise(REFLECTED)["critiques"] == {
        "wrong_images": 3,
        "wrong_images_criticised": 2,
        "true": 0.5,
        "commonest_fault_would_be_true": 1.0,
        "right_images": 2,
        "right_images_criticised": 0.5,
    }


@pytest.fixture
def before(tmp_path):
    """The file of a parm++ evaluation of three entries: the first accepted at once, the others repainted."""
    file = tmp_path / "before.json"
    asked = settings("parm++", paths=2, rounds=2).as_dict() | {"weights": dict(studio().weights)}
    with Journal(file, asked) as journal:
        for entry, rounds, words in zip(ENTRIES, (1, 2, 3), ("", "about a bus", "about a cow")):
            said = record(entry.index, *[(False, "no", 0.1, words or None)] * rounds)
            said.prompt, said.seed = entry.prompt, entry.seed(9)
            for one in said.rounds:
                one.paths = one.paths * 2
            journal.add(said)
    journal.finish(list(journal.records))
    return file


@pytest.mark.parametrize("critique", ["real", "empty", "shuffled"])
def test_repainting_starts_from_the_critique_an_empty_one_or_that_of_another_prompt(tmp_path, before, critique):
    never = lambda question, *place: "yes" if question != "outcome" else "no"  # noqa: E731
    backend = studio(say=never)
    runner = Runner(backend, settings("parm++", paths=2, rounds=1), critique=critique, beside=before)
    done = evaluate(runner, tmp_path / "e.json", ENTRIES[:3])
    used = [context.critique for _, _, context in backend.started if context is not None]
    if critique == "real":
        assert len(used) == 2 and all(words.startswith("three apples, not two") for words in used)
    else:
        assert used == (["", ""] if critique == "empty" else ["about a cow", "about a bus"])
    assert [len(one.rounds) for one in done] == [1, 2, 2]  # what was accepted before is taken over


def test_parm_gets_as_many_paths_as_repainting_painted_in_all(tmp_path, before):
    backend = studio()
    runner = Runner(backend, settings("parm", paths=2), beside=before)
    done = evaluate(runner, tmp_path / "e.json", ENTRIES[:3])
    assert [len(one.rounds[0].paths) for one in done] == [2, 4, 6]
    assert len(backend.started) == 2
    assert summarise(done)["paths"] == {"geneval": None, "strict": None}
    with pytest.raises(UserError, match="does not hold prompt"):
        runner.check(ENTRIES)


def test_an_evaluation_that_asked_for_something_else_is_no_comparison(before):
    with pytest.raises(UserError, match="its paths differ"):
        Runner(studio(), settings("parm", paths=8), beside=before).check(ENTRIES[:1])
    with pytest.raises(UserError, match="--beside"):
        Runner(studio(), settings("parm++", paths=2), critique="shuffled")
    with pytest.raises(UserError, match="no critique"):
        Runner(studio(), settings("parm++", paths=2), critique="odd")
    with pytest.raises(UserError, match="Only parm"):
        Runner(studio(), settings("orm", paths=2), beside=before)


# -- comparing


def test_a_comparison_is_paired_by_prompt_and_seed(tmp_path):
    a = evaluate(Runner(studio(right=(3,)), settings("baseline")), tmp_path / "a.json")
    b = evaluate(Runner(studio(right=(3,)), settings()), tmp_path / "b.json", ENTRIES[:3])
    result = compare(a, b)
    assert (result["pairs"], result["only_a"], result["only_b"]) == (3, 1, 0)
    assert result["geneval"]["difference"][OVERALL] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert (result["geneval"]["wrong_to_right"], result["geneval"]["right_to_wrong"]) == (3, 0)
    assert "+1.000 [+1.000, +1.000]" in comparison_table(result)
    assert "1 images have no partner" in comparison_table(result)


def test_evaluations_of_several_seeds_are_compared_together():
    a, b = ([record(index, (right, "yes", 0.5, None)) for index in range(4)] for right in (False, True))
    again = [replace(one, seed=one.seed + 100) for one in a], [replace(one, seed=one.seed + 100) for one in b]
    result = compare(a + again[0], b[:3] + again[1])
    assert (result["pairs"], result["only_a"], result["only_b"]) == (7, 1, 0)


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(1)
    truth = rng.random(200) < 0.5
    a = [record(index, (bool(right), "yes", 0.5, None)) for index, right in enumerate(truth)]
    b = [record(index, (bool(right) or index % 20 == 0, "yes", 0.5, None)) for index, right in enumerate(truth)]
    paired = compare(a, b)["strict"]["difference"][OVERALL]
    single = summarise(a)["accuracy"]["strict"][OVERALL]
    assert 0 < paired["high"] - paired["low"] < 0.5 * (single["high"] - single["low"])


def test_evaluations_of_other_prompts_or_seeds_are_not_compared():
    other = [record(index, (True, "yes", 0.5, None)) for index in range(3)]
    for one in other:
        one.seed += 1
    with pytest.raises(UserError, match="cannot be paired"):
        compare(REFLECTED, other)


# -- stopping and going on


def test_a_stopped_evaluation_goes_on_where_it_was(tmp_path):
    whole = evaluate(Runner(studio(), settings()), tmp_path / "whole.json")
    backend = studio()
    with Journal(tmp_path / "e.json", {"what": "test"}) as journal:
        going = Runner(backend, settings()).run(ENTRIES, journal)
        next(going), next(going)
        going.close()
    assert not (tmp_path / "e.json").exists()
    with (tmp_path / "e.json.partial").open("a") as file:
        file.write('{"index": 3, "sam')  # killed in the midst of a line
    resumed = evaluate(Runner(backend, settings()), tmp_path / "e.json", resume=True)
    assert len(backend.started) == len(ENTRIES)
    for a, b in zip(whole, resumed):
        a.seconds = b.seconds = 0.0
        assert a == b
    assert [file.name for file in tmp_path.glob("e.json*")] == ["e.json"]


def test_a_finished_evaluation_can_be_extended_by_more_prompts(tmp_path):
    backend = studio()
    evaluate(Runner(backend, settings()), tmp_path / "e.json", ENTRIES[:1])
    records = evaluate(Runner(backend, settings()), tmp_path / "e.json", resume=True)
    assert len(backend.started) == len(records) == len(ENTRIES)


def test_an_evaluation_is_never_overwritten_or_mixed_with_another(tmp_path):
    evaluate(Runner(studio(), settings()), tmp_path / "e.json", ENTRIES[:1])
    with pytest.raises(UserError, match="--resume"):
        Journal(tmp_path / "e.json", {"what": "test"})
    with pytest.raises(UserError, match=r"another evaluation \(what\)"):
        Journal(tmp_path / "e.json", {"what": "else"}, resume=True)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "cotdemo-evaluation", "version": 2}'])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path, content):
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(UserError, match="no evaluation"):
        load(tmp_path / "e.json")


def test_prompts_are_checked_before_anything_is_painted():
    backend = studio()
    bad = Entry(7, 0, {"tag": "x", "prompt": "a photo of a unicorn", "include": []})
    with pytest.raises(UserError, match="Prompt 7.*unicorn"):
        Runner(backend, settings()).check([*ENTRIES, bad])
    assert backend.started == []


# -- GenEval's layout


def test_winners_are_written_in_genevals_layout(tmp_path):
    out = tmp_path / "images"
    entries = select(GENEVAL, images=2)
    evaluate(Runner(Studio(), settings("orm"), out=out), tmp_path / "e.json", entries)
    names = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    assert names == [
        f"0000{prompt}/{name}"
        for prompt in (0, 1)
        for name in ("metadata.jsonl", "samples/0000.png", "samples/0001.png")
    ]
    assert json.loads((out / "00001" / "metadata.jsonl").read_text()) == GENEVAL[1]
    painted = read_png_settings(out / "00001" / "samples" / "0001.png")
    assert (painted.prompt, painted.seed) == (entries[3].prompt, entries[3].seed(9))


def test_an_image_that_was_deleted_is_painted_again(tmp_path):
    out, backend = tmp_path / "images", Studio()
    runner = Runner(backend, settings("orm"), out=out)
    evaluate(runner, tmp_path / "e.json", ENTRIES[:2])
    before = image_file(out, ENTRIES[0]).read_bytes()
    image_file(out, ENTRIES[0]).unlink()
    evaluate(runner, tmp_path / "e.json", ENTRIES[:2], resume=True)
    assert image_file(out, ENTRIES[0]).read_bytes() == before
    assert len(backend.started) == 3


def test_a_folder_with_images_of_other_prompts_is_refused(tmp_path):
    evaluate(Runner(Studio(), settings("orm"), out=tmp_path), tmp_path / "a.json", ENTRIES[:1])
    with pytest.raises(UserError, match="another prompt"):
        evaluate(Runner(Studio(), settings("orm"), out=tmp_path), tmp_path / "b.json", select(GENEVAL[:1]))
