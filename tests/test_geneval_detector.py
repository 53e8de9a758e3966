"""The scorer's detector computes what GenEval's own computes: mmdet 2 on made-up weights and images."""

from __future__ import annotations

import hashlib
import json
import pickle

import mask2former_tiny as tiny
import numpy as np
import pytest
import torch
from golden import data
from safetensors.torch import load_file, save_file

from cotdemo.errors import UserError
from cotdemo.geneval import detections, network, pixels
from cotdemo.geneval.official_keys import converted
from cotdemo.geneval.prompts import CLASSES

CASES, TOLERANCES = tiny.GOLDEN["cases"], tiny.GOLDEN["tolerances"]
KEYS = json.loads(data("mask2former_keys.json").read_text())


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def tiny_network():
    return network.official(tiny.weights(), tiny.CONFIG)


@pytest.fixture(scope="module")
def answers(tiny_network):
    """Of each image what was read, class and mask logits, and all detections."""
    found = {}
    for name in CASES:
        image = tiny.image(name)
        read = pixels.normalised(image, image.shape[:2]) if name == "direct" else pixels.read(image)
        with network.exact():
            classes, masks = tiny_network(read.pixels)
            found[name] = read, classes, masks, detections.detections(classes, masks, read)
    return found


@pytest.fixture(scope="module")
def golden():
    return load_file(data("mask2former_tiny.safetensors"))


def test_weights_and_images_are_those_of_the_rule():
    digest = hashlib.sha256()
    for name in sorted(tiny.weights()):
        if not name.endswith("relative_position_index"):
            digest.update(tiny.weights()[name].numpy().tobytes())
    assert digest.hexdigest() == tiny.GOLDEN["weights"]["all_sha256"]
    assert {name: sha256(tiny.image(name)) for name in CASES} == {
        name: case["picture_sha256_rgb"] for name, case in CASES.items()
    }


@pytest.mark.parametrize("name", [name for name in CASES if name != "direct"])
def test_an_image_is_resized_as_by_opencv(name):
    assert sha256(pixels.resized(tiny.image(name))) == CASES[name]["resized"]["sha256_rgb"]


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_given_the_same_bytes(name, answers):
    read = answers[name][0]
    assert list(read.pixels.shape) == CASES[name]["input"]["shape"]
    assert sha256(read.pixels.numpy()) == CASES[name]["input"]["sha256_float32"]


@pytest.mark.parametrize(
    "size, expected",
    [((512, 512), (800, 800)), ((768, 1344), (762, 1333)), ((256, 256), (800, 800)), ((1, 1), (800, 800))],
)
def test_sides_round_as_by_mmdet(size, expected):
    assert pixels.resized(np.zeros((*size, 3), np.uint8)).shape[:2] == expected


@pytest.mark.parametrize("name", CASES)
def test_logits_are_the_official_ones(name, answers, golden):
    _, classes, masks, _ = answers[name]
    assert (classes - golden[f"{name}.class_logits"]).abs().max() <= TOLERANCES["class_logits"]
    assert (masks[:, ::4, ::4] - golden[f"{name}.mask_logits_every4"]).abs().max() <= TOLERANCES["mask_logits"]


@pytest.mark.parametrize("name", CASES)
def test_detections_are_the_official_ones(name, answers, golden):
    found, theirs = answers[name][3], golden[f"{name}.detections"].numpy()
    assert [CLASSES.index(one.kind) for one in found] == theirs[:, 1].tolist()
    assert np.abs([one.score for one in found] - theirs[:, 2]).max() <= TOLERANCES["scores"]
    assert np.array_equal([one.box for one in found], theirs[:, 3:7])
    most = TOLERANCES["mask_pixels_different_per_query_mask"]
    assert np.abs([one.mask.sum() for one in found] - theirs[:, 7]).max() <= most
    bits = golden[f"{name}.top5_masks_bits"].numpy()
    for place, packed in zip(CASES[name]["top5"], bits):
        mask = np.unpackbits(packed)[: found[place].mask.size].reshape(found[place].mask.shape)
        assert (mask != found[place].mask).sum() <= most


@pytest.mark.parametrize("name", [name for name in CASES if "geneval_selection" in CASES[name]])
@pytest.mark.parametrize("rule, threshold", [("default", 0.3), ("counting 0.9", 0.9), ("threshold 0.6", 0.6)])
def test_what_geneval_looks_at_is_what_its_own_function_chose(name, rule, threshold, answers):
    kept = detections.kept(answers[name][3], threshold)
    theirs = CASES[name]["geneval_selection"][rule]
    assert list(kept) == list(theirs)
    for kind, boxes in theirs.items():
        ours = np.array([[*one.box, one.score] for one in kept[kind]])
        assert np.array_equal(ours[:, :4], np.array(boxes)[:, :4])
        assert np.abs(ours - boxes).max() <= TOLERANCES["scores"]


def test_what_cannot_be_looked_at_need_not_be_masked(answers):
    read, classes, masks, found = answers["wide"]
    fewer = detections.detections(classes, masks, read, least=0.3)
    assert len(fewer) < len(found)
    all_of, some_of = (detections.kept(these, 0.3) for these in (found, fewer))
    assert {kind: [one.box for one in of_kind] for kind, of_kind in all_of.items()} == {
        kind: [one.box for one in of_kind] for kind, of_kind in some_of.items()
    }


def test_nothing_is_found_where_no_mask_is():
    read = pixels.read(tiny.image("thin"))
    classes, masks = torch.zeros(20, 81), torch.full((20, 56, 336), -1.0)
    classes[:, 0] = 9
    found = detections.detections(classes, masks, read)
    assert {(one.score, one.box) for one in found} == {(0.0, (0.0, 0.0, 0.0, 0.0))}


# -- the official file


@pytest.fixture(scope="module")
def full_size():
    """Names and shapes of the network at its real size, without its weights."""
    with torch.device("meta"):
        whole = network.Mask2Former(network.Mask2FormerConfig(**network.OFFICIAL))
    return {name: tensor for name, tensor in whole.state_dict().items() if ".swin.layernorm." not in name}


def test_every_key_of_the_official_file_goes_where_the_golden_list_says(full_size):
    names = list(KEYS["keys"])
    tagged = {name: torch.tensor(names.index(name)).expand(KEYS["keys"][name][0]) for name in names}
    came_from = {new: names[tensor.flatten()[0]] for new, tensor in converted(tagged, full_size).items()}
    assert len(names) == KEYS["count"] == 649
    assert came_from == {new: name for name in names for new in KEYS["keys"][name][1]}
    assert came_from.keys() == full_size.keys()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda w: w.pop("panoptic_head.cls_embed.bias"), "1 are missing, such as class_predictor.bias"),
        (lambda w: w.update({"backbone.norm9.weight": torch.ones(3)}), "backbone.norm9.weight.*no place"),
        (lambda w: w.update({"panoptic_head.cls_embed.bias": torch.ones(134)}), r"\(134,\) in place of \(81,\)"),
        (lambda w: w.update({"backbone.stages.0.blocks.0.attn.w_msa.qkv.bias": torch.ones(71)}), "has the shape"),
        (lambda w: w.update({"backbone.stages.0.downsample.norm.bias": torch.tensor(1.0)}), "has the shape"),
        (
            lambda w: w.update(
                {"panoptic_head.transformer_decoder.layers.0.cross_attn.attn.in_proj_bias": torch.ones(1)}
            ),
            "mmdet 3",
        ),
    ],
)
def test_other_weights_are_refused_in_words(change, words):
    weights = dict(tiny.weights())
    change(weights)
    with pytest.raises(UserError, match=words):
        network.official(weights, tiny.CONFIG)


def test_the_file_is_read_with_all_that_mmdet_leaves_beside_the_weights(tmp_path):
    meta = {
        "epoch": 50,
        "CLASSES": ("person",),
        "hook_msgs": {"best_score": np.float64(0.4)},
        "config": "model = dict()",
    }
    torch.save({"meta": meta, "state_dict": tiny.weights(), "optimizer": {}}, tmp_path / "a.pth")
    assert network.official_weights(tmp_path / "a.pth").keys() == tiny.weights().keys()
    torch.save(tiny.weights(), tmp_path / "bare.pth")
    assert network.official_weights(tmp_path / "bare.pth").keys() == tiny.weights().keys()


class Hostile:
    def __reduce__(self):
        return print, ("code of a checkpoint ran",)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "damaged or incomplete"),
        (b"<html>404</html>", "damaged or incomplete"),
        (pickle.dumps({"state_dict": Hostile()}, 2), "damaged or incomplete"),
        ({"state_dict": {"a": 1}}, "no state_dict of tensors"),
        ([1, 2], "no state_dict of tensors"),
        ({"state_dict": Hostile()}, "damaged or incomplete"),
    ],
)
def test_a_file_that_is_none_says_so_and_runs_nothing(content, words, tmp_path, capsys):
    file = tmp_path / "a.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(UserError, match=words):
        network.official_weights(file)
    assert "ran" not in capsys.readouterr().out


def test_a_file_cut_off_and_one_that_is_not_there_are_told(tmp_path):
    torch.save({"state_dict": tiny.weights()}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:-4000])
    with pytest.raises(UserError, match="damaged or incomplete"):
        network.official_weights(tmp_path / "b.pth")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        network.official_weights(tmp_path / "c.pth")
    assert not network.is_official(tmp_path / "a.pth")


# -- facebook's


def test_weights_in_transformers_layout_are_read_as_their_config_has_them(tiny_network, tmp_path, answers):
    tiny_network.save_pretrained(tmp_path)
    again = network.approximate(tmp_path)
    with network.exact():
        classes, _ = again(answers["thin"][0].pixels)
    assert torch.equal(classes, answers["thin"][1])


def test_what_the_loss_left_in_a_file_does_no_harm_and_what_is_missing_is_told(tiny_network, tmp_path):
    tiny_network.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(weights | {"criterion.empty_weight": torch.ones(81)}, tmp_path / "model.safetensors", {"format": "pt"})
    network.approximate(tmp_path)
    weights.pop("class_predictor.bias")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="do not fit Mask2Former: 1, such as class_predictor.bias"):
        network.approximate(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be loaded as Mask2Former.*anew"):
        network.approximate(tmp_path)
