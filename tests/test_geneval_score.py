"""``geneval score``: from a folder of images to the official lines and summary, on small made-up networks."""

from __future__ import annotations

import errno
import io
import json
import os
from functools import cache
from pathlib import Path

import clip_tiny
import mask2former_tiny as tiny
import numpy as np
import pytest
import released_tiny
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image

from cotdemo import cli
from cotdemo.backends import scorer as source
from cotdemo.errors import UserError
from cotdemo.geneval import network, self_test
from cotdemo.geneval.colours import Colours
from cotdemo.geneval.detections import Detection
from cotdemo.geneval.folder import samples
from cotdemo.geneval.metadata import checked
from cotdemo.geneval.prompts import COLOURS, draw, metadata
from cotdemo.geneval.results import KEYS, Results, summary
from cotdemo.geneval.scorer import Scorer
from cotdemo.geneval.verdict import OFFICIAL, Verdict

TOASTER = metadata("single_object", [{"class": "toaster", "count": 1}])  # which the made-up detector sees everywhere
DOG = metadata("single_object", [{"class": "dog", "count": 1}])
RED_TOASTER = metadata("colors", [{"class": "toaster", "count": 1, "color": "red"}])
FOUR_CAKES = metadata("counting", [{"class": "cake", "count": 4}])


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """A folder as --assets takes it: the official file, facebook's repository and CLIP's, of small networks."""
    return released_tiny.build_scorer(tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="module")
def known():
    """Functions that remember what they have computed: the arithmetic of a device, and the things in an image."""
    things, seen = Scorer._things, {}

    def looked_up(self, image, threshold):
        key = self.detector, image.size, image.tobytes(), threshold
        if key not in seen:
            seen[key] = things(self, image, threshold)
        return seen[key]

    return cache(self_test.arithmetic), looked_up


@pytest.fixture
def trusted(monkeypatch, assets, known):
    released_tiny.trust(monkeypatch)
    monkeypatch.setattr(self_test, "arithmetic", known[0])
    monkeypatch.setattr(Scorer, "_things", known[1])
    return assets


def put(folder: Path, number: int, entry: dict, images: int = 1) -> None:
    inside = folder / f"{number:05d}" / "samples"
    inside.mkdir(parents=True)
    inside.with_name("metadata.jsonl").write_text(json.dumps(entry))
    for sample in range(images):
        Image.fromarray(tiny.image("thin")[:, : 300 + sample]).save(inside / f"{sample:04d}.png")


@pytest.fixture
def folder(tmp_path):
    """Two images of one prompt, one of each of three others, and what is none of these."""
    out = tmp_path / "out"
    put(out, 0, TOASTER, 2)
    put(out, 1, DOG)
    put(out, 2, RED_TOASTER)
    put(out, 10, FOUR_CAKES)
    (out / "00000" / "samples" / ".0002.png.ab.part").write_bytes(b"half")
    (out / "grids").mkdir()
    return out


def run(folder: Path, assets: Path, *more: str) -> int:
    return cli.main(["geneval", "score", str(folder), "--assets", str(assets), "--device", "cpu", *more])


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


# -- the command


def test_a_folder_gets_the_official_lines_and_summary(folder, trusted, capsys):
    assert run(folder, trusted) == 0
    out, told = capsys.readouterr()
    found = lines(folder / "results.jsonl")
    assert [line["filename"].removeprefix(f"{folder}/") for line in found] == [
        "00000/samples/0000.png", "00000/samples/0001.png", "00001/samples/0000.png", "00002/samples/0000.png",
        "00010/samples/0000.png",
    ]  # fmt: skip
    assert {tuple(line) for line in found} == {tuple(KEYS)}
    assert [json.loads(line["metadata"]) for line in found] == [TOASTER, TOASTER, DOG, RED_TOASTER, FOUR_CAKES]
    assert [line["correct"] for line in found][:3] == [True, True, False]
    assert found[2]["reason"] == "expected dog>=1, found 0"
    boxes = json.loads(found[0]["details"])["toaster"]
    assert 1 <= len(boxes) <= 16 and all(len(box) == 5 and box[4] > 0.3 for box in boxes)
    assert found[4]["reason"] == "expected cake>=4, found 0" and json.loads(found[4]["details"]) == {}
    assert "Total images: 5\nTotal prompts: 4\n" in out
    assert "single_object    = 66.67% (2 / 3)" in out and "Detector: official" in out
    assert "00001/0000.png single_object: expected dog>=1, found 0 (seen: " in out
    assert "arithmetic of cpu is as it should be" in told and "8 of 8" in told


def test_scored_again_nothing_is_done_and_nothing_changes(folder, trusted, monkeypatch):
    assert run(folder, trusted) == 0
    before = (folder / "results.jsonl").read_bytes()
    monkeypatch.setattr(Scorer, "score", lambda *_: pytest.fail("scored again"))
    assert run(folder, trusted) == 0
    assert (folder / "results.jsonl").read_bytes() == before


def test_stopped_it_keeps_what_it_has_and_goes_on(folder, trusted, monkeypatch, capsys):
    assert run(folder, trusted, "--out", str(folder / "whole.jsonl")) == 0
    score, scored = Scorer.score, []

    def stopped(self, entry, image):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(entry)
        return score(self, entry, image)

    monkeypatch.setattr(Scorer, "score", stopped)
    assert run(folder, trusted) == 130
    assert "The same command goes on" in capsys.readouterr().err
    assert len(lines(folder / "results.jsonl")) == 2
    with (folder / "results.jsonl").open("a") as file:  # and killed within a line
        file.write('{"filename": "out/000')
    monkeypatch.setattr(Scorer, "score", lambda *given: scored.append(given[1]) or score(*given))
    assert run(folder, trusted) == 0
    assert len(scored) == 5
    assert (folder / "results.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()


def test_an_image_painted_anew_and_a_prompt_that_changed_are_scored_anew(folder, trusted, monkeypatch):
    assert run(folder, trusted) == 0
    image = folder / "00000" / "samples" / "0001.png"
    later = (folder / "results.jsonl").stat().st_mtime + 10
    os.utime(image, (later, later))
    (folder / "00001" / "metadata.jsonl").write_text(json.dumps(TOASTER))
    again = []
    score = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda *given: again.append(given[1]) or score(*given))
    assert run(folder, trusted) == 0
    assert again == [TOASTER, TOASTER]
    assert [line["correct"] for line in lines(folder / "results.jsonl")][:3] == [True, True, True]


def test_facebooks_detector_is_named_in_every_line(folder, trusted, capsys):
    file = folder / "approximate.jsonl"
    assert run(folder, trusted, "--detector", "approximate", "--out", str(file)) == 0
    said = "approximate: facebook/mask2former-swin-small-coco-instance, not GenEval's own weights"
    assert {line["detector"] for line in lines(file)} == {said}
    out = capsys.readouterr().out
    assert out.count(f"[{said}]") == 5 and f"Detector: {said}" in out
    assert run(folder, trusted, "--out", str(file)) == 2
    assert 'by another detector ("approximate: ' in capsys.readouterr().err


def test_weights_that_are_not_genevals_file_are_named_in_every_line(folder, trusted, monkeypatch, tmp_path):
    monkeypatch.setattr(network, "is_official", lambda file: False)
    own = tmp_path / "mine.pth"
    own.write_bytes((trusted / network.OFFICIAL_FILE).read_bytes())
    assert run(folder, trusted, "--weights", str(own)) == 0
    assert {line["detector"] for line in lines(folder / "results.jsonl")} == {
        "weights of mine.pth, which is not GenEval's file"
    }


# -- as an evaluation paints


class Watching:
    """A scorer that notes what it is shown, and finds nothing."""

    detector = OFFICIAL

    def __init__(self):
        self.seen = []

    def score(self, entry, image):
        self.seen.append((entry["prompt"], np.asarray(image).shape))
        return Verdict(False, "expected dog>=1, found 0", {})


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Runs eval on two prompts, two images each, with a scripted backend and scorer."""
    from scripted import Studio

    scorer = Watching()
    monkeypatch.setattr("cotdemo.backends.load_backend", lambda *_, **__: Studio())
    monkeypatch.setattr(source, "load_scorer", lambda *_, **__: scorer)
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in (DOG, FOUR_CAKES)))

    def run(*more: str) -> int:
        kept = ("--json", str(tmp_path / "e.json"), "--metadata", str(tmp_path / "m.jsonl"), "--images", "2")
        return cli.main(["eval", "--paths", "2", "--steps", "2", *kept, *more])

    return run, scorer, tmp_path


def test_an_evaluation_is_scored_as_it_paints(evaluated, capsys):
    run, scorer, folder = evaluated
    assert run("--out", str(folder / "out"), "--score") == 0
    assert [prompt for prompt, _ in scorer.seen] == [DOG["prompt"]] * 2 + [FOUR_CAKES["prompt"]] * 2
    assert [line["reason"] for line in lines(folder / "out" / "results.jsonl")] == ["expected dog>=1, found 0"] * 4
    out = capsys.readouterr().out
    assert "Total images: 4\nTotal prompts: 2\n" in out and "counting         = 0.00% (0 / 2)" in out


def test_what_was_painted_before_it_was_scored_is_scored_too(evaluated):
    run, scorer, folder = evaluated
    assert run("--out", str(folder / "out"), "--limit", "1") == 0
    assert scorer.seen == []
    assert run("--out", str(folder / "out"), "--score", "--resume") == 0
    assert len(scorer.seen) == 4


def test_an_evaluation_that_cannot_be_scored_says_so_first(evaluated, capsys):
    run, scorer, folder = evaluated
    assert run("--score") == 2
    assert "--out DIR" in capsys.readouterr().err
    (folder / "m.jsonl").write_text(json.dumps(DOG | {"include": [{"class": "star", "count": 1}]}))
    assert run("--out", str(folder / "out"), "--score") == 2
    assert "GenEval cannot score prompt 0" in capsys.readouterr().err and not (folder / "out").exists()


# -- what can be wrong


def test_a_damaged_image_is_told_and_the_others_are_scored(folder, trusted, capsys):
    image = folder / "00000" / "samples" / "0000.png"
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    assert run(folder, trusted) == 2
    out, told = capsys.readouterr()
    assert "Total images: 4" in out
    assert "1 of 5 images could not be read" in told and f"{image} is no image, or damaged" in told
    image.write_bytes(whole)
    assert run(folder, trusted) == 0
    assert "Total images: 5" in capsys.readouterr().out


def bomb() -> bytes:
    """A PNG of few bytes that says it is 60,000 pixels wide."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(content)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40), bomb(), b"<svg/>"])
def test_a_hostile_image_is_told(content, folder, trusted, capsys):
    (folder / "00001" / "samples" / "0000.png").write_bytes(content)
    assert run(folder, trusted) == 2
    assert "1 of 5 images could not be read" in capsys.readouterr().err


def test_images_are_read_as_eyes_see_them(tmp_path):

    from cotdemo.geneval.folder import read_image

    image = Image.fromarray(tiny.image("thin"))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    image.save(tmp_path / "a.png", exif=turned)
    assert read_image(tmp_path / "a.png").size == image.size[::-1]
    image.putalpha(0)
    image.save(tmp_path / "b.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "b.png")), tiny.image("thin"))
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "c.png")
    with pytest.raises(UserError, match="more than 8 bits"):
        read_image(tmp_path / "c.png")


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "cannot be read: No such file"),
        ("", "it is no JSON"),
        ("[" * 5000, "it is no JSON"),
        ("[]", "it is no object"),
        ("x" * 200_000, "it is too large"),
        (json.dumps(DOG | {"include": [{"class": "dragon", "count": 1}]}), "'dragon' is none of GenEval's 80 kinds"),
        (json.dumps({"tag": "colors"}), "prompt must be a text"),
    ],
)
def test_metadata_that_is_none_ends_it_before_anything_is_loaded(text, words, folder, trusted, capsys, monkeypatch):
    monkeypatch.setattr(self_test, "arithmetic", lambda device: pytest.fail("began"))
    file = folder / "00001" / "metadata.jsonl"
    file.unlink() if text is None else file.write_text(text)
    assert run(folder, trusted) == 2
    assert f"{file} " in (told := capsys.readouterr().err) and words in told


def test_a_folder_without_images_is_told_how_they_must_lie(tmp_path, trusted, capsys):
    assert run(tmp_path, trusted) == 2
    assert "00000/samples/0000.png" in capsys.readouterr().err
    assert run(tmp_path / "none", trusted) == 2
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, words",
    [
        (b"notes without an end", "Line 1 of .* is no result"),
        (b"nothing\n", "Line 1 of .* is no result"),
        (b"\xff\xfe\n", "Line 1 of .* is no result"),
        (b"[]\n", "Line 1 of .* is no result"),
        (json.dumps(dict.fromkeys(KEYS, "x")).encode() + b"\n", "Line 1 of .* is no result"),
    ],
)
def test_a_results_file_of_something_else_is_left_as_it_is(content, words, folder):
    file = folder / "results.jsonl"
    file.write_bytes(content)
    with pytest.raises(UserError, match=words):
        Results(file, samples(folder), OFFICIAL)
    assert file.read_bytes() == content


def test_results_of_another_folder_are_refused(folder, tmp_path):
    put(tmp_path / "other", 77, DOG)
    with Results(tmp_path / "r.jsonl", others := samples(tmp_path / "other"), OFFICIAL) as results:
        results.add(others[0], Verdict(True, "", {}))
    with pytest.raises(UserError, match="which is not in this folder"):
        Results(tmp_path / "r.jsonl", samples(folder), OFFICIAL)


@pytest.mark.parametrize(
    "change",
    [
        {"include": "dog"},
        {"include": [{"class": "dog", "count": 0}]},
        {"include": [{"class": "dog", "count": True}]},
        {"include": [{"class": "dog", "count": 1, "color": "mauve"}]},
        {"include": [{"class": "dog", "count": 1, "position": ["left of", 0]}]},
        {"include": [{"class": "dog", "count": 1}, {"class": "cat", "count": 1, "position": ["near", 0]}]},
        {"exclude": [{"class": ["dog"], "count": 1}]},
        {"include": [{"class": "dog", "count": 1}] * 1000},
        {"tag": 7},
    ],
)
def test_metadata_that_the_rules_cannot_be_applied_to_is_refused(change):
    with pytest.raises(UserError):
        checked(DOG | change)


def test_all_official_prompts_pass():
    assert [checked(json.loads(json.dumps(entry))) for entry in draw()] == draw()


# -- the self-test


def test_weights_that_know_nothing_are_refused_before_anything_is_scored(folder, trusted, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(network, "OFFICIAL", tiny.CONFIG)
    assert run(folder, trusted) == 2
    told = capsys.readouterr().err
    assert "The self-test failed, so nothing is scored: of 8 drawn things 0 are found" in told
    assert "weights of the detector are damaged" in told
    assert not (folder / "results.jsonl").exists()


def test_the_known_image_counts_what_is_found_where_it_is():
    class Seeing(torch.nn.Module):
        """Sees some of the known things where they are, or elsewhere."""

        device = "cpu"

        def __init__(self, *cells):
            super().__init__()
            self.cells = cells

        def forward(self, pixels):
            height, width = pixels.shape[-2] // 4, pixels.shape[-1] // 4
            classes, masks = torch.zeros(8, 81), torch.full((8, height, width), -9.0)
            for place, cell in enumerate(self.cells):
                classes[place, network.CLASSES.index(self_test.KINDS[place])] = 20
                rows, columns = divmod(cell, self_test.ACROSS)
                masks[place, rows * 83 + 20 : rows * 83 + 60, columns * 83 + 20 : columns * 83 + 60] = 9.0
            return classes, masks

    assert self_test._things_found(Seeing(0, 1, 2, 3, 4, 5, 6, 7)) == 8
    assert self_test._things_found(Seeing(0, 2, 1, 3)) == 2
    assert self_test._things_found(Seeing()) == 0


def test_drawn_colours_are_those_that_are_asked_for():
    class Eyes:
        def of(self, image, things, kind):
            (thing,) = things
            seen = np.asarray(image)[thing.mask].astype(int)
            mean = np.median(seen, 0)
            return [min(PAINT, key=lambda name: np.abs(mean - PAINT[name]).sum())]

    from cotdemo.world.sheet import COLOURS as PAINT

    assert set(PAINT) == set(COLOURS)
    assert self_test._colours_found(Eyes()) >= 8


@pytest.mark.parametrize(
    "wrong",
    [
        lambda monkeypatch: monkeypatch.setattr(self_test, "read", lambda image: _shifted(image)),
        lambda monkeypatch: monkeypatch.setattr("cotdemo.geneval.official_keys._merging", lambda tensor: tensor),
        lambda monkeypatch: monkeypatch.setattr("cotdemo.geneval.pixels.GREY", 0),
    ],
)
def test_the_arithmetic_is_seen_to_be_wrong(wrong, monkeypatch):
    self_test.arithmetic("cpu")
    wrong(monkeypatch)
    with pytest.raises(UserError, match="The self-test failed, so nothing is scored: on cpu, with torch"):
        self_test.arithmetic("cpu")


def _shifted(image):
    from cotdemo.geneval import pixels

    return pixels.read(image[:, :, ::-1])


# -- where the weights come from


def test_the_official_file_is_downloaded_once_and_checked(monkeypatch, tmp_path):
    asked = []

    def download(url, file, prefix, progress):
        asked.append((url, prefix))
        Path(file).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    file = source._official(None, print)
    assert source._official(None, print) == file and file.name == network.OFFICIAL_FILE
    assert asked == [(network.OFFICIAL_URL, "743b7d99")]


@pytest.mark.parametrize("error", [OSError(errno.ENETUNREACH, "unreachable"), RuntimeError("invalid hash value")])
def test_a_download_that_fails_says_what_to_do(error, monkeypatch, tmp_path):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(UserError, match="could not be downloaded.*https://.*743b7d99.pth by other means, as .*pth"):
        source._official(None, print)


def test_without_a_network_the_way_out_is_a_folder_of_files(folder, trusted, monkeypatch, capsys):
    def unreachable(*_, **__):
        raise LocalEntryNotFoundError("nothing")

    monkeypatch.setattr("cotdemo.backends.hub.snapshot_download", unreachable)
    assert cli.main(["geneval", "score", str(folder), "--detector", "approximate", "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert f"{source.FACEBOOK} could not be downloaded" in told and "--assets DIR" in told and "embedded" not in told


def test_what_is_missing_in_the_folder_is_named(folder, trusted, tmp_path, capsys):
    assert run(folder, tmp_path / "empty") == 2
    assert f"{tmp_path / 'empty' / network.OFFICIAL_FILE} is missing; it is at https://" in capsys.readouterr().err
    assert run(folder, trusted, "--detector", "yolo") == 2
    assert "yolo" in capsys.readouterr().err
    assert run(folder, trusted, "--detector", "approximate", "--weights", "a.pth") == 2
    assert "leave it out" in capsys.readouterr().err
    assert cli.main(["geneval", "score", str(folder), "--device", "cuda:9"]) == 2


# -- one image


class Blind:
    """Of what is found in an image, and its colours, nothing is computed."""

    def __init__(self, things, colours=()):
        self.things, self.colours, self.asked = things, list(colours), []

    def to(self, device):
        return self

    def of(self, image, things, kind):
        self.asked.append((kind, len(things)))
        return [self.colours.pop(0) for _ in things]


@pytest.mark.parametrize(
    "entry, correct, reason, asked",
    [
        (metadata("colors", [{"class": "dog", "count": 1, "color": "red"}]), True, "", [("dog", 1)]),
        (
            metadata("colors", [{"class": "dog", "count": 2, "color": "red"}]),
            False,
            "expected red dog>=2, found 1 red; and 1 red, 1 blue",
            [("dog", 2)],
        ),
        (
            metadata("colors", [{"class": "dog", "count": 3, "color": "red"}]),
            False,
            "expected dog>=3, found 2",
            [],
        ),
    ],
)
def test_only_as_many_are_asked_for_their_colour_as_a_prompt_names(entry, correct, reason, asked, monkeypatch):
    things = {"dog": [Detection("dog", score, (0, 0, 9, 9), np.ones((9, 9), bool)) for score in (0.9, 0.8)]}
    eyes = Blind(things, ["red", "blue"])
    scorer = Scorer(eyes, eyes)
    monkeypatch.setattr(Scorer, "_things", lambda self, image, threshold: things)
    verdict = scorer.score(entry, np.zeros((9, 9, 3), np.uint8))
    assert (verdict.correct, verdict.reason, eyes.asked) == (correct, reason, asked)
    assert verdict.words.endswith("(seen: 2 dog)")


def test_a_gpu_rounds_no_convolution_while_it_scores_and_again_as_before_afterwards():
    before = torch.backends.cudnn.allow_tf32
    with network.exact():
        assert not torch.backends.cudnn.allow_tf32 and torch.is_inference_mode_enabled()
    assert torch.backends.cudnn.allow_tf32 == before


def test_numbers_that_are_none_are_no_empty_image():
    class Broken(torch.nn.Module):
        device = "cpu"

        def forward(self, pixels):
            return torch.full((20, 81), float("nan")), torch.zeros(20, 8, 8)

    with pytest.raises(FloatingPointError, match="not finite"):
        Scorer(Broken(), Colours(clip_tiny.clip(), None)).score(DOG, tiny.image("thin"))


def test_the_summary_is_the_official_one():
    def line(tag, prompt, correct):
        return {"tag": tag, "metadata": prompt, "correct": correct}

    text = summary(
        [line("two_object", "a", True), line("two_object", "a", False), line("two_object", "b", False),
         line("counting", "c", True)]
    )  # fmt: skip
    assert text == (
        "Summary\n=======\nTotal images: 4\nTotal prompts: 3\n% correct images: 50.00%\n% correct prompts: 66.67%\n\n"
        "Task breakdown\n==============\ntwo_object       = 33.33% (1 / 3)\ncounting         = 100.00% (1 / 1)\n\n"
        "Overall score (avg. over tasks): 0.66667"
    )
    assert summary([]) == "No image has been scored."
