"""The border of objects, their interior and the background."""

from __future__ import annotations

import numpy as np
import pytest
from made_statistics import varied

from pipeline_src.counting.image_pixels import REGIONS, regions
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.summary import summary


def test_regions_by_distance():
    truth = np.zeros((9, 21), np.uint8)
    truth[:, 10:] = 1
    truth[0] = 255
    parts = regions(truth, width=2)
    assert np.flatnonzero(parts["border"][4]).tolist() == [8, 9, 10, 11]
    assert np.flatnonzero(parts["interior"][4]).tolist() == list(range(12, 21))
    assert not any(part[0].any() for part in parts.values())
    assert not regions(np.zeros((4, 4), np.uint8))["border"].any()

    f = np.linspace(0.2, 0.8, truth.size, dtype=np.float32).reshape(truth.shape)
    of_regions, of_map = MapCounts.empty(regions=REGIONS, border=2), MapCounts.empty()
    of_regions.add(f, truth, "a")
    of_map.add(f, truth, "a")
    foreground = sum(region.stretched.count for region in of_regions.regions.values())[:, :, 1]
    assert np.array_equal(foreground, of_map.stretched.count[:, :, 1])  # regions are normalized as the map is


def shapes(count: int, kind: str = "uint8"):
    """Maps of a disc of another size in each, over-confident near its border."""
    yy, xx = np.mgrid[:40, :50]
    for k, (f, _, name) in enumerate(varied(count, kind=kind, shape=(40, 50))):
        yield f, (np.hypot(yy - 20, xx - 25) < 9 + k).astype(np.uint8), name


def evaluated(images, width: float = 5) -> MapCounts:
    """A statistic as evaluation makes it."""
    statistic = MapCounts.empty(regions=REGIONS, border=width)
    for f, y, name in images:
        statistic.add(f, y, name)
    return statistic


def plain(images) -> dict[str, float]:
    """ECE and OE by region from all pixels, by distances to every pixel of the other class."""
    found = {region: ([], []) for region in REGIONS}
    for v, y, _ in images:
        points = [np.argwhere(y == label) for label in (0, 1)]
        away = np.empty(y.shape)
        for own, other in (points, points[::-1]):
            away[tuple(own.T)] = np.sqrt(((own[:, None] - other) ** 2).sum(axis=2)).min(axis=1)
        p = v / 255
        for region, within in (("border", away <= 5), ("interior", (y == 1) & (away > 5))):
            found[region][0].append(np.maximum(p, 1 - p)[within])
            found[region][1].append(((p >= 0.5) == y)[within])
    values = {}
    for region, (confidence, right) in found.items():
        c, r = np.concatenate(confidence), np.concatenate(right)
        index = np.ceil(c * 10 - 1e-9)
        gaps = [((index == k).mean(), c[index == k].mean(), r[index == k].mean()) for k in np.unique(index)]
        values[f"{region}_ece"] = sum(share * abs(score - hits) for share, score, hits in gaps)
        values[f"{region}_oe"] = sum(share * score * max(score - hits, 0) for share, score, hits in gaps)
    return values


def test_metrics_of_regions_are_those_of_their_pixels():
    images = list(shapes(5))
    values, _ = summary(ProtocolCounts.by_protocol(evaluated(images))["raw"])
    expected = plain(images)
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert len({round(value, 4) for value in (*expected.values(), values["ece"], values["oe"])}) == 6
