"""Whiskers of reliability diagrams: they cover other images and networks, and are left out where little is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from pipeline_src.analysis.accuracy_band import band_of_sums
from pipeline_src.analysis.intervals import interval

IMAGES, SEEDS = 40, 3


def test_a_bin_of_few_images_has_no_band():
    """Nine images of a hundred, however many pixels they have there; of two images, one; of one seed, nine."""
    sums = np.array([[90, 100, 80, 95], [90, 100, 81, 94]] * 20, float)  # of two bins
    few = [(100, [[9, 10]], [False, True]), (2, [[1, 2]], [False, True]), (100, [[90, 10], [9, 80]], [False, True])]
    for units, filled, known in few:
        band = band_of_sums(sums[: len(filled)], sums, np.array(filled), units)
        assert (~np.isnan(band[:, 0])).tolist() == [*known, True]


def test_a_bin_that_a_seed_does_not_reach_has_no_band():
    """How accurate its network is there, is not known."""
    whole = np.array([[90.0, 100, 80, 95], [0, 100, 0, 90]])
    band = band_of_sums(whole, whole[[0] * 20] + whole[[1] * 20], np.array([[50, 50], [0, 50]]), 50)
    assert np.isnan(band[0]).all() and not np.isnan(band[1:]).any()


def test_images_and_seeds_add_in_squares():
    """A bin in which all resamples are alike has the training part alone, and another one both, by hand."""
    whole = np.array([[100.0, 100, 90, 70], [100, 100, 92, 80], [100, 100, 97, 75]])  # of two bins
    drawn = np.tile(whole.sum(axis=0), (200, 1))
    drawn[:, 3] += np.linspace(-9, 9, 200)
    band = band_of_sums(whole, drawn, np.full((3, 2), 50), 50)
    training = [t.ppf(0.975, 2) * np.std(of, ddof=1) / math.sqrt(3) for of in ([0.9, 0.92, 0.97], [0.7, 0.8, 0.75])]
    assert band[0] == pytest.approx([0.93 - training[0], 1])  # 1.02 without the end of the range
    images = interval(0.75, drawn[:, 3] / 300, 50)
    assert band[1] == pytest.approx(
        [0.75 + sign * math.hypot(0.75 - end, training[1]) for sign, end in zip((-1, 1), images, strict=True)]
    )
