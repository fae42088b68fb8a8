"""Resizing by matrix products, which CUDA uses, has values and gradients of `F.interpolate`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from pipeline_src.training.models import modules
from pipeline_src.training.models.modules import ASLPHead
from pipeline_src.training.pixels import bilinear_weights, resized, resized_by_products

SIZES = [
    ((12, 12), (24, 24)),
    ((96, 96), (400, 300)),
    ((40, 40), (31, 28)),
    ((7, 9), (14, 17)),
    ((5, 1), (1, 4)),
    ((6, 5), (6, 5)),
]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """With one thread torch 2.15 rounds positions otherwise than with two, by up to 6e-6 in a result."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    bilinear_weights.cache_clear()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "large"), SIZES)
def test_products_equal_interpolation(small, large, align_corners):
    torch.manual_seed(0)
    x = torch.rand(2, 3, *small, requires_grad=True)
    expected = F.interpolate(x, large, mode="bilinear", align_corners=align_corners)
    found = resized_by_products(x, large, align_corners)
    weights = torch.rand_like(expected) * small[0] * small[1] / (large[0] * large[1])
    gradients = [torch.autograd.grad(y, x, weights)[0] for y in (expected, found)]
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    # Positions in a line of n pixels are float32, off by up to n / 2^23: torch 2.15 rounds them otherwise in the
    # gradient, which then differs by 2e-6.
    assert torch.allclose(*gradients, rtol=0, atol=max(1e-6, max(small) * 2.0**-23))
    assert torch.equal(resized(x, large, align_corners), expected)  # a CPU keeps its bits


def test_weights_of_a_prediction_serve_a_later_training():
    with torch.inference_mode():
        resized_by_products(torch.rand(1, 1, 9, 9), (11, 11))
    x = torch.rand(1, 1, 9, 9, requires_grad=True)
    resized_by_products(x, (11, 11)).sum().backward()
    assert x.grad.sum() == pytest.approx(121, rel=1e-5)


def test_half_precision_is_resized_in_float32():
    x = torch.rand(1, 2, 24, 24).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = resized_by_products(x, (50, 50))
    expected = F.interpolate(x.float(), (50, 50), mode="bilinear").bfloat16()
    assert found.dtype == torch.bfloat16
    assert (found - expected).abs().max() <= 2**-8  # one unit in the last place


def test_the_decoder_of_the_paper_takes_either(monkeypatch):
    torch.manual_seed(0)
    head = ASLPHead(
        (4, 6, 8, 10),
        channels=3,
        width=8,
        hidden=5,
        in_index=[0, 1, 2, 3],
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        dropout_ratio=0,
    )
    levels = [torch.randn(2, c, size, size) for c, size in zip((4, 6, 8, 10), (25, 13, 7, 4), strict=True)]
    expected = head([level.clone() for level in levels])
    sizes = []

    def noted(x, size, align_corners=False):
        sizes.append((tuple(size), align_corners))
        return resized_by_products(x, size, align_corners)

    monkeypatch.setattr(modules, "resized", noted)
    found = head(levels)
    assert torch.allclose(found, expected, atol=1e-6)
    assert sizes == [((7, 7), True), ((13, 13), True), ((25, 25), True), ((50, 50), True), ((100, 100), False)]
