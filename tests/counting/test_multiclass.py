"""Maps of K classes: against torchmetrics and plain computations, and equal to the binary numbers where K is 2."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from made_statistics import ious, of_scenes, one, scene, summaries

from pipeline_src.counting.bins import positive
from pipeline_src.counting.counts import PIXEL_SUMS
from pipeline_src.counting.sample import checked
from pipeline_src.counting.storage import load, save
from pipeline_src.errors import UserError
from pipeline_src.metrics import estimators
from pipeline_src.metrics.registry import METRICS, value


@pytest.fixture(scope="module")
def counted():
    scenes = [scene(k) for k in range(4)]
    statistic = of_scenes(scenes)
    p = np.concatenate([p[:, t != 255] for p, t in scenes], axis=1).astype(np.float64)
    return statistic, p, np.concatenate([t[t != 255] for _, t in scenes]).astype(np.int64)


def test_scores_by_their_formulas(counted):
    statistic, p, y = counted
    values, reasons = summaries(statistic)["raw"]
    right = p.argmax(axis=0) == y
    assert values.keys() == {name for name, metric in METRICS.items() if metric.classes != "two"}
    assert not reasons
    assert values["accuracy"] == pytest.approx(right.mean())
    assert values["nll"] == pytest.approx(-np.log(p[y, np.arange(y.size)]).mean(), abs=1e-7)
    assert values["brier"] == pytest.approx(((p - np.eye(5)[y].T) ** 2).sum(axis=0).mean(), abs=1e-7)
    assert values["entropy"] == pytest.approx(-(p * np.log(p)).sum(axis=0).mean(), abs=1e-7)


def test_parity_with_torchmetrics(counted):
    import torch
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    statistic, p, y = counted
    values, _ = summaries(statistic, 15)["raw"]
    scores, labels = torch.from_numpy(p.T.copy()), torch.from_numpy(y)
    for norm, name in (("l1", "ece"), ("max", "mce")):
        peer = multiclass_calibration_error(scores, labels, num_classes=5, n_bins=15, norm=norm)
        assert values[name] == pytest.approx(float(peer), abs=1e-6)
    peers = [binary_calibration_error(scores[:, k], (labels == k).long(), n_bins=15) for k in range(5)]
    assert values["classwise_ece"] == pytest.approx(float(np.mean(peers)), abs=1e-6)


@pytest.mark.parametrize("bins", [10, 15, 20])
def test_bins_are_decided_exactly_below_a_half(bins):
    """One pixel whose classes have probabilities next to the edges k / bins, against fractions."""
    for k in range(1, bins // 2):
        edge = np.float32(k / bins)
        for f in (np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1))):
            p = np.float32([f, (1 - f) / 3, (1 - f) / 3, (1 - f) / 3]).reshape(4, 1, 1)
            counts = of_scenes([(p, np.zeros((1, 1), np.uint8))], 4)["raw"]
            index = np.flatnonzero(positive(counts.classes[0].histogram, bins).count)
            assert index.tolist() == [math.ceil(Fraction(float(f)) * bins) - 1], (k, f)
            top = np.flatnonzero(positive(counts.histogram, bins).count)
            assert top.tolist() == [math.ceil(Fraction(float(p.max())) * bins) - 1]


def test_mean_iou_is_that_of_mmsegmentation():
    """Of six classes the last neither occurs nor is predicted."""
    scenes = [(np.pad(p, ((0, 1), (0, 0), (0, 0))), truth) for p, truth in map(scene, range(4))]
    peer = ious(scenes, 6)
    assert np.isnan(peer).tolist() == [False] * 5 + [True]
    values, _ = summaries(of_scenes(scenes, 6))["raw"]
    assert values["mean_iou"] == pytest.approx(np.nanmean(peer), abs=1e-6)


def test_where_no_class_is_right_confidence_is_error():
    p, truth = scene(0, classes=4)
    p = p.astype(np.float64)
    truth = np.where(truth == 255, 255, 254).astype(np.uint8)
    values, reasons = summaries(of_scenes([(p, truth)], 4, no_class=254))["raw"]
    p = p[:, truth == 254].astype(np.float32).astype(np.float64)
    assert values["accuracy"] == 0 and values["ece"] == pytest.approx(p.max(axis=0).mean(), abs=1e-7)
    assert values["brier"] == pytest.approx((p**2).sum(axis=0).mean(), abs=1e-7)
    assert values["classwise_ece"] == pytest.approx(p.mean(), abs=1e-7)
    assert "no class is right" in reasons["nll"]
    with pytest.raises(UserError, match="class ids"):  # a mask of somebody's may well hold 254 by mistake
        checked(p.reshape(4, 1, -1), np.full((1, p.shape[1]), 254), "a")


def test_an_image_without_a_pixel_that_counts_has_a_row_of_zeros(tmp_path):
    p, truth = scene(0, classes=4)
    void = np.full_like(truth, 255)
    for scenes in ([(p, void)], [(p, truth), (p, void)]):
        save(of_scenes(scenes, 4), tmp_path / "counts.npz", {})
        counts = load(tmp_path / "counts.npz")["raw"]
        assert [counts.images.column(name)[-1] for name in ("pixels", *PIXEL_SUMS)] == [0] * 6


def test_two_classes_give_the_binary_numbers():
    f = np.random.default_rng(0).random((1, 500), np.float32)
    y = (np.random.default_rng(1).random((1, 500)) < f**2).astype(np.uint8)
    values, _ = summaries(of_scenes([(np.stack([1 - f, f]), y)], 2))["raw"]
    binary = one(f, y)["raw"]
    names = "ece mce oe ece_equal_mass ece_sweep smooth_ece aurc accuracy nll entropy"
    for name in names.split():
        assert values[name] == pytest.approx(value(name, binary), abs=1e-6), name
    assert values["brier"] == pytest.approx(2 * value("brier", binary), abs=1e-6)
    assert values["classwise_ece"] == pytest.approx(float(estimators.ece(positive(binary.histogram, 10))), abs=1e-6)
