"""The border of objects, their interior and the background."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.regions import RegionStatistics, regions
from pipeline_src.counting.statistic import Statistic


def test_regions_by_distance():
    truth = np.zeros((9, 21), np.uint8)
    truth[:, 10:] = 1
    truth[0] = 255
    parts = regions(truth, width=2)
    assert np.flatnonzero(parts["border"][4]).tolist() == [8, 9, 10, 11]
    assert np.flatnonzero(parts["interior"][4]).tolist() == list(range(12, 21))
    assert np.flatnonzero(parts["background"][4]).tolist() == list(range(8))
    assert not any(part[0].any() for part in parts.values())
    assert not regions(np.zeros((4, 4), np.uint8))["border"].any()

    statistic = RegionStatistics(width=2)
    f = np.linspace(0.2, 0.8, truth.size, dtype=np.float32).reshape(truth.shape)
    statistic.add(f, truth, "a")
    whole = Statistic.empty()
    whole.add(f, truth, "a")
    for protocol in ("raw", "stretched"):  # each region is stretched as the map is, not by itself
        total = sum(getattr(s, protocol).count for s in statistic.by_name.values())
        assert np.array_equal(total, getattr(whole, protocol).count)
