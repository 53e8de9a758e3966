"""The scorer's colours are those of open_clip and clip_benchmark, on a made-up CLIP."""

from __future__ import annotations

import hashlib

import clip_tiny
import mask2former_tiny
import numpy as np
import pytest
import torch
from PIL import Image

from cotdemo.geneval import colours
from cotdemo.geneval.detections import Detection
from cotdemo.geneval.network import exact

CASES, TOLERANCES = clip_tiny.GOLDEN["cases"], clip_tiny.GOLDEN["tolerances"]


def image_and_thing(case) -> tuple[Image.Image, Detection]:
    image = Image.fromarray(mask2former_tiny.image(case["image"]))
    x, y = np.meshgrid(np.arange(image.width), np.arange(image.height))
    cx, cy, rx, ry = (case["mask_ellipse"][name] for name in ("cx", "cy", "rx", "ry"))
    mask = ((x - cx) * ry) ** 2 + ((y - cy) * rx) ** 2 <= (rx * ry) ** 2
    assert mask.sum() == case["mask_area"]
    return image, Detection("bench", 1.0, tuple(case["box"]), mask)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['image']} {case['box']}")
def test_a_thing_is_cut_out_and_read_to_the_byte(case):
    crop = colours.cut_out(*image_and_thing(case))
    assert list(crop.size) == case["crop"]["size"]
    assert hashlib.sha256(crop.tobytes()).hexdigest() == case["crop"]["sha256_rgb"]
    assert hashlib.sha256(colours.pixels(crop).numpy().tobytes()).hexdigest() == case["input_sha256"]


@pytest.mark.parametrize("kind", clip_tiny.GOLDEN["classifiers"])
def test_classifier_logits_and_choice_are_open_clips(kind):
    golden = clip_tiny.GOLDEN["classifiers"][kind]
    ours = colours.Colours(clip_tiny.clip(), clip_tiny.tokenize(kind))
    things = [image_and_thing(case) for case in CASES]
    with exact():
        logits = ours.logits(torch.stack([colours.pixels(colours.cut_out(*thing)) for thing in things]), kind)
        chosen = [colours for image, thing in things for colours in ours.of(image, [thing], kind)]
        assert np.abs(ours.classifier(kind).numpy() - golden["classifier"]).max() <= TOLERANCES["classifier"]
    assert np.abs(logits.numpy() - golden["logits"]).max() <= TOLERANCES["logits"]
    assert chosen == golden["picked"]


@pytest.mark.parametrize("kind", clip_tiny.GOLDEN["classifiers"])
def test_each_kind_is_asked_for_by_three_texts_a_colour(kind):
    asked = []

    def tokenize(texts):
        asked.extend(texts)
        return clip_tiny.tokenize(kind)(texts)

    ours = colours.Colours(clip_tiny.clip(), tokenize)
    with exact():
        ours.classifier(kind)
        ours.classifier(kind)
    assert asked[:3] == [text.replace("{c}", "red") for text in clip_tiny.GOLDEN["classifiers"][kind]["templates"]]
    assert len(asked) == 30 and f"a photo of a orange {kind}" in asked  # theirs
