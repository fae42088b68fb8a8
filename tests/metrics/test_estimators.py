"""Sorted, debiased, smooth and ranking metrics against plain computations on all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from made_statistics import counted, one
from scipy.fft import dct

from pipeline_src.counting.bins import Bins, top_label
from pipeline_src.metrics import estimators
from pipeline_src.metrics.registry import METRICS, value


@pytest.fixture(scope="module", params=["float32", "uint8"])
def pixels(request):
    """Counts, with float64 confidence, whether right, probability and label of each pixel."""
    rng = np.random.default_rng(11)
    f = 1 / (1 + np.exp(-rng.normal(0.5, 2.5, 6000)))
    y = (rng.random(6000) < f**3).astype(np.uint8)
    f = f.astype(np.float32) if request.param == "float32" else np.uint8(np.round(f * 255))
    counts = one(f, y)["raw"]
    exact = f.astype(np.float64) / (1 if request.param == "float32" else 255)
    return counts, np.maximum(exact, 1 - exact), ((exact >= 0.5) == y).astype(float), exact, y


def equal_mass_plain(confidence, right, groups):
    """The gap of equal-mass groups, with every pixel replaced by the mean of those tied with it."""
    _, tie = np.unique(np.round(confidence * 255 * 2**20).astype(np.int64), return_inverse=True)
    right = (np.bincount(tie, right) / np.bincount(tie))[tie]
    order = np.argsort(tie, kind="stable")
    # each pixel cut into `groups` equal pieces: the groups hold whole numbers of pieces then
    pieces = [np.repeat(a[order], groups).reshape(groups, -1).sum(axis=1) / groups for a in (confidence, right)]
    return np.abs(pieces[0] - pieces[1]).sum() / len(right)


@pytest.mark.parametrize("groups", [1, 7, 10, 15])
def test_equal_mass_on_sorted_pixels(pixels, groups):
    counts, confidence, right, _, _ = pixels
    exact = np.allclose(confidence * 255 % 1, 0, atol=1e-6)
    plain = equal_mass_plain(confidence, right, groups)
    assert value("ece_equal_mass", counts, groups) == pytest.approx(plain, abs=1e-9 if exact else 1e-3)


def test_sweep_ends_before_the_first_number_of_groups_that_is_not_monotone():
    rng, ends = np.random.default_rng(0), set()
    for cells in (2, 5, 30, 100) * 20:
        score, count = (np.arange(cells) + 0.5) / cells, rng.integers(1, 50, cells)
        hits = np.round(count * score ** rng.random()).astype(int)
        rank, right = (np.concatenate([[0], np.cumsum(a)]) for a in (count, hits))
        groups = 1
        while groups < cells:
            shares = np.diff(np.interp(np.linspace(0, rank[-1], groups + 2), rank, right))
            if np.any(np.diff(shares) < -1e-9):
                break
            groups += 1
        ends.add(groups)
        assert estimators.sweep_groups(Bins(count, hits, count * score, count * score - hits)) == groups
    assert min(ends) < 5 and max(ends) > 40


def test_debiased_over_images_by_hand():
    """Two images of two pixels of confidence 0.75 each: excesses 0.5 and -0.5, so that V = 2/1 (0.25 + 0.25)."""
    counts = counted([(np.float32([[0.75, 0.75]]), np.array([[1, right]], np.uint8), f"{right}") for right in (0, 1)])[
        "raw"
    ]
    assert value("squared_error", counts) == pytest.approx((0 - 1) / 4 / 4)
    assert value("ece_debiased", counts) == 0
    assert value("ece_floor", counts) == pytest.approx(np.sqrt(2 / np.pi) / 4)
    assert value("squared_overconfidence", counts) == 0, "no bin is overconfident"
    # Both wrong to the same degree: no variance over images, and the squared error is the squared gap.
    alike = counted([(np.float32([[0.75, 0.75]]), np.array([[1, 0]], np.uint8), name) for name in "ab"])["raw"]
    assert value("squared_error", alike) == pytest.approx(0.25**2)
    assert (value("ece_debiased", alike), value("ece_floor", alike)) == (pytest.approx(0.25), 0)


def test_the_squared_error_is_that_of_over_confident_bins_and_of_others():
    """Three images of a pixel of 0.75 that is wrong in two of them, and of one of 0.95 that is always right."""
    images = [(np.float32([[0.75, 0.95]]), np.array([[y, 1]], np.uint8), str(k)) for k, y in enumerate((0, 0, 1))]
    counts = counted(images)["raw"]
    gap = 0.75 - 1 / 3
    variance = 3 / 2 * sum((0.75 - y - gap) ** 2 for y in (0, 0, 1))
    over = ((3 * gap) ** 2 - variance) / 3 / 6
    assert value("squared_overconfidence", counts) == pytest.approx(over)
    assert value("squared_error", counts) == pytest.approx(over + 0.05**2 / 2, rel=1e-5)


def smoothed_plain(confidence, right, sigma, points=4000):
    """The definition, pixel by pixel: Gaussians and their mirror images at 0 and 1, integrated by the midpoint rule."""
    t = (np.arange(points) + 0.5) / points
    total = np.zeros(points)
    for c, r in zip(confidence, confidence - right, strict=True):
        for image in (c, -c, 2 - c):
            total += r * np.exp(-((t - image) ** 2) / 2 / sigma**2)
    return np.abs(total).mean() / np.sqrt(2 * np.pi) / sigma / len(right)


def smoothed(cells, sigma):
    """The same from cells, as the metric computes it at every width that it tries."""
    spectrum = dct(cells.excess) / cells.pixels[..., None]
    return estimators.smoothed_error(spectrum, np.full(cells.pixels.shape, sigma))


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_smooth_ece_by_its_definition(pixels, sigma):
    _, confidence, right, exact, y = pixels
    part = slice(0, 400)
    counts = one(exact[part].astype(np.float32), y[part])["raw"]
    cells = top_label(counts.histogram, METRICS["smooth_ece"].input.cells)
    plain = smoothed_plain(confidence[part], right[part], sigma)
    assert float(smoothed(cells, sigma)) == pytest.approx(plain, rel=2e-3)
    width = value("smooth_ece", counts)
    assert smoothed_plain(confidence[part], right[part], width) == pytest.approx(width, rel=2e-3)


def test_smooth_ece_against_its_authors_package(pixels):
    relplot = pytest.importorskip("relplot", reason="the relplot package is not installed")
    counts, confidence, right, _, _ = pixels
    # its search ends within 1/1024 of the width and it evaluates on 200 points
    assert value("smooth_ece", counts) == pytest.approx(relplot.smECE(confidence, right), abs=1e-3)
