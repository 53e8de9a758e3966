"""Where the released backends take their weights from, without a network."""

from __future__ import annotations

import pytest

from cotdemo.backends import RELEASED, ReleasedBackend
from cotdemo.errors import UserError
from cotdemo.generator.showo import Showo
from cotdemo.settings import offers, verifier_of


@pytest.mark.parametrize("name", RELEASED)
def test_all_that_is_offered_has_a_place_on_the_hub(name):
    offered = [offer for offer in offers(name) if offer.offered]
    assert {offer.model for offer in offered} == set(RELEASED[name].generators)
    assert {verifier_of(offer.method) for offer in offered} == set(RELEASED[name].judges)


@pytest.mark.parametrize(
    "name, model, place",
    [
        ("show-o", "base", ("showlab/show-o", None)),
        ("show-o", "dpo", ("ZiyuG/Image-Generation-CoT", "dpo")),
        ("show-o", "dpo-iter", ("ZiyuG/Image-Generation-CoT", "dpo_iter")),
        ("show-o", "dpo-iter-parm", ("ZiyuG/Image-Generation-CoT", "dpo_iter_parm_gudie")),  # spelt so
        ("show-o-512", "base", ("showlab/show-o-512x512", None)),
    ],
)
def test_a_generator_comes_from_its_own_folder(name, model, place, monkeypatch):
    asked = []
    monkeypatch.setattr(
        Showo, "from_pretrained", lambda source, subfolder=None, **_: asked.append((source, subfolder)) or "showo"
    )
    backend = ReleasedBackend(name, "cpu")
    assert backend._load_showo(model) == "showo" and asked == [place]
    assert "/".join(filter(None, place)) in backend.weights.values()


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(Showo, "from_pretrained", fail)
    with pytest.raises(UserError, match="dpo.*could not be downloaded.*--backend mini"):
        ReleasedBackend("show-o", "cpu")._load_showo("dpo")
