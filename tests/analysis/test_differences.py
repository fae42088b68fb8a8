"""Two experiments compared number by number."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
from made_statistics import counted, varied

from pipeline_src.analysis import differences as module
from pipeline_src.analysis import resampling
from pipeline_src.analysis.differences import (
    DIFFERENT,
    SAME,
    UNDECIDED,
    MetricDifference,
    metric_differences,
    seed_pairs,
)
from pipeline_src.analysis.intervals import interval
from pipeline_src.analysis.resampling import key_of

measure_protocols = partial(resampling.measure_protocols, resamples=200)  # a run takes a second with all of them


@cache
def maps(sharp: float = 2.0, seed: int = 0, count: int = 12):
    return counted(varied(count, seed, sharp=sharp), whole=False)


def cell(cells: list[MetricDifference], metric: str, protocol: str = "raw") -> MetricDifference:
    (found,) = (item for item in cells if (item.metric, item.protocol) == (metric, protocol))
    return found


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RESAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def sharper() -> list[MetricDifference]:
    return metric_differences("photos", "baseline", 10, [(0, 0)], {0: maps(1.2)}, {0: maps(2.0)})


def test_equal_statistics_are_the_same_and_need_no_resamples():
    cells = metric_differences("photos", "baseline", 10, [(0, 0)], {0: maps()}, {0: maps()})
    assert len(cells) > 30 and {item.protocol for item in cells} == {"raw", "stretched"}
    assert all((item.verdict, item.a, item.effect) == (SAME, item.b, None) for item in cells)


def test_what_is_surer_of_itself_is_different(sharper):
    ece, accuracy, nll = (cell(sharper, metric) for metric in ("ece", "accuracy", "nll"))
    assert ece.verdict == DIFFERENT and ece.b > ece.a  # decided by the debiased square
    assert accuracy.verdict == SAME  # a sharper map has the same classes
    assert nll.verdict == DIFFERENT and nll.effect.low > 0
    assert nll.effect.value == pytest.approx(nll.b - nll.a)


def test_differences_are_paired_by_image(sharper):
    """The interval is that of the differences on the same resamples of the images."""
    first, two = (measure_protocols(maps(sharp), 10, key_of("photos"))["raw"].values["nll"][0] for sharp in (1.2, 2.0))
    found = cell(sharper, "nll").effect
    assert (found.image_low, found.image_high) == pytest.approx(interval(found.value, two - first, 12))


@pytest.mark.slow
def test_other_images_are_independent():
    """As many images by other names, whose errors are alike: on the same draws their difference would hardly vary."""
    renamed = counted(((f, y, f"x{name}") for f, y, name in varied(12, sharp=2.0)), whole=False)
    other = cell(metric_differences("photos", "baseline", 10, [(0, 0)], {0: maps(1.2)}, {0: renamed}), "brier")
    of_a, of_b = (measure_protocols(item, 10, 7)["raw"].values["brier"][0] for item in (maps(1.2), maps(2.0)))
    assert np.std(of_b - of_a) < 0.5 * of_a.std()
    assert other.effect.resampled.std() == pytest.approx(np.hypot(of_a.std(), of_b.std()), rel=0.15)
    assert other.verdict == UNDECIDED


def test_seeds_are_paired():
    assert seed_pairs([0, 1, 2], [2, 0], pooled=False) == [(0, 0), (2, 2)]
    assert seed_pairs([1, 0], [5, 7, 6], pooled=False) == [(0, 5), (1, 6)]
    assert seed_pairs([0], [2, 0], pooled=True) == [(0, 0), (0, 2)]


def test_groups_of_one_side_are_those_of_both():
    groups = np.repeat(np.arange(4), 3)
    both = cell(
        metric_differences("photos", "m", 10, [(0, 0)], {0: maps(1.2)}, {0: maps(2.0)}, (groups, groups)), "brier"
    ).effect
    assert both.units == 4
    for sides in ((groups, None), (None, groups)):
        effect = cell(
            metric_differences("photos", "m", 10, [(0, 0)], {0: maps(1.2)}, {0: maps(2.0)}, sides), "brier"
        ).effect
        assert (effect.units, effect.image_low, effect.image_high) == (4, both.image_low, both.image_high)


def test_one_group_has_no_interval():
    groups = np.zeros(12, np.int64)
    brier = cell(
        metric_differences("photos", "baseline", 10, [(0, 0)], {0: maps(1.2)}, {0: maps(2.0)}, (groups, groups)),
        "brier",
    )
    assert brier.verdict == UNDECIDED and np.isnan(brier.effect.low)
