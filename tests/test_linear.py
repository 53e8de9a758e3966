"""Matrix products by the faster library: the same numbers, and the same for a row whatever its company."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cotdemo.compute import linear


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Linear(192, 384), torch.randn(600, 192)


@torch.inference_mode()
def test_products_agree_with_torch(layer):
    module, x = layer
    expected = module(x)
    linear.use_onednn(module)
    torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear.linear(x, module.weight), F.linear(x, module.weight), rtol=1e-5, atol=1e-5)
    with linear.as_torch_does():
        assert torch.equal(module(x), expected)


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 2, 5, 66, 67, 528])
@pytest.mark.parametrize("first", [0, 33])
def test_a_row_is_the_same_whatever_its_company(layer, rows, first):
    module, x = layer
    if linear._by_onednn is None:
        pytest.skip("this processor has no AVX-512, so that the products are torch's own")
    some = linear.linear(x[first : first + rows], module.weight, module.bias)
    assert torch.equal(some, linear.linear(x, module.weight, module.bias)[first : first + rows])


def test_gradients_and_autocast_are_torchs_own(layer):
    module, x = layer
    linear.use_onednn(module)
    module(x).sum().backward()
    assert module.weight.grad is not None
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert module(x).dtype == torch.bfloat16


def test_no_rows_give_no_rows(layer):
    module, x = layer
    linear.use_onednn(module)
    with torch.no_grad():
        assert module(x[:0]).shape == (0, 384)
