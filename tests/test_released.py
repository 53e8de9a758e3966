"""Where the released backends take their weights from, and what is said where that fails. Without a network."""

from __future__ import annotations

import errno
import json

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from cotdemo.backends import RELEASED, ReleasedBackend, hub, load_backend
from cotdemo.backends.hub import Place, fetch
from cotdemo.errors import UserError
from cotdemo.generator.magvit import MagvitV2
from cotdemo.generator.showo import Showo
from cotdemo.registry import MODELS
from cotdemo.search import search
from cotdemo.settings import BACKENDS, offers, verifier_of

PLACES = [
    ("show-o", "base", "showlab/show-o"),
    ("show-o", "dpo", "ZiyuG/Image-Generation-CoT/dpo"),
    ("show-o", "dpo-iter", "ZiyuG/Image-Generation-CoT/dpo_iter"),
    ("show-o", "dpo-iter-parm", "ZiyuG/Image-Generation-CoT/dpo_iter_parm_gudie"),  # spelt so
    ("show-o", "turbo", "SJTU-Deng-Lab/Show-o-Turbo-256"),
    ("show-o-512", "base", "showlab/show-o-512x512"),
    ("show-o-512", "turbo", "SJTU-Deng-Lab/Show-o-Turbo-512"),
]


class Stored:
    """A generator as its folder has it."""

    def register_to_config(self, **changed):
        self.changed = changed


class Hub:
    """In place of ``snapshot_download``: a hub with files by repository, which notes what it is asked for."""

    def __init__(self, folder, files, error=None):
        self.folder, self.files, self.error, self.asked = folder, files, error, []

    def __call__(self, repository, allow_patterns, ignore_patterns, tqdm_class):
        self.asked.append((repository, allow_patterns))
        if self.error:
            raise self.error
        local = self.folder / repository
        for file in self.files:
            if any((local / file).relative_to(local).match(pattern) for pattern in allow_patterns):
                (local / file).parent.mkdir(parents=True, exist_ok=True)
                (local / file).write_text("{}")
        bar = tqdm_class(total=0, name="huggingface_hub.snapshot_download", disable=True)
        bar.total = 4e9
        bar.update(1e9)
        return str(local)


@pytest.mark.parametrize("name", RELEASED)
def test_all_that_is_offered_has_a_place_on_the_hub(name):
    offered = [offer for offer in offers(name) if offer.offered]
    assert {offer.model for offer in offered if not MODELS[offer.model].load} == set(RELEASED[name].generators)
    assert {verifier_of(offer.method) for offer in offered} == set(RELEASED[name].judges)
    assert BACKENDS[name].critic in RELEASED[name].judges


@pytest.mark.parametrize("name, model, place", PLACES)
def test_a_generator_comes_from_its_own_folder(name, model, place, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(Showo, "from_pretrained", lambda source, **_: asked.append(source) or Stored())
    (tmp_path / place).mkdir(parents=True)
    backend = ReleasedBackend(name, "cpu", tmp_path)
    assert isinstance(backend._load_showo(model), Stored) and asked == [tmp_path / place]
    assert place in backend.weights.values()


def test_only_what_is_needed_is_downloaded(monkeypatch, tmp_path):
    files = ("parm/config.json", "parm/model-1.safetensors", "parm/pytorch_model.bin", "dpo/config.json", "README.md")
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, files))
    told = []
    folder = fetch(Place("ZiyuG/Image-Generation-CoT", "parm"), tell=told.append)
    assert {file.name for file in folder.iterdir()} == {"config.json", "model-1.safetensors"}
    assert [path.name for path in folder.parent.iterdir()] == ["parm"]
    assert told[0] == "downloading ZiyuG/Image-Generation-CoT/parm: 1.0 of 4.0 GB"


def test_pickles_are_asked_for_only_where_there_is_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, ("config.json", "pytorch_model.bin")))
    assert {file.name for file in fetch(Place("a/b")).iterdir()} == {"config.json", "pytorch_model.bin"}
    asked = Hub(tmp_path, ("tokenizer.json",))
    monkeypatch.setattr(hub, "snapshot_download", asked)
    fetch(Place("a/words"), weights=False)
    assert [repository for repository, _ in asked.asked] == ["a/words"]


def _response(status):
    import httpx

    return httpx.Response(status, request=httpx.Request("GET", "https://hub"))


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError("no route to host"), "Check the network"),
        (LocalEntryNotFoundError("nothing"), "not in the cache.*HF_HOME"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full.*HF_HOME"),
        (PermissionError(errno.EACCES, "Permission denied", "/cache"), "/cache cannot be written"),
        (RepositoryNotFoundError("404", response=_response(404)), "no such repository.*hf auth login"),
        (GatedRepoError("403", response=_response(403)), "Ask for access.*hf auth login"),
    ],
)
def test_a_download_that_fails_says_what_to_do(error, words, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, (), error))
    with pytest.raises(UserError, match=f"dpo could not be downloaded: .*{words}.*--backend mini"):
        ReleasedBackend("show-o", "cpu")._load_showo("dpo")


def test_a_folder_that_lacks_a_repository_is_named(tmp_path):
    with pytest.raises(UserError, match=r"showlab/show-o is missing.*owner/name"):
        load_backend("show-o", "cpu", tmp_path)._load_showo("base")


def test_a_gpu_with_too_little_memory_is_told_before_anything_is_downloaded(monkeypatch):
    monkeypatch.setattr("cotdemo.backends.base.free_bytes", lambda device: 11e9)
    monkeypatch.setattr("cotdemo.compute.precision.installed", lambda: False)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("downloaded"))
    with pytest.raises(UserError, match=r"needs 21 GB of GPU memory, and 11.0 GB are free.*--backend mini"):
        ReleasedBackend("show-o", "cuda").warm_up()


def test_whole_images_are_repainted_by_a_generator_that_somebody_gives(monkeypatch, tmp_path):
    asked = dict(method="parm++", prompt="a photo of a dog", repaint="whole")
    with pytest.raises(UserError, match="region, or give one .*self-correct"):
        search(backend=load_backend("show-o", "cpu", tmp_path), **asked)
    (tmp_path / "self-correct").mkdir()
    backend = load_backend("show-o", "cpu", tmp_path)
    assert next(search(backend=backend, **asked)).settings.repaint == "whole"
    asked = []
    monkeypatch.setattr(Showo, "from_pretrained", lambda source, **_: asked.append(source) or Stored())
    backend._load_showo("self-correct")
    assert asked == [tmp_path / "self-correct"]


def test_the_words_of_shipped_and_released_weights_are_the_same(tmp_path):
    shipped = set(load_backend("mini").weights)
    assert set(ReleasedBackend("show-o", "cpu").weights) - shipped == {"turbo", MODELS["sd3"].part, MODELS["sdxl"].part}
    assert json.dumps(ReleasedBackend("show-o-512", "cpu").weights)


def test_turbo_is_drawn_from_as_few_codes_as_its_authors_draw_from():
    assert ReleasedBackend("show-o", "cpu").top_k == {"turbo": 200}
    assert ReleasedBackend("show-o-512", "cpu").top_k == {"turbo": 500}


@pytest.mark.parametrize(("name", "tokens"), [("show-o", 256), ("show-o-512", 1024)])
def test_a_generator_has_as_many_tokens_as_its_backend_whatever_its_config_says(name, tokens, monkeypatch, tmp_path):
    """Otherwise a checkpoint of 512 pixels whose config says 256 tokens runs at 256 x 256, silently."""
    stored = Stored()
    monkeypatch.setattr(Showo, "from_pretrained", lambda source, **_: stored)
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, ("config.json", "model.safetensors")))
    ReleasedBackend(name, "cpu")._load_showo("base")
    assert stored.changed == {"num_vq_tokens": tokens}


@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float32), ("cuda", torch.float16)])
def test_the_image_tokenizer_keeps_its_grey_levels(device, dtype, monkeypatch, tmp_path):
    """bfloat16 has eight bits of mantissa: as many grey levels would be lost."""
    asked = []
    monkeypatch.setattr(MagvitV2, "from_pretrained", lambda source, torch_dtype: asked.append(torch_dtype))
    monkeypatch.setattr(hub, "snapshot_download", Hub(tmp_path, ("config.json", "model.safetensors")))
    ReleasedBackend("show-o", device)._load_magvit()
    assert asked == [dtype]
