"""Maps of K classes: against torchmetrics and plain computations, and equal to the binary numbers where K is 2."""

from __future__ import annotations

import numpy as np
import pytest
from test_statistic import one

from pipeline_src.errors import UserError
from pipeline_src.statistics import metrics, multiclass
from pipeline_src.statistics.multiclass import MultiClassStatistic


def scene(seed, classes=5, shape=(30, 40)):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (classes, *shape))
    p = np.exp(z) / np.exp(z).sum(axis=0)
    truth = (p.cumsum(axis=0) > rng.random(shape)).argmax(axis=0).astype(np.uint8)
    truth[rng.random(shape) < 0.1] = 255
    sharp = p**1.7 / (p**1.7).sum(axis=0)
    return sharp.astype(np.float32), truth


@pytest.fixture(scope="module")
def counted():
    statistic = MultiClassStatistic.empty(5)
    scenes = [scene(k) for k in range(4)]
    for k, (p, truth) in enumerate(scenes):
        statistic.add(p, truth, str(k))
    p = np.concatenate([p[:, t != 255] for p, t in scenes], axis=1).astype(np.float64)
    return statistic, p, np.concatenate([t[t != 255] for _, t in scenes]).astype(np.int64)


def test_scores_by_their_formulas(counted):
    statistic, p, y = counted
    values, reasons = multiclass.summary(statistic)
    right = p.argmax(axis=0) == y
    assert not reasons and values["accuracy"] == pytest.approx(right.mean())
    assert values["nll"] == pytest.approx(-np.log(p[y, np.arange(y.size)]).mean(), abs=1e-7)
    assert values["brier"] == pytest.approx(((p - np.eye(5)[y].T) ** 2).sum(axis=0).mean(), abs=1e-7)
    assert values["entropy"] == pytest.approx(-(p * np.log(p)).sum(axis=0).mean(), abs=1e-7)
    iou = [np.sum((p.argmax(0) == k) & (y == k)) / np.sum((p.argmax(0) == k) | (y == k)) for k in range(5)]
    assert values["mean_iou"] == pytest.approx(np.mean(iou))


def test_parity_with_torchmetrics(counted):
    import torch
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    statistic, p, y = counted
    values, _ = multiclass.summary(statistic, 15)
    scores, labels = torch.from_numpy(p.T.copy()), torch.from_numpy(y)
    for norm, name in (("l1", "ece"), ("max", "mce")):
        peer = multiclass_calibration_error(scores, labels, num_classes=5, n_bins=15, norm=norm)
        assert values[name] == pytest.approx(float(peer), abs=1e-6)
    peers = [binary_calibration_error(scores[:, k], (labels == k).long(), n_bins=15) for k in range(5)]
    assert values["classwise_ece"] == pytest.approx(float(np.mean(peers)), abs=1e-6)


def test_two_classes_give_the_binary_numbers():
    f = np.random.default_rng(0).random((1, 500), np.float32)
    y = (np.random.default_rng(1).random((1, 500)) < f**2).astype(np.uint8)
    f[f == 0.5] = 0.75
    statistic = MultiClassStatistic.empty(2)
    statistic.add(np.stack([1 - f, f]), y, "a")
    values, _ = multiclass.summary(statistic)
    binary = one(f, y).raw
    for name in [
        "ece",
        "mce",
        "oe",
        "ue",
        "ece_equal_mass",
        "ece_sweep",
        "ece_debiased",
        "smooth_ece",
        "aurc",
        "accuracy",
        "nll",
        "entropy",
    ]:
        assert values[name] == pytest.approx(getattr(metrics, name)(binary), abs=1e-6), name
    assert values["brier"] == pytest.approx(2 * metrics.brier(binary), abs=1e-6)
    assert values["classwise_ece"] == pytest.approx(metrics.positive_ece(binary), abs=1e-6)


def test_merge_save_and_intervals(counted, tmp_path):
    statistic, _, _ = counted
    parts = [MultiClassStatistic.empty(5) for _ in range(2)]
    for k in (3, 1, 0, 2):
        parts[k % 2].add(*scene(k), str(k))
    assert parts[1] + parts[0] == statistic
    statistic.save(tmp_path / "m.npz", {"set": "x"})
    assert MultiClassStatistic.load(tmp_path / "m.npz") == (statistic, {"set": "x"})
    found = multiclass.resample(statistic, resamples=60)
    for name in ["ece", "oe", "ece_equal_mass", "smooth_ece", "accuracy", "brier", "nll", "entropy", "aurc"]:
        low, high = found.interval(name)
        assert low < found.points[name] < high, name


def test_bad_input_is_named():
    statistic = MultiClassStatistic.empty(3)
    p, truth = scene(0, classes=3)
    for wrong, mask, words in (
        (p[:2], truth, "do not fit"),
        (p * 2, truth, "no probabilities"),
        (p / 2, truth, "no probabilities"),
        (p, np.where(truth == 255, 7, truth), "class ids"),
    ):
        with pytest.raises(UserError, match=words):
            statistic.add(wrong, mask, "a")
    assert statistic == MultiClassStatistic.empty(3)
    assert set(multiclass.summary(statistic)[0].values()) == {None}
