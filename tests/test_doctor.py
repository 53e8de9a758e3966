"""What ``doctor`` says of an installation, and that it says something of every one, however broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cotdemo import cli, doctor
from cotdemo.backends import MINI, RELEASED, cached
from cotdemo.backends.cached import Shelf
from cotdemo.backends.hub import Place
from cotdemo.backends.scorer import official_file
from cotdemo.doctor import NOTE, OK, PROBLEM, Finding
from cotdemo.errors import UserError
from cotdemo.registry import MODELS

PARM, WORDS = Place("ZiyuG/Image-Generation-CoT", "parm"), Place("microsoft/phi-1_5")


def found(probe, *arguments) -> dict[str, Finding]:
    return {finding.what: finding for finding in probe(*arguments)}


def with_card(monkeypatch, kind: str = "cuda", free: float | None = 24e9) -> None:
    """One accelerator, as torch would show it; what is computed on it is computed on the processor."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    monkeypatch.setattr(getattr(torch, kind), "get_device_name", lambda device: "Tesla T4", raising=False)
    monkeypatch.setattr("cotdemo.compute.memory.free_bytes", lambda device: free)
    monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: free)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    arange = torch.arange
    monkeypatch.setattr(torch, "arange", lambda *of, device=None: arange(*of))


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: "")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Puts files into an empty cache of the Hub, as downloads leave them there."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(cached, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch"))

    def put(repository: str, *files: str, size: int = 3) -> Path:
        folder = cache / f"models--{repository.replace('/', '--')}"
        for file in files:
            blob, link = folder / "blobs" / file.replace("/", "_"), folder / "snapshots" / "0123" / file
            for place in (blob, link):
                place.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(b"x" * size)
            link.symlink_to(blob)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text("0123")
        return folder

    return put


@pytest.fixture
def mini(tmp_path):
    """The embedded weights, to be damaged."""
    return Path(shutil.copytree(MINI, tmp_path / "mini", copy_function=os.link))


# -- torch and the cards


def test_a_build_for_processors_on_a_machine_with_a_gpu_is_the_first_line(no_card, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "118")  # its line is not broken
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: "Tesla T4")
    for kind in ("cuda", "hip", "xpu"):
        monkeypatch.setattr(torch.version, kind, None, raising=False)
    assert cli.main(["doctor", "--no-run"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("problem") and "built for processors only" in first and "Tesla T4" in first


def test_a_gpu_that_a_build_for_it_cannot_use_is_a_matter_of_the_driver(no_card, monkeypatch):
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: "Tesla T4")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    torchs = found(doctor._torch)["torch"]
    assert torchs.state == PROBLEM and "CUDA 12.8, cannot use Tesla T4" in torchs.said and "driver" in torchs.remedy


@pytest.mark.parametrize(("cuda", "words"), [(None, "no GPU is seen"), ("12.8", "built for CUDA 12.8; no GPU is seen")])
def test_no_gpu_is_no_problem(no_card, monkeypatch, cuda, words):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    assert found(doctor._torch)["torch"].state == OK and words in found(doctor._torch)["torch"].said
    assert found(doctor._cards) == {}


def test_cards_are_seen_by_nvidias_tool_or_else_as_devices(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: Tesla T4 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA L4 (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert doctor.nvidia_cards() == "Tesla T4, NVIDIA L4"
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    monkeypatch.setattr(doctor, "_DEVICES", "null")
    assert doctor.nvidia_cards() == "an NVIDIA GPU (/dev/null)"
    monkeypatch.setattr(doctor, "_DEVICES", "there-is-none*")
    assert doctor.nvidia_cards() == ""


def test_a_card_is_named_with_its_free_memory_and_has_computed(monkeypatch):
    with_card(monkeypatch, free=15.1e9)
    assert found(doctor._cards)["cuda:0"] == Finding(OK, "cuda:0", "Tesla T4, 15.1 GB free")


def test_a_card_that_cannot_compute_is_a_line(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    with_card(monkeypatch)
    monkeypatch.setattr(torch, "arange", fail)
    card = found(doctor._cards)["cuda:0"]
    assert card.state == PROBLEM and "no kernel image" in card.said


@pytest.mark.parametrize(
    ("kind", "free", "state", "words"),
    [
        ("cuda", 15.1e9, OK, "int8, bfloat16 on cuda (bf16 would take 21.1 GB, and 15.1 GB are free), 14.6 GB"),
        ("cuda", 3e9, PROBLEM, "group by group on cuda (nothing smaller can be had), 6.6 GB of memory, and 3.0 GB"),
        ("cuda", 79e9, OK, "bfloat16 on cuda (it fits), 21.1 GB of memory, and 79.0 GB are free"),
        ("mps", None, OK, "bfloat16 on mps (how much memory is free is not known), 21.1 GB of memory"),
    ],
)
def test_the_precision_is_that_which_the_backend_picks(monkeypatch, kind, free, state, words):
    with_card(monkeypatch, kind, free)
    monkeypatch.setattr("cotdemo.compute.precision.installed", lambda: True)
    fits = found(doctor._fits, "show-o", None)["show-o"]
    assert fits.state == state and words in fits.said


def test_a_small_card_is_told_what_would_make_the_models_fit(monkeypatch):
    with_card(monkeypatch, free=15.1e9)
    monkeypatch.setattr("cotdemo.compute.precision.installed", lambda: False)
    fits = found(doctor._fits, "show-o", None)["show-o"]
    assert fits.state == PROBLEM and "int8 wants bitsandbytes" in fits.said and "requirements-gpu.txt" in fits.said


def test_without_a_card_a_released_backend_is_told_to_be_made_for_one(no_card):
    fits = found(doctor._fits, "show-o-512", None)["show-o-512"]
    assert fits.state == NOTE and fits.said.startswith("float32 on cpu (a processor computes it fastest), 42.3 GB of")
    assert fits.said.endswith("it is made for a GPU")


# -- packages


def test_what_is_asked_for_and_not_here_is_named(monkeypatch, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("numpy>=1\nnumpy-that-there-is-not>=1\npillow>=999\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", file)
    packages = found(doctor._packages)
    assert packages["numpy-that-there-is-not"].said == "is not installed"
    assert packages["pillow"].said.endswith(">=999 is asked for") and packages["pillow"].remedy == doctor.INSTALL
    assert len(packages) == 2


def test_packages_as_they_are_here_are_as_asked_for():
    assert found(doctor._packages)["packages"].state == OK


def test_what_only_some_want_is_a_note(monkeypatch):
    monkeypatch.setattr(doctor, "OPTIONAL", (("json", "all", ""), ("that_there_is_not", "wishes", "pip install it")))
    optional = found(doctor._optional)
    assert optional["json"] == Finding(OK, "json", "for all")
    assert optional["that_there_is_not"] == Finding(NOTE, "that_there_is_not", "not here; for wishes", "pip install it")


# -- downloads


def test_an_empty_cache_holds_nothing_and_that_is_no_problem(hub):
    assert {finding.state for finding in doctor._cache(None)} == {NOTE}
    parts = list(doctor._parts(None))
    assert {part.state for part in parts} == {NOTE}
    places = {place for source in RELEASED.values() for place in (*source.generators.values(), *source.judges.values())}
    lookers = {"GenEval's detector": "0.3 GB", "GenEval's colours": "1.7 GB", "safety checker": "1.2 GB"}
    others = {*lookers, *(row.label for row in MODELS.values() if row.load)}
    assert others <= {part.what for part in parts} and len(others) == 5
    assert len(parts) == len(places) + 2 + len(others)
    assert all("when it is first used" in part.said for part in parts)
    sizes = {part.what: part.said for part in parts if part.what in lookers}
    assert all(f"its {size} come when it is first used" in sizes[what] for what, size in lookers.items())


def test_the_safety_checker_is_looked_for_and_what_of_its_download_is_there(hub):
    folder = hub("CompVis/stable-diffusion-safety-checker", "config.json")
    (folder / "blobs" / "abc.incomplete").write_bytes(b"x" * 1000)
    parts = found(doctor._parts, None)
    assert parts["safety checker"].state == PROBLEM and parts["safety checker"].said.endswith("lacks weights")
    assert "safety-checker that did not end" in parts["Hub's cache"].said
    hub("CompVis/stable-diffusion-safety-checker", "model.safetensors")
    assert found(doctor._parts, None)["safety checker"].state == OK


def test_of_a_pipeline_every_part_that_its_index_names_is_looked_for(hub):
    row = next(row for row in MODELS.values() if row.load)
    folder = hub(row.part, "scheduler/config.json", "vae/config.json")
    assert found(doctor._parts, None)[row.label].said == f"{row.part} lacks model_index.json"
    index = next(folder.glob("snapshots/*")) / "model_index.json"
    index.write_text(
        '{"_class_name": "P", "vae": ["d", "V"], "scheduler": ["d", "S"], "unet": ["d", "U"], "x": [null, null]}'
    )
    assert found(doctor._parts, None)[row.label].said == f"{row.part} lacks unet"
    (index.parent / "unet").mkdir()
    (index.parent / "unet" / "w.safetensors").write_bytes(b"x")
    assert found(doctor._parts, None)[row.label].state == OK


def test_the_scorers_detector_is_looked_for_where_torch_keeps_it(hub):
    assert found(doctor._parts, None)["GenEval's detector"].state == NOTE
    file = official_file()
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 1000)
    assert found(doctor._parts, None)["GenEval's detector"].state == OK


def test_what_is_downloaded_is_told_with_its_size_and_what_of_it_misses(hub):
    hub("showlab/show-o", "config.json", "pytorch_model.safetensors", size=40_000_000)
    hub("showlab/magvitv2", "pytorch_model.safetensors")
    shards = [f"parm/model-0000{number}-of-00004.safetensors" for number in (1, 2, 4)]
    hub(PARM.repository, "parm/config.json", "parm/tokenizer.json", *shards, "dpo/config.json")
    hub("microsoft/phi-1_5", "vocab.json", "merges.txt")
    parts = found(doctor._parts, None)
    assert parts["show-o base"] == Finding(OK, "show-o base", "showlab/show-o, 0.1 GB")
    assert parts["words"].state == OK
    assert parts["image tokenizer"].said == "showlab/magvitv2 lacks config.json"
    assert parts["judge parm"].said == f"{PARM} lacks model-00003-of-00004.safetensors"
    assert parts["show-o dpo"].said.endswith("/dpo lacks weights")
    assert parts["judge orm"].state == NOTE
    assert {parts[what].state for what in ("image tokenizer", "judge parm", "show-o dpo")} == {PROBLEM}
    cache = found(doctor._cache, None)["Hub's cache"]
    assert cache.state == OK and "GB of its disk are free" in cache.said


def test_a_judge_wants_a_tokenizer_and_no_file_may_be_empty(hub):
    hub(PARM.repository, "parm/config.json", "parm/model.safetensors", size=0)
    assert Shelf().held(PARM, tokenizer=True).missing == ("model.safetensors (it is empty)", "tokenizer.json")


def test_what_trainings_leave_beside_pickled_weights_is_none(hub):
    hub(PARM.repository, "parm/config.json", "parm/training_args.bin")
    assert Shelf().held(PARM, tokenizer=False).missing == ("weights",)
    hub(PARM.repository, "parm/pytorch_model.bin")
    assert Shelf().held(PARM, tokenizer=False).whole


def test_a_download_that_did_not_end_is_a_note_for_its_repository(hub):
    folder = hub("showlab/show-o", "config.json")
    (folder / "blobs" / "abc.incomplete").write_bytes(b"x" * 1000)
    (note,) = (finding for finding in doctor._parts(None) if finding.what == "Hub's cache")
    assert "download of showlab/show-o that did not end" in note.said and "goes on" in note.remedy


def test_a_damaged_cache_is_told_and_the_rest_of_it_read(hub):
    folder = hub("showlab/show-o", "config.json", "pytorch_model.safetensors")
    (folder / "blobs" / "config.json").unlink()
    hub("microsoft/phi-1_5", "tokenizer.json")
    states = [finding.state for finding in doctor._cache(None)]
    assert states == [OK, PROBLEM]
    parts = found(doctor._parts, None)
    assert parts["show-o base"].state == NOTE and parts["words"].state == OK


def test_a_cache_that_is_a_file_is_a_line(monkeypatch, tmp_path):
    (tmp_path / "hub").write_text("")
    monkeypatch.setattr(cached, "HF_HUB_CACHE", str(tmp_path / "hub"))
    findings = list(doctor._probed("Hub's cache", doctor._cache, None))
    assert findings[-1].state == PROBLEM and "Traceback" not in findings[-1].said


def test_a_folder_in_place_of_the_hub_is_looked_through(tmp_path):
    folder = tmp_path / "showlab" / "show-o"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    parts = found(doctor._parts, tmp_path)
    assert parts["show-o base"].said == "showlab/show-o lacks weights"
    assert parts["show-o base"].remedy == f"Put it into {folder}."
    assert parts["words"].said == f"{WORDS} is not in {tmp_path}"
    assert found(doctor._cache, tmp_path)["repositories"].state == OK
    assert found(doctor._cache, tmp_path / "none")["repositories"].state == PROBLEM


def test_nothing_is_downloaded(monkeypatch):
    def refused(*_, **__):
        pytest.fail("the network was asked for")

    monkeypatch.setattr("socket.socket.connect", refused)
    assert [finding.what for finding in doctor.examine(run=False)][0] == "torch"


# -- the embedded model


def test_shipped_weights_are_as_their_recipes_say():
    (weights,) = doctor._weights(None)
    assert weights.state == OK and "as their recipes say" in weights.said


def test_altered_and_missing_weights_stop_the_embedded_model_and_each_is_named(mini):
    file = next((mini / "dpo").glob("*.safetensors"))
    content = file.read_bytes()
    file.unlink()  # it is the shipped one by another name
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    shutil.rmtree(mini / "judge")
    weights = found(doctor._weights, mini)
    assert set(weights) == {"dpo", "judge"}
    assert all(finding.state == PROBLEM and finding.stops for finding in weights.values())
    assert "damaged" in weights["dpo"].said and "train judge" in weights["judge"].said


def test_weights_that_were_made_from_others_are_told(mini):
    recipe = mini / "dpo" / "recipe.json"
    content = json.loads(recipe.read_text())
    content["made_from"]["showo"] = "0" * 12
    recipe.unlink()
    recipe.write_text(json.dumps(content))
    *_, told = doctor._weights(mini)
    assert told.state == PROBLEM and "dpo was made from showo 000000000000" in told.said and not told.stops


def test_a_run_is_painted_and_timed():
    (run,) = doctor._smoke(None)
    assert run.state == OK and "by PARM, 2 paths" in run.said


# -- the command


def test_the_status_is_0_only_where_the_embedded_model_works(monkeypatch, capsys):
    def broken(mini):
        raise FloatingPointError("The numbers are not finite.")

    monkeypatch.setattr(doctor, "_smoke", broken)
    assert cli.main(["doctor"]) != 0
    told = capsys.readouterr()
    assert "FloatingPointError: The numbers are not finite." in told.out and "cannot run here" in told.err
    assert cli.main(["doctor", "--no-run"]) == 0
    assert "Nothing was run" in capsys.readouterr().out


@pytest.mark.parametrize("error", [OSError("libcudart.so.12: cannot open"), ImportError("No module named 'torch'")])
def test_a_torch_that_cannot_be_imported_is_one_line_and_the_end(monkeypatch, capsys, error):
    def absent():
        raise error

    monkeypatch.setattr(doctor, "_torch", absent)
    assert cli.main(["doctor"]) != 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("problem  torch ") and str(error) in lines[0]
    assert not any("embedded" in line for line in lines) and any(line.startswith("ok       Python") for line in lines)


@pytest.mark.parametrize("probe", ["_python", "_packages", "_optional", "_cards", "_cache", "_released", "_weights"])
def test_a_probe_that_fails_is_a_line_and_the_others_go_on(monkeypatch, probe):
    def fail(*_):
        raise RuntimeError("out of\norder")

    before = [finding.what for finding in doctor.examine(run=False)]
    monkeypatch.setattr(doctor, probe, fail)
    after = list(doctor.examine(run=False))
    (line,) = (finding for finding in after if "out of order" in finding.said)
    assert line.state == PROBLEM and line.stops == (probe == "_weights")
    assert len(set(before) - {finding.what for finding in after}) < len(before) - 1


def test_a_users_error_is_told_as_it_is():
    def refuse():
        raise UserError("Take another.")

    assert list(doctor._probed("it", refuse)) == [Finding(PROBLEM, "it", "Take another.")]


def test_lines_are_aligned_and_what_to_do_stands_below():
    text = doctor.lines(Finding(PROBLEM, "torch", "a word " * 20, "do " * 40), 80)
    state, *others = text.splitlines()
    assert state.startswith("problem  torch " + " " * 17 + "a word") and all(
        len(line) <= 80 for line in text.splitlines()
    )
    assert all(line.startswith(" " * 32) for line in others) and text.count("-> ") == 1


def test_json_is_the_same_findings(monkeypatch, tmp_path, capsys):
    given = [Finding(OK, "torch", "2.13"), Finding(PROBLEM, "weights", "damaged", "again", stops=True)]
    monkeypatch.setattr(doctor, "examine", lambda run, root: iter(given))
    assert cli.main(["doctor", "--json"]) != 0
    content = json.loads(capsys.readouterr().out)
    assert content["works"] is False and [Finding(**one) for one in content["findings"]] == given
    monkeypatch.setattr(doctor, "examine", lambda run, root: iter(given[:1]))
    assert cli.main(["doctor", "--json", str(tmp_path / "a.json")]) == 0
    assert "2.13" in capsys.readouterr().out and json.loads((tmp_path / "a.json").read_text())["works"] is True
    monkeypatch.setattr(doctor, "examine", lambda run, root: iter(given[:1]))
    assert cli.main(["doctor", "--no-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["works"] is None


def test_the_command_is_there_and_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "cotdemo", "doctor", "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "--no-run" in done.stdout and "torch" not in done.stderr
