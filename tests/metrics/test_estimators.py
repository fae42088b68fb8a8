"""Sorted, debiased, smooth and ranking metrics against plain computations on all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_statistics import counted, of_scenes, one, scene, summaries

from pipeline_src.counting.score_histogram import Bins, top_label
from pipeline_src.metrics import estimators, smooth_ece
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import value


def bound(name, counts, bins=10):
    metric = METRICS[name]
    return float(metric.bound(*metric.input.exact(ProtocolCounts(None, counts), bins)))


@pytest.fixture(scope="module", params=["float32", "uint8"])
def pixels(request):
    """Counts, with float64 confidence, whether right, probability and label of each pixel."""
    rng = np.random.default_rng(11)
    f = 1 / (1 + np.exp(-rng.normal(0.5, 2.5, 6000)))
    y = (rng.random(6000) < f**3).astype(np.uint8)
    f = f.astype(np.float32) if request.param == "float32" else np.uint8(np.round(f * 255))
    counts = one(f, y).raw
    exact = f.astype(np.float64) / (1 if request.param == "float32" else 255)
    return counts, np.maximum(exact, 1 - exact), ((exact >= 0.5) == y).astype(float), exact, y


def equal_mass_plain(confidence, right, groups):
    """Gaps and hit rates of equal-mass groups, with every pixel replaced by the mean of those tied with it."""
    _, tie = np.unique(np.round(confidence * 255 * 2**20).astype(np.int64), return_inverse=True)
    right = (np.bincount(tie, right) / np.bincount(tie))[tie]
    order = np.argsort(tie, kind="stable")
    # each pixel cut into `groups` equal pieces: the groups hold whole numbers of pieces then
    pieces = [np.repeat(a[order], groups).reshape(groups, -1).sum(axis=1) / groups for a in (confidence, right)]
    return np.abs(pieces[0] - pieces[1]).sum() / len(right), pieces[1]


@pytest.mark.parametrize("groups", [1, 7, 10, 15])
def test_equal_mass_on_sorted_pixels(pixels, groups):
    counts, confidence, right, _, _ = pixels
    plain, _ = equal_mass_plain(confidence, right, groups)
    limit = bound("ece_equal_mass", counts, groups) if groups > 1 else 0
    exact = counts.count[:, :, :].any() and np.allclose(confidence * 255 % 1, 0, atol=1e-6)
    assert value("ece_equal_mass", counts, groups) == pytest.approx(plain, abs=1e-9 if exact else limit + 1e-9)
    assert limit < 0.03


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
        assert estimators.sweep_groups(Bins(count, hits, count * score, count * score - hits))[1] == groups
    assert min(ends) < 5 and max(ends) > 40


def test_debiased_by_its_formula(pixels):
    counts, confidence, right, _, _ = pixels
    root, authors = 0.0, 0.0
    for bins in (10, 100):
        index = np.ceil(confidence * bins - 1e-9)
        for k in np.unique(index):
            c, a = confidence[index == k], right[index == k]
            n, gap = len(c), c.mean() - a.mean()
            noise = np.array([a.mean() * (1 - a.mean()), c.mean() * (1 - c.mean())]) / (n - 1 if n > 1 else np.inf)
            if bins == 10:
                root += n / len(right) * (gap**2 - noise[0])
            else:
                authors += n / len(right) * (gap**2 - noise[1])
    assert value("ece_debiased_pixels", counts) == pytest.approx(np.sqrt(root), abs=1e-9)
    assert value("ece_debiased_authors", counts) == pytest.approx(authors, abs=1e-9)


def test_debiased_over_images_by_hand():
    """Two images of two pixels of confidence 0.75 each: excesses 0.5 and -0.5, so that V = 2/1 (0.25 + 0.25)."""
    counts = counted(
        [(np.float32([[0.75, 0.75]]), np.array([[1, right]], np.uint8), f"{right}") for right in (0, 1)]
    ).raw
    assert value("squared_error", counts) == pytest.approx((0 - 1) / 4 / 4)
    assert value("ece_debiased", counts) == 0
    assert value("ece_floor", counts) == pytest.approx(np.sqrt(2 / np.pi) / 4)
    assert value("squared_overconfidence", counts) == value("squared_underconfidence", counts) == 0, "no bin is either"
    # Both wrong to the same degree: no variance over images, and the squared error is the squared gap.
    alike = counted([(np.float32([[0.75, 0.75]]), np.array([[1, 0]], np.uint8), name) for name in "ab"]).raw
    assert value("squared_error", alike) == pytest.approx(0.25**2)
    assert (value("ece_debiased", alike), value("ece_floor", alike)) == (pytest.approx(0.25), 0)


def test_the_squared_error_is_that_of_over_confident_bins_and_of_others():
    """Three images of a pixel of 0.75 that is wrong in two of them, and of one of 0.95 that is always right."""
    images = [(np.float32([[0.75, 0.95]]), np.array([[y, 1]], np.uint8), str(k)) for k, y in enumerate((0, 0, 1))]
    counts = counted(images).raw
    gap = 0.75 - 1 / 3
    variance = 3 / 2 * sum((0.75 - y - gap) ** 2 for y in (0, 0, 1))
    over = ((3 * gap) ** 2 - variance) / 3 / 6
    assert value("squared_overconfidence", counts) == pytest.approx(over)
    assert value("squared_underconfidence", counts) == pytest.approx(0.05**2 / 2, rel=1e-5)
    assert value("squared_error", counts) == pytest.approx(over + 0.05**2 / 2, rel=1e-5)


def plain_square(scores: list[np.ndarray], hits: list[np.ndarray], bins: int) -> float:
    """The squared error debiased over images, of the 8-bit scores and hits of each, pixel by pixel."""
    total, pixels, n = 0.0, sum(map(len, hits)), len(hits)
    for k in range(bins):
        inside = [(-(-v.astype(int) * bins // 255) - 1).clip(0) == k for v in scores]
        count = np.array([i.sum() for i in inside])
        excess = np.array([(v[i] / 255 - y[i]).sum() for v, y, i in zip(scores, hits, inside, strict=True)])
        if count.sum():
            gap = excess.sum() / count.sum()
            variance = n / (n - 1) * sum((e - gap * c) ** 2 for e, c in zip(excess, count, strict=True))
            total += (excess.sum() ** 2 - variance) / count.sum()
    return total / pixels


@given(st.data(), st.integers(2, 5), st.sampled_from([5, 10, 15]))
@settings(max_examples=30, deadline=None)
def test_the_square_of_the_positive_class_by_its_definition(data, number, bins):
    pixels = arrays(np.uint8, 6), arrays(np.uint8, 6, elements=st.integers(0, 1))
    maps = [tuple(map(data.draw, pixels)) for _ in range(number)]
    counts = counted([(f[None], y[None], str(k)) for k, (f, y) in enumerate(maps)], whole=False).raw
    found = value("positive_squared_error", counts, bins)
    assert found == pytest.approx(plain_square(*map(list, zip(*maps, strict=True)), bins), abs=1e-12)
    copies = counted([(maps[0][0][None], maps[0][1][None], str(k)) for k in range(number)], whole=False).raw
    same = value("brier_reliability", copies, bins)  # images that do not differ have no variance
    assert value("positive_squared_error", copies, bins) == pytest.approx(same, abs=1e-12)


def test_class_wise_errors_are_means_over_classes():
    statistic = of_scenes((scene(k, classes=3) for k in range(4)), 3)
    values, _ = summaries(statistic)["raw"]
    for name, of_class in (("classwise_ece", "positive_ece"), ("classwise_squared_error", "positive_squared_error")):
        expected = np.mean([value(of_class, counts) for counts in statistic.classes])
        assert values[name] == pytest.approx(expected, abs=1e-12) and expected > 0, name


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
    spectrum = smooth_ece._cosines(cells.excess) / cells.n[..., None]
    return smooth_ece._smoothed(spectrum, np.full(cells.n.shape, sigma))


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_smooth_ece_by_its_definition(pixels, sigma):
    _, confidence, right, exact, y = pixels
    part = slice(0, 400)
    counts = one(exact[part].astype(np.float32), y[part]).raw
    cells = top_label(counts).binned(METRICS["smooth_ece"].input.cells).bins
    plain = smoothed_plain(confidence[part], right[part], sigma)
    assert float(smoothed(cells, sigma)) == pytest.approx(plain, rel=2e-3)
    width = value("smooth_ece", counts)
    assert smoothed_plain(confidence[part], right[part], width) == pytest.approx(width, rel=2e-3)


def test_smooth_ece_against_its_authors_package(pixels):
    relplot = pytest.importorskip("relplot", reason="the relplot package is not installed")
    counts, confidence, right, _, _ = pixels
    # its search ends within 1/1024 of the width and it evaluates on 200 points
    assert value("smooth_ece", counts) == pytest.approx(relplot.smECE(confidence, right), abs=1e-3)


def test_brier_is_the_sum_of_its_terms(pixels):
    counts, _, _, exact, y = pixels
    bins = 100
    within = 0.0
    index = np.clip(np.ceil(exact * bins - 1e-9), 1, bins)
    for k in np.unique(index):
        f, t = exact[index == k], y[index == k]
        within += ((f - f.mean()) ** 2 - 2 * (f - f.mean()) * (t - t.mean())).sum() / len(y)
    total = value("brier_reliability", counts, bins) - value("brier_resolution", counts, bins)
    total += value("brier_uncertainty", counts) + within
    assert total == pytest.approx(value("brier", counts), abs=1e-7)


def test_ranking_against_sklearn(pixels):
    sklearn = pytest.importorskip("sklearn.metrics")
    counts, _, _, exact, y = pixels
    tied = 0 if np.allclose(exact * 255 % 1, 0, atol=1e-6) else bound("auc", counts)
    assert value("auc", counts) == pytest.approx(sklearn.roc_auc_score(y, exact), abs=tied + 1e-9)
    assert value("ap", counts) == pytest.approx(
        sklearn.average_precision_score(y, exact), abs=(bound("ap", counts) if tied else 0) + 1e-9
    )


def test_bounds_hold_for_any_order_of_tied_pixels():
    rng = np.random.default_rng(5)
    for _ in range(30):
        cells = np.sort(rng.integers(0, 6, 60))  # few cells: cuts fall inside of them
        f, y = 0.53125 + 2**-17 + cells / 16, (rng.random(60) < rng.random(6)[cells]).astype(int)
        y[0] = 1
        counts = one(np.float32(f), y).raw
        row = top_label(counts).bins
        for groups in (2, 3, 4, 5):
            error, limit = value("ece_equal_mass", counts, groups), estimators.equal_mass_bound(row, groups)
            for tied in (y, -y, *rng.random((6, 60))):
                gaps = (f - y)[np.lexsort((tied, cells))].reshape(groups, -1).sum(axis=1)
                assert abs(np.abs(gaps).sum() / 60 - error) <= limit + 1e-12
        precisions = []
        for tied in (y, -y):
            hits = y[np.lexsort((tied, cells))][::-1]
            precisions.append((np.cumsum(hits) / np.arange(1, 61))[hits == 1].mean())
        off = max(abs(each - value("ap", counts)) for each in precisions)
        assert off == pytest.approx(bound("ap", counts), abs=1e-12)
        orders = [np.lexsort((tied, cells))[::-1] for tied in (y, -y)]
        risks = [(np.cumsum(1 - y[order]) / np.arange(1, 61)).mean() for order in orders]
        off = max(abs(each - value("aurc", counts)) for each in risks)
        assert off == pytest.approx(bound("aurc", counts), abs=1e-12)
        number = estimators.sweep_groups(row)[1]
        assert bound("ece_sweep", counts) == bound("ece_equal_mass", counts, number)
