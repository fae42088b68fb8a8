"""Ties between methods are decided by the images and not by rounding."""

from __future__ import annotations

import numpy as np

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting.statistic import Statistic


def test_values_that_are_0_on_resamples_are_exactly_0():
    """One image is over-confident: OE is 0 on the resamples without it, and nowhere almost 0."""
    for seed in range(6):
        rng, statistic = np.random.default_rng(seed), Statistic.empty()
        for number in range(5):
            f = rng.uniform(0.51, 0.99, (9, 11)).astype(np.float32)
            truth = (rng.random(f.shape) < (0.6 if number == 0 else 1)).astype(np.uint8)
            statistic.add(f, truth, str(number))
        values = resample(statistic, 10, key=seed, resamples=40)["raw"].values["oe"]
        assert (values == 0).any() and (values > 1e-3).any()
        assert not ((values != 0) & (abs(values) < 1e-9)).any()
