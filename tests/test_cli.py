"""The command line: what it writes and prints, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_mini
from PIL import Image
from scripted import Studio, Verdict

import cotdemo.backends
from cotdemo import cli
from cotdemo.evaluation import judging
from cotdemo.geneval.folder import Entry, write_image
from cotdemo.run.events import Critiqued, StepDecoded, Winner
from cotdemo.run.narration import narrate
from cotdemo.run.png import read_png_settings
from cotdemo.run.trace import Trace
from cotdemo.search import search
from cotdemo.settings import Settings
from cotdemo.world.prompts import parse
from cotdemo.world.scenes import draw
from cotdemo.world.splits import random_scene

ROOT = Path(__file__).parents[1]
PROMPT = "a photo of two red apples"


def use(monkeypatch, backend) -> None:
    monkeypatch.setattr(cotdemo.backends, "load_backend", lambda name, device=None, root=None, **_: backend)


def python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_mini.backend(tmp_path_factory.mktemp("mini"))


# -- the package


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'diffusers', 'gradio', 'numpy', 'PIL'}"
    done = python("-c", f"import sys, cotdemo; print({heavy} & set(sys.modules), dir(cotdemo))")
    assert done.stdout.startswith("set()"), done.stdout + done.stderr
    assert "load_backend" in done.stdout


def test_the_package_offers_its_three_names():
    from cotdemo.generator.pipeline import ShowoPipeline

    assert cotdemo.ShowoPipeline is ShowoPipeline
    assert callable(cotdemo.load_backend)
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = cotdemo.paint


def test_the_package_can_be_asked_to_search_by_its_own_name():
    """``cotdemo.search`` is a package too, and importing it must not take the function away."""
    import cotdemo.search.parm  # noqa: F401

    events = list(cotdemo.search("orm", Studio(), PROMPT, paths=2, steps=3, seed=1))
    assert events == list(search("orm", Studio(), PROMPT, paths=2, steps=3, seed=1))


# -- generate


def test_generate_writes_image_and_trace_and_tells_every_path(tiny, monkeypatch, tmp_path, capsys):
    use(monkeypatch, tiny)
    out = tmp_path / "new" / "folder"
    arguments = ["generate", PROMPT, "--paths", "3", "--steps", "4", "--seed", "5", "--out", str(out)]
    assert cli.main(arguments) == 0
    assert sorted(file.name for file in out.iterdir()) == ["trace.json", "winner.png"]

    trace = Trace.load(out / "trace.json")
    assert (trace.started.settings.prompt, trace.started.settings.method, trace.started.settings.seed) == (
        PROMPT,
        "parm",
        5,
    )
    np.testing.assert_array_equal(np.asarray(Image.open(out / "winner.png")), trace.winner.picture)
    settings = read_png_settings(out / "winner.png")
    assert (settings.prompt, settings.paths, settings.steps, settings.seed) == (PROMPT, 3, 4, 5)

    printed = capsys.readouterr()
    assert [line.split()[1] for line in printed.out.splitlines() if line.startswith("  path")] == ["0", "1", "2"]
    assert printed.out.count("<- chosen") == 1
    assert "the truth (checker):" in printed.out
    assert printed.err == ""

    before = Trace.load(out / "trace.json").events
    assert cli.main(arguments) == 0  # its own files are written over
    assert Trace.load(out / "trace.json").events == before


def test_generate_writes_a_table_where_one_is_asked_for(monkeypatch, tmp_path):
    use(monkeypatch, Studio())
    assert cli.main(["generate", PROMPT, "--paths", "2", "--steps", "3", "--csv", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "trace.csv").read_bytes().decode()
    assert table == Trace.load(tmp_path / "trace.json").to_csv() and table.count("\r\n") == 1 + 2 * 3


def test_generate_without_a_seed_draws_one_and_keeps_it(monkeypatch, tmp_path):
    use(monkeypatch, Studio())
    for name in ("a", "b"):
        assert cli.main(["generate", PROMPT, "--method", "orm", "--steps", "2", "--out", str(tmp_path / name)]) == 0
    first, second = (read_png_settings(tmp_path / name / "winner.png") for name in ("a", "b"))
    assert first.seed != second.seed
    assert Trace.load(tmp_path / "a" / "trace.json").started.settings.seed == first.seed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "best"], "'best' is no method"),
        (["--model", "huge"], "'huge' is no model"),
        (["--backend", "../mini"], "no backend"),
        (["--paths", "33"], "paths must be a whole number from 1 to 32"),
        (["--steps", "0"], "steps must be"),
        (["--guidance", "nan"], "guidance must be a number"),
        (["--temperature", "-1"], "temperature must be"),
        (["--seed", str(2**32)], "seed must be"),
        (["--rounds", "4"], "rounds must be"),
        (["--verdicts", "guessed"], "'guessed' is no verdict"),
        (["--method", "parm++", "--original"], "no original behaviour"),
        (["--model", "self-correct", "--backend", "show-o"], "no self-correcting Show-o"),
        (["--threads", "0"], "threads must be"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words_before_anything_is_loaded(
    monkeypatch, tmp_path, capsys, arguments, words
):
    monkeypatch.setattr(cotdemo.backends, "load_backend", None)
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path / "out"), *arguments]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "empty"), ("a\nb", "one line"), ("x" * 301, "300"), ("unicorn", "unicorn")]
)
def test_a_prompt_that_cannot_be_painted_is_refused(monkeypatch, tmp_path, capsys, prompt, words):
    use(monkeypatch, Studio())
    assert cli.main(["generate", prompt, "--out", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_a_refusal_is_all_that_a_shell_sees(tmp_path):
    done = python("-m", "cotdemo", "generate", PROMPT, "--paths", "0", "--out", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "paths must be a whole number from 1 to 32.\n"


def test_missing_weights_are_named_with_the_command_that_remakes_them(tmp_path, capsys):
    asked = ["generate", PROMPT, "--assets", str(tmp_path / "mini"), "--out", str(tmp_path / "out")]
    assert cli.main(asked) == 2
    assert "python -m cotdemo train generator" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path, capsys):
    use(monkeypatch, Studio())
    (tmp_path / "file").write_text("")
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path / "file")]) == 2
    assert "is a file: name a folder" in capsys.readouterr().err
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path / "file" / "below")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder that root cannot write into")
@pytest.mark.parametrize(
    "asked",
    [
        ["generate", PROMPT, "--out", "/proc/nothing/here"],
        ["eval", "--json", "/proc/figures.json", "--limit", "1"],
        ["eval", "--json", "figures.json", "--out", "/proc/images", "--limit", "1"],
        ["bench", "--json", "/proc/bench.json"],
    ],
)
def test_a_place_that_cannot_be_written_is_noticed_before_anything_is_computed(monkeypatch, capsys, asked):
    monkeypatch.setattr(cli, "_load", lambda options: pytest.fail("the model was loaded"))
    assert cli.main(asked) == 2
    assert "/proc" in (told := capsys.readouterr().err) and "cannot be written" in told


@pytest.mark.parametrize("name", ["winner.png", "trace.json", "trace.csv"])
def test_a_disk_that_is_full_leaves_nothing_half_written(monkeypatch, tmp_path, capsys, name):
    fsync, files = os.fsync, []

    def full(descriptor):
        if name in (file := os.readlink(f"/proc/self/fd/{descriptor}")):
            raise OSError(errno.ENOSPC, "No space left on device")
        files.append(file)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    use(monkeypatch, Studio())
    assert cli.main(["generate", PROMPT, "--steps", "2", "--csv", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert name in told and "Make room" in told and "Traceback" not in told
    written = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert name not in written and len(written) == len(files) and all(written.values())


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (MemoryError(), 1, "not enough memory"),
        (FloatingPointError("The numbers are not finite."), 1, "not finite"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), 1, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), 1, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "Make room"),
    ],
)
def test_a_run_that_breaks_off_ends_in_words_and_leaves_no_file(monkeypatch, tmp_path, capsys, raised, status, words):
    def encode(self, images):
        raise raised

    monkeypatch.setattr(Studio, "encode", encode)
    use(monkeypatch, Studio())
    assert cli.main(["generate", PROMPT, "--steps", "2", "--out", str(tmp_path / "out")]) == status
    printed = capsys.readouterr().err
    assert words in printed and "Traceback" not in printed
    assert not (tmp_path / "out").exists()


def test_a_fault_of_the_program_is_not_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(Studio, "encode", lambda self, images: 1 // 0)
    use(monkeypatch, Studio())
    with pytest.raises(ZeroDivisionError):
        cli.main(["generate", PROMPT, "--steps", "2", "--out", str(tmp_path)])


# -- the story


def told(events) -> list[str]:
    lines: list[str] = []
    list(narrate(events, lines.append, lambda message: None))
    return lines


def test_the_story_of_parm_plus_has_both_rounds_and_the_critique():
    def say(question, number, path, step):
        if question == "potential" and (number, path) == (0, 1):
            return "no", 0.1, 0.87
        return "no" if question == "outcome" and number == 0 else "yes"

    studio = Studio(say=say, check=lambda prompt, image: Verdict(True, False, "there is a bus too many"))
    lines = told(search("parm++", studio, PROMPT, paths=2, steps=3, seed=1, rounds=1))
    assert lines[0].startswith(f"“{PROMPT}”: parm++ on mini, model base, 2 attempts, 3 steps")
    assert lines[1:] == [
        "  path 0  painted to the end; the judge: no, P(yes) 0.10; "
        "the truth (checker): right, but there is a bus too many  <- chosen",
        "  path 1  stopped after step 1 of 3 with P(no) 0.87",
        "the judge says what is wrong: three apples, not two in round 0",
        "round 1: self-correct repaints it",
        "  path 0  painted to the end; the judge: yes, P(yes) 0.90; "
        "the truth (checker): right, but there is a bus too many  <- chosen",
        "  path 1  painted to the end; the judge: yes, P(yes) 0.90; "
        "the truth (checker): right, but there is a bus too many",
        "The answer is path 0 of round 1; the judge: yes, P(yes) 0.90; "
        "the truth (checker): right, but there is a bus too many.",
        lines[-1],
    ]
    assert "generator passes (4 saved by stopping early)" in lines[-1]


def test_the_story_tells_when_no_path_survived_and_when_nothing_judged():
    hopeless = Studio(say=lambda question, *place: "no" if question == "potential" else "yes")
    lines = told(search("parm", hopeless, PROMPT, paths=2, steps=3, seed=1))
    assert "with P(no) 0.80, finished all the same, as none survived; the judge: yes" in lines[1]
    plain = told(search("baseline", Studio(), PROMPT, paths=2, steps=3, seed=1))
    assert plain[1:3] == ["  path 0  painted to the end  <- chosen", "  path 1  painted to the end"]


def test_telling_changes_no_event():
    events = list(search("parm++", Studio(), PROMPT, paths=2, steps=3, seed=1))
    passed = list(narrate(events, lambda line: None, lambda message: None))
    assert all(a is b for a, b in zip(events, passed)) and len(events) == len(passed)
    assert {Winner, StepDecoded} <= {type(event) for event in passed} and Critiqued not in map(type, passed)


# -- eval


def checked() -> Studio:
    studio = Studio(check=lambda prompt, image: Verdict(*[studio.seen[image.tobytes()][1] == 1] * 2, "wrong"))
    return studio


EVAL = ["eval", "--paths", "2", "--steps", "2", "--limit", "2", "--json"]


def figures(file: Path) -> dict:
    content = json.loads(file.read_text())
    content.pop("created")
    for record in content["records"]:
        record.pop("seconds")
    content["summary"]["cost"].pop("seconds")
    return content


def test_eval_prints_and_keeps_accuracy_by_kind(monkeypatch, tmp_path, capsys):
    use(monkeypatch, checked())
    assert cli.main([*EVAL, str(tmp_path / "a.json"), "--method", "baseline", "--split", "dev"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("baseline on mini, model base: 2 paths, 2 steps")
    assert "single_object" in printed and "seen in training" in printed
    assert "overall (mean of kinds)" in printed and "oracle best of 2 1.000" in printed
    assert "threads on" in printed and "weights generator 0123abcd" in printed

    content = figures(tmp_path / "a.json")
    assert content["summary"]["accuracy"]["strict"]["overall"]["value"] == 0.0
    assert len(content["records"]) == 12
    assert content["asked"]["weights"] == {"generator": "0123abcd"}
    assert content["hardware"]["torch"]


def test_eval_gives_the_same_figures_each_time_and_when_it_was_stopped(monkeypatch, tmp_path, capsys):
    use(monkeypatch, checked())
    assert cli.main([*EVAL, str(tmp_path / "a.json")]) == 0
    assert cli.main([*EVAL, str(tmp_path / "b.json")]) == 0
    assert figures(tmp_path / "a.json") == figures(tmp_path / "b.json")

    stopped = checked()
    use(monkeypatch, stopped)
    encode = stopped.encode

    def interrupted(images):
        if len(stopped.started) == 4:
            raise KeyboardInterrupt
        return encode(images)

    stopped.encode = interrupted
    assert cli.main([*EVAL, str(tmp_path / "c.json")]) == 130
    assert "3 images are kept. The same command with --resume goes on." in capsys.readouterr().err
    stopped.encode = encode
    assert cli.main([*EVAL, str(tmp_path / "c.json"), "--resume"]) == 0
    assert figures(tmp_path / "c.json") == figures(tmp_path / "a.json")


def test_eval_writes_images_for_the_official_evaluator(monkeypatch, tmp_path, capsys):
    metadata = {
        "tag": "colors",
        "include": [{"class": "dog", "count": 1, "color": "red"}],
        "prompt": "a photo of a red dog",
    }
    file, out = tmp_path / "evaluation_metadata.jsonl", tmp_path / "images"
    file.write_text(json.dumps(metadata) + "\n")
    use(monkeypatch, Studio())
    arguments = [*EVAL, str(tmp_path / "a.json"), "--method", "orm", "--metadata", str(file)]
    assert cli.main(arguments) == 2
    assert "--out DIR" in capsys.readouterr().err
    assert cli.main([*arguments, "--out", str(out)]) == 0
    assert sorted(file.name for file in (out / "00000" / "samples").iterdir()) == [f"000{n}.png" for n in range(4)]
    assert "not checked" in capsys.readouterr().out


def test_eval_compares_two_evaluations(monkeypatch, tmp_path, capsys):
    use(monkeypatch, checked())
    for method in ("baseline", "orm"):
        assert cli.main([*EVAL, str(tmp_path / f"{method}.json"), "--method", method]) == 0
    files = [str(tmp_path / f"{method}.json") for method in ("baseline", "orm")]
    assert cli.main(["eval", "--compare", *files, "--json", str(tmp_path / "difference.json")]) == 0
    assert "B - A" in capsys.readouterr().out
    assert json.loads((tmp_path / "difference.json").read_text())["pairs"] == 12
    assert cli.main(["eval", "--compare", files[0], str(tmp_path / "none.json")]) == 2
    assert cli.main(["eval", "--compare", files[0]]) == 2
    other = [str(tmp_path / f"{method}-1.json") for method in ("baseline", "orm")]
    for method, file in zip(("baseline", "orm"), other):
        assert cli.main([*EVAL, file, "--method", method, "--seed", "1"]) == 0
    assert cli.main(["eval", "--compare", *files, *other]) == 0
    assert "24 pairs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "0"], "limit must be"),
        (["--images", "0"], "images must be"),
        (["--split", "pretrain"], "dev, test"),
        (["--metadata", "/nowhere/x.jsonl"], "No such file"),
        (["--method", "best"], "no method"),
    ],
)
def test_eval_refuses_in_words(monkeypatch, tmp_path, capsys, arguments, words):
    use(monkeypatch, checked())
    assert cli.main(["eval", "--json", str(tmp_path / "a.json"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_eval_needs_a_file_for_its_figures(capsys):
    assert cli.main(["eval"]) == 2
    assert "--json FILE" in capsys.readouterr().err


# -- commands that live elsewhere


def test_train_names_what_is_missing(tmp_path, capsys):
    assert cli.main(["train", "generator", "--assets", str(tmp_path), "--work", str(tmp_path)]) == 2
    assert "train tokenizer" in capsys.readouterr().err


def test_judge_measures_the_judge_against_the_checker(tiny, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where its pool is kept
    monkeypatch.setattr("cotdemo.evaluation.pool.load_backend", lambda name, root: tiny)
    file = tmp_path / "judge.json"
    arguments = ["judge", "--split", "dev", "--limit", "1", "--paths", "2", "--steps", "4", "--json", str(file)]
    assert cli.main(arguments) == 0
    figures = json.loads(file.read_text())
    assert figures["outcome_within_prompt"]["images"] == 12
    assert figures["clarity"]["images"] == 12 * 3
    assert figures["weights"] == dict(tiny.weights)


def test_judge_measures_each_verifier_on_each_generator_by_the_questions_it_has_learnt(tiny, monkeypatch, tmp_path):
    root = shutil.copytree(tiny.root, tmp_path / "mini")
    for folder in ("judge-orm", "judge-prm"):
        shutil.copytree(root / "judge", root / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "cotdemo.evaluation.pool.load_backend", lambda *_, **__: cotdemo.backends.MiniBackend(root=root)
    )
    file, found = tmp_path / "judge.json", {}
    arguments = ["judge", "--split", "dev", "--limit", "1", "--paths", "2", "--steps", "4", "--json", str(file)]
    for verifier in ("parm", "orm", "prm"):
        assert cli.main([*arguments, "--model", "self-correct", "--verifier", verifier]) == 0
        found[verifier] = json.loads(file.read_text())
        assert (found[verifier]["model"], found[verifier]["verifier"]) == ("self-correct", verifier)
    assert len({figures["final_right"] for figures in found.values()}) == 1  # the same paintings
    assert not {"clarity", "potential_by_step", "mean_of_steps_within_prompt"} & found["orm"].keys()
    assert found["prm"]["mean_of_steps_within_prompt"]["images"] == 12 and "clarity" not in found["prm"]
    assert found["prm"]["potential_by_step"].keys() == found["parm"]["potential_by_step"].keys()
    assert cli.main([*arguments, "--verifier", "zero-shot"]) == 2  # its weights are not there


def test_look_lays_images_out_without_a_verdict_and_compares_the_labels(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for index, prompt in enumerate(("a photo of a red dog", "a photo of a bus", "a photo of two cats")):
        entry = Entry(index, 0, parse(prompt))
        scene = random_scene(entry.metadata if index else parse("a photo of a blue dog"), rng)
        write_image(tmp_path / "plain", entry, draw(scene), Settings.checked(prompt, seed=1))
    sheets, labels, file = tmp_path / "sheets", tmp_path / "labels.json", tmp_path / "figures.json"
    command = ["look", str(tmp_path / "plain"), "--count", "3"]
    assert cli.main([*command, "--sheets", str(sheets)]) == 0
    assert Image.open(sheets / "01.png").width > 900

    right = [not one.metadata["prompt"].endswith("red dog") for one in judging.draw([tmp_path / "plain"], 3)]
    labels.write_text(json.dumps([int(one) for one in right]))
    assert cli.main([*command, "--labels", str(labels), "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["agreement"] == {"A": 1.0, "B": 1.0} and figures["b_differs_on"] == []
    assert figures["right_to_the_person"] == pytest.approx(2 / 3)

    labels.write_text("[1]")
    capsys.readouterr()
    assert cli.main([*command, "--labels", str(labels)]) == 2
    assert "3 labels" in capsys.readouterr().err
    assert cli.main(["look", str(tmp_path / "plain"), "--count", "9", "--sheets", str(sheets)]) == 2


def test_record_writes_the_first_run_that_tells_each_story(monkeypatch, tmp_path, capsys):
    from cotdemo.run.story import ALL_STOPPED, PLAIN
    from cotdemo.ui import recording

    wanted = (
        recording.Recording("plain", PROMPT, "baseline", PLAIN, right=False, seed=3, paths=1),
        recording.Recording("stopped", PROMPT, "parm", ALL_STOPPED, right=False, paths=2),
    )
    monkeypatch.setattr(recording, "RECORDINGS", wanted)
    monkeypatch.setattr(recording, "COMPARED", {"1-plain": ("baseline", "base", 1), "2-orm": ("orm", "base", 2)})
    monkeypatch.setattr(recording, "COMPARED_RIGHT", {"2-orm": False})
    monkeypatch.setattr(recording, "load_backend", lambda name: Studio(say=lambda question, *place: answers[question]))
    answers = {"clarity": "yes", "potential": "no", "outcome": "no"}
    assert cli.main(["record", "--out", str(tmp_path)]) == 0
    seeds = {file.stem: Trace.load(file).started.settings.seed for file in tmp_path.glob("*/*.json")}
    assert seeds == {"plain": 3, "stopped": 0, "1-plain": 0, "2-orm": 0}
    counted = json.loads((tmp_path / "comparison.json").read_text())["operations"]
    assert list(counted) == ["1-plain", "2-orm"]

    answers["potential"] = "yes"
    monkeypatch.setattr(recording, "SEEDS", 2)
    assert cli.main(["record", "--out", str(tmp_path)]) == 2
    assert "none of 2 seeds tells “no attempt passed”" in capsys.readouterr().err
    monkeypatch.setattr(recording, "COMPARED_RIGHT", {"2-orm": True})
    assert cli.main(["record", "--comparison", "--out", str(tmp_path)]) == 2
    assert "None of 2 seeds paints" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["generate", "eval", "bench", "judge", "look", "train", "record"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert f"python -m cotdemo {command}" in capsys.readouterr().out
