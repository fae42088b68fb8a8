"""Maps of K classes: against torchmetrics and plain computations, and equal to the binary numbers where K is 2."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from pipeline_src.analysis.bootstrap import over_images
from pipeline_src.counting.views import positive
from test_statistic import one

from pipeline_src.counting import multiclass
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.data import catalog
from pipeline_src.data.build import build
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.metrics import metrics
from pipeline_src.params.schema import Evaluation, Part
from pipeline_src.prediction.evaluate import evaluate
from pipeline_src.prediction.predict import Predictor, predict
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalisation


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
    undefined = {name for name, value in values.items() if value is None}
    assert undefined == set(reasons) == {*metrics.BINNED, *metrics.UNBINNED} - set(multiclass.NAMES)
    assert values["accuracy"] == pytest.approx(right.mean())
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


@pytest.mark.parametrize("bins", [10, 15, 20])
def test_bins_are_decided_exactly_below_a_half(bins):
    """One pixel whose classes have probabilities next to the edges k / bins, against fractions."""
    for k in range(1, bins // 2):
        edge = np.float32(k / bins)
        for f in (np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1))):
            p = np.float32([f, (1 - f) / 3, (1 - f) / 3, (1 - f) / 3]).reshape(4, 1, 1)
            statistic = MultiClassStatistic.empty(4)
            statistic.add(p, np.zeros((1, 1), np.uint8), "a")
            found = np.flatnonzero(positive(statistic.classes[0]).binned(bins).count)
            assert found.tolist() == [math.ceil(Fraction(float(f)) * bins) - 1], (k, f)
            top = np.flatnonzero(positive(statistic.top).binned(bins).count)
            assert top.tolist() == [math.ceil(Fraction(float(p.max())) * bins) - 1]


def ious(maps, classes: int) -> np.ndarray:
    """IoU of each class, NaN where it does not occur, by mmsegmentation's metric: pairs of map (K, H, W) and truth."""
    import torch
    from mmseg.evaluation import IoUMetric

    areas = [
        IoUMetric.intersect_and_union(torch.from_numpy(p.argmax(0)), torch.from_numpy(truth), classes, 255)
        for p, truth in maps
    ]
    return IoUMetric.total_area_to_metrics(*map(sum, zip(*areas, strict=True)))["IoU"]


def test_mean_iou_is_that_of_mmsegmentation(counted):
    statistic, _, _ = counted
    peer = ious([scene(k) for k in range(4)], 5)
    assert not np.isnan(peer).any()
    assert multiclass.mean_iou(statistic) == pytest.approx(peer.mean(), abs=1e-6)
    # Of four classes one occurs neither as label nor as prediction, and one as a prediction alone.
    p, truth = scene(0, classes=4)
    p[3], truth[truth == 3] = 0, 255
    p /= p.sum(axis=0)
    truth[truth == 2] = 255
    few = MultiClassStatistic.empty(4)
    few.add(p, truth, "a")
    peer = ious([(p, truth)], 4)
    assert np.isnan(peer).tolist() == [False, False, False, True] and peer[2] == 0
    assert multiclass.mean_iou(few) == pytest.approx(np.nanmean(peer), abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_street_scenes_of_camvid(downloads, tmp_path):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    entry = catalog.load()["CamVid"]
    if not (downloads / "archives/CamVid.tar").exists():
        pytest.skip("no CamVid among the archives")
    places = downloads, tmp_path / "unpacked", tmp_path / "manifest"
    prepare(entry, *places)
    build(Part(set="CamVid", split="test", first=2), entry, *places, 64, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    torch.manual_seed(0)
    network = DenseClassifier(
        build_segmentor("tiny_fpn", False, 64, store.classes), normalisation("tiny_fpn"), classes=store.classes
    )
    experiment = SimpleNamespace(evaluation=Evaluation(bins=10, batch_size=2), training=SimpleNamespace(workers=0))
    predictor = Predictor([network.eval()])
    statistic, _ = evaluate(predictor, store, experiment, "untrained on CamVid")
    maps = [(p, truth) for p, truth, _ in predict(predictor, store, experiment)]
    assert all(p.shape == (11, *truth.shape) and p.dtype == np.float32 for p, truth in maps)
    valid = [truth != 255 for _, truth in maps]
    assert 0 < sum(v.sum() for v in valid) == statistic.top.pixels < sum(v.size for v in valid)
    # An untrained network is equally unsure everywhere; answers made from the labels have confidences of all sizes.
    rng = np.random.default_rng(0)
    answered, varied = MultiClassStatistic.empty(11), []
    for k, (_, truth) in enumerate(maps):
        z = rng.normal(0, 2, (11, *truth.shape)) + 3 * (np.arange(11)[:, None, None] == truth)
        varied.append(((np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32), truth))
        answered.add(*varied[-1], str(k))
    for counted, pairs in ((statistic, maps), (answered, varied)):
        values, _ = multiclass.summary(counted)
        scores = torch.from_numpy(np.concatenate([p[:, truth != 255] for p, truth in pairs], axis=1).T)
        labels = torch.from_numpy(np.concatenate([truth[truth != 255] for _, truth in pairs])).long()
        assert values["accuracy"] == pytest.approx(float((scores.argmax(1) == labels).double().mean()), abs=1e-12)
        assert values["mean_iou"] == pytest.approx(np.nanmean(ious(pairs, 11)), abs=1e-6)
        peer = multiclass_calibration_error(scores.double(), labels, num_classes=11, n_bins=10, norm="l1")
        assert values["ece"] == pytest.approx(float(peer), abs=1e-5)
    assert np.count_nonzero(positive(answered.top).binned(10).count) >= 8


def test_where_no_class_is_right_confidence_is_error():
    p, truth = scene(0, classes=4)
    p = p.astype(np.float64)
    truth = np.where(truth == 255, 255, 254).astype(np.uint8)
    statistic = MultiClassStatistic.empty(4)
    statistic.add(p, truth, "a", no_class=254)
    values, reasons = multiclass.summary(statistic)
    p = p[:, truth == 254].astype(np.float32).astype(np.float64)
    assert values["accuracy"] == 0 and values["ece"] == pytest.approx(p.max(axis=0).mean(), abs=1e-7)
    assert values["brier"] == pytest.approx((p**2).sum(axis=0).mean(), abs=1e-7)
    assert values["classwise_ece"] == pytest.approx(p.mean(), abs=1e-7)
    assert values["nll"] is values["mean_iou"] is None and "no class is right" in reasons["nll"]
    found = multiclass.resample(statistic, resamples=5)
    assert not {"nll", "mean_iou"} & set(found.values) and {"ece", "entropy"} <= set(found.values)
    with pytest.raises(UserError, match="class ids"):  # a mask of somebody's may well hold 254 by mistake
        MultiClassStatistic.empty(4).add(p.reshape(4, 1, -1), np.full((1, p.shape[1]), 254), "a")


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
    names = ["ece", "oe", "ece_equal_mass", "smooth_ece", "accuracy", "brier", "nll", "entropy", "aurc"]
    for name in [*names, "classwise_ece", "mean_iou"]:
        low, high = found.interval(name)
        assert low < found.points[name] < high, name


def test_class_metrics_of_resamples_are_those_of_the_drawn_images():
    """Against the pixels of the drawn images, counted again: one class of three is only predicted."""
    scenes = [scene(k, classes=3, shape=(12, 15)) for k in range(4)]
    for _, truth in scenes:
        truth[truth == 2] = 255
    statistic = MultiClassStatistic.empty(3)
    for k, (p, truth) in enumerate(scenes):
        statistic.add(p, truth, str(k))
    sums = [over_images(of, 5, 0) for of in multiclass.class_sums(statistic, 10)]
    eces, ious = multiclass.of_classes(np.concatenate(sums, axis=1), 10)
    generator = np.random.Generator(np.random.PCG64(0))
    for r in range(5):
        drawn = MultiClassStatistic.empty(3)
        for position, k in enumerate(generator.integers(0, 4, 4)):
            drawn.add(*scenes[k], str(position))
        assert ious[r] == pytest.approx(
            np.diag(drawn.confusion)
            / (drawn.confusion.sum(axis=0) + drawn.confusion.sum(axis=1) - np.diag(drawn.confusion))
        )
        assert eces[r] == pytest.approx(multiclass.class_ece(drawn, 10), abs=2e-3)
    whole = np.concatenate([of.sum(axis=0) for of in multiclass.class_sums(statistic, 10)])
    values = multiclass.class_means(whole, 10)
    assert values["classwise_ece"] == pytest.approx(multiclass.classwise_ece(statistic), abs=1e-12)
    assert values["mean_iou"] == pytest.approx(multiclass.mean_iou(statistic), abs=1e-12)


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
