"""The bootstrap: exact for 8-bit maps, close for float maps, covering, keyed, fast."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_statistics import counted, of_scenes, scene, summaries, varied
from scipy import stats
from threadpoolctl import threadpool_limits

from pipeline_src.analysis.intervals import interval, percentiles
from pipeline_src.analysis.resampling import image_means, key_of, measure, measure_protocols
from pipeline_src.metrics.registry import METRICS, OVER


def drawn(images: int, resamples: int, key: int) -> list[np.ndarray]:
    """The images of each resample."""
    generator = np.random.Generator(np.random.PCG64(key))
    return [generator.integers(0, images, images) for _ in range(resamples)]


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_resample_is_the_statistic_of_the_images_drawn(kind):
    images = list(varied(12, kind=kind))
    resampled = measure_protocols(counted(images), 10, key=4, resamples=3)
    again = [
        summaries(counted((*images[i][:2], f"{n}-{images[i][2]}") for n, i in enumerate(chosen)))
        for chosen in drawn(12, 3, 4)
    ]
    for protocol, run in resampled.items():
        for name, point in run.points.items():
            expected = np.array([summary[protocol][0].get(name, np.nan) for summary in again])
            if METRICS[name].input.centred:
                expected += point - expected.mean()
            close = 3e-3 if kind == "float32" or METRICS[name].input.few else 1e-9
            assert run.values[name][0] == pytest.approx(expected, abs=close), name


def test_images_that_are_wholly_ignored_are_not_drawn():
    """They tell nothing: intervals are those of the others alone, and so is their number."""
    images = list(varied(12))
    ignored = [(f, np.full_like(y, 255), f"!{name}") for f, y, name in varied(20, seed=1)]

    def run(some, groups=None):
        return measure_protocols(counted(some, whole=False), 10, key=4, resamples=50, groups=groups)["raw"]

    alone = run(images)
    expected = {name: ends and pytest.approx(ends, abs=1e-12) for name, ends in alone.intervals().items()}
    first = [*ignored[:3], *images]
    for measured in (alone, run([*images, *ignored]), run(first), run(first, groups=np.arange(15))):
        assert measured.units == 12 and measured.intervals() == expected


def test_the_interval_of_a_part_that_is_0_in_nearly_all_resamples_holds_0():
    """Four pixels of 0.75 in each image, of which two or four are right: overconfident in few resamples."""
    f, labels = np.float32([[0.75] * 4]), [np.uint8([[1, 1, 0, 0]])] * 13 + [np.uint8([[1, 1, 1, 1]])] * 27
    run = measure_protocols(counted(((f, y, f"{k:02d}") for k, y in enumerate(labels)), whole=False), 10, key=0)["raw"]
    assert run.points[OVER] == 0 < percentiles(run.values[OVER][0], 40)[0], "centred on their mean they lie above 0"
    low, high = run.intervals()[OVER]
    assert low <= 0 < high < 3 * run.values[OVER].max()


def test_draws_depend_on_the_key_and_not_on_the_order_of_images():
    images = list(varied(10))
    a, b = (measure_protocols(counted(run), 10, key=0, resamples=50)["raw"] for run in (images, reversed(images)))
    assert a.intervals() == b.intervals()
    assert a.intervals() != measure_protocols(counted(images), 10, key=1, resamples=50)["raw"].intervals()
    assert key_of("ECSSD") != key_of("SOD")


def test_bits_do_not_depend_on_the_number_of_threads():
    """Images enough for BLAS to share a product out."""
    rng = np.random.default_rng(0)
    maps = [(rng.random((24, 24), np.float32), rng.integers(0, 2, (24, 24), np.uint8), str(k)) for k in range(300)]
    statistic, values = counted(maps, whole=False), []
    for threads in (1, 2):
        with threadpool_limits(threads):
            values.append(measure_protocols(statistic, 10, key=1, resamples=200)["raw"].values)
    assert all(np.array_equal(single, values[1][name], equal_nan=True) for name, single in values[0].items())


def test_a_metric_that_a_resample_can_lack_has_no_interval():
    """F of images of which one has foreground."""
    images = [(f, np.zeros_like(y), name) for f, y, name in varied(5)]
    images[0] = next(varied(1))
    intervals = measure_protocols(counted(images), 10, key=0, resamples=50)["raw"].intervals()
    assert intervals["max_f"] is None and intervals["ece"] is not None


def test_means_over_resampled_images():
    values = np.random.default_rng(0).random((700, 2))
    values[::3, 1] = np.nan
    means = image_means(values, key=5, resamples=4)
    for k, chosen in enumerate(drawn(700, 4, 5)):
        assert means[k] == pytest.approx(np.nanmean(values[chosen], axis=0), abs=1e-12)


def test_percentiles_are_as_far_out_as_students_t():
    values = np.arange(101.0)
    for units, tail in ((10, 0.00855064), (50, 0.02117941), (10**9, 0.025)):
        assert percentiles(values, units) == pytest.approx((100 * tail, 100 - 100 * tail), abs=1e-5)
    tail = stats.norm.cdf(-math.sqrt(23 / 22) * stats.t.ppf(0.975, 22))
    assert percentiles(values, 23) == pytest.approx(np.quantile(values, [tail, 1 - tail]), rel=1e-9)
    assert percentiles(np.array([0, np.nan]), 5) is None


def test_the_interval_of_a_skewed_mean_is_johnsons():
    resampled, t = np.random.default_rng(1).gamma(16, 1, 10**6), math.sqrt(30 / 29) * stats.t.ppf(0.975, 29)
    low, high = interval(16.0, resampled, 30)
    assert high == pytest.approx(16 + 4 * (t + 0.5 * (2 * t**2 + 1) / 6), abs=0.1)  # of skewness 2 / sqrt(16)
    assert low == percentiles(resampled, 30)[0], "the shorter tail is as it was"
    assert interval(-16.0, -resampled, 30) == pytest.approx((-high, -low))
    assert interval(16.0, resampled, 30, (12, 20)) == (12, 20)
    assert interval(16.0, np.append(resampled, np.nan), 30) is None
    rare = np.append(np.zeros(999), 1.0)  # with a skewness of 32
    assert interval(0.0, rare, 30)[1] < 10 * rare.std()
    assert interval(0.5, np.full(100, 0.5), 30) == (0.5, 0.5)


def test_images_of_a_group_are_drawn_together():
    """As drawing whole groups by hand: the number of images varies, and metrics are those of the images drawn."""
    images, groups = list(varied(7, kind="uint8")), np.array([0, 0, 0, 1, 1, 2, 2])
    resampled = measure_protocols(counted(images), 10, key=4, resamples=6, groups=groups)["raw"]
    sizes = set()
    for k, chosen in enumerate(drawn(3, 6, 4)):
        together = [i for group in chosen for i in np.flatnonzero(groups == group)]
        sizes.add(len(together))
        again, _ = summaries(counted((*images[i][:2], f"{n}") for n, i in enumerate(together)))["raw"]
        for name in ("ece", "accuracy", "brier", "max_f"):
            assert resampled.values[name][0, k] == pytest.approx(again[name], abs=1e-9), name
    assert len(sizes) > 1


def test_a_single_group_has_no_intervals():
    """Nothing is known of how groups differ; an interval of no width would say that all is known."""
    for images, groups in ((5, np.zeros(5, np.int64)), (1, None)):
        single = measure_protocols(counted(varied(images)), 10, 0, 20, groups)["raw"]
        assert single.points["ece"] > 0 and set(single.intervals().values()) == {None}
    several = measure_protocols(of_scenes((scene(k) for k in range(3)), 5), 10, 0, 20, np.zeros(3, np.int64))["raw"]
    assert set(several.intervals().values()) == {None}


def test_sums_beyond_int64_give_the_intervals_of_fewer_pixels():
    """Images whose pixels are repeated have the same means; their sums over 24 images are up to 24 * 2**61."""
    counts, names = counted(varied(24), whole=False)["raw"], ("accuracy", "brier", "nll", "gap")
    factor = 2**61 // int(counts.images.table.max())
    histogram, images = counts.histogram, replace(counts.images, table=counts.images.table * factor)
    histogram = replace(histogram, count=histogram.count * factor, position=histogram.position * factor)
    many = replace(counts, histogram=histogram, images=images)
    expected, found = (measure(run, 10, 0, 200, names).intervals() for run in (counts, many))
    assert found == {name: pytest.approx(pair, rel=1e-9) for name, pair in expected.items()}


@pytest.mark.parametrize("groups", [None, np.arange(24) // 2])
def test_intervals_count_the_images_that_have_the_metric(groups):
    """Images without foreground have no F: 16 of 24, which are 8 of 12 groups."""
    images = [(f, y * (k < 8), name) for k, (f, y, name) in enumerate(varied(24))]
    resampled = measure_protocols(counted(images, whole=False), 10, 0, 100, groups)["raw"]
    units = 8 if groups is None else 4
    assert resampled.present == dict.fromkeys(["max_f", "mean_f", "ap", "auc"], units)
    ends = resampled.intervals()
    for name in resampled.present:
        assert ends[name] == interval(resampled.points[name][0], resampled.values[name][0], units, (0, 1))
    nll = resampled.points["nll"][0], resampled.values["nll"][0], 24 if groups is None else 12
    assert ends["nll"] == interval(*nll, (0, np.inf))
