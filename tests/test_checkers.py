"""Both checkers against the figures the README gives (``checker_figures``), on fewer pictures."""

from __future__ import annotations

import checker_figures as figures
import numpy as np
import pytest

COUNT = 240


@pytest.fixture(params=figures.CHECKERS)
def read(request):
    return figures.CHECKERS[request.param]


def test_clean_scenes_are_recovered(read):
    assert figures.clean(read, COUNT) >= 0.995


def test_scenes_are_recovered_from_the_tokenizers_reconstructions(read):
    assert figures.reconstructed(read, COUNT) >= 0.97


def test_the_scoring_checker_recovers_blurred_and_distorted_scenes():
    assert figures.distorted(figures.CHECKERS["B"], COUNT) >= 0.97


@pytest.mark.parametrize("through_a_tokenizer", [False, True])
def test_scenes_with_one_fault_are_rejected(read, through_a_tokenizer):
    rejected = figures.rejected(read, through_a_tokenizer, COUNT)
    assert np.mean(list(rejected.values())) >= 0.99
    assert min(rejected.values()) >= 0.9, rejected
