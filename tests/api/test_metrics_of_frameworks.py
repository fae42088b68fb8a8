"""The metrics for torchmetrics and mmengine: the counts of `Evaluation`, in memory that does not grow, over ranks."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from api_ranks import as_rank, learned, made, measured, million, sure, two_ranks

from pipeline_src.api import Evaluation, UserError
from pipeline_src.api.batches import DEFAULT, OF_HISTOGRAMS
from pipeline_src.counting.counts import ARRAYS
from pipeline_src.counting.levels import COARSE, LEVELS

pytest.importorskip("torchmetrics")
from pipeline_src.api import DenseCalibration
from pipeline_src.api.mmsegmentation import DenseCalibrationMetric


def test_an_object_and_classes_are_not_mixed():
    metric = DenseCalibration()
    metric.update(*made(3))
    with pytest.raises(UserError, match="K classes"):
        metric.update(*made(2))
    with pytest.raises(UserError, match="divisor"):
        DenseCalibration(bins=10.0)


def test_a_batch_may_not_mix_objects_of_1_and_of_255():
    """Also where each mask would do in a batch of its own."""
    p, masks = torch.full((2, 4, 4), 0.5), torch.zeros(2, 4, 4, dtype=torch.uint8)
    masks[0, 0], masks[1, 0] = 1, 255
    with pytest.raises(UserError, match="255"):
        DenseCalibration().update(p, masks)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("names", "bins", "levels", "batch"),
    [
        *(pytest.param(OF_HISTOGRAMS, 15, LEVELS, batch, marks=pytest.mark.slow) for batch in (1, 3, 7)),
        (DEFAULT, 13, LEVELS, 3),
        (DEFAULT, 10, COARSE, 3),
    ],
)
def test_counts_and_values_are_those_of_an_evaluation(classes, names, bins, levels, batch):
    p, y = made(classes)
    evaluation = Evaluation().update(p, y)
    report = evaluation.compute(bins)
    metric = DenseCalibration([name for name in names if name in report], bins=bins)
    for start in range(0, len(p), batch):
        metric.update(p[start : start + batch], y[start : start + batch])
    assert metric.counts.histogram.levels == levels
    values = {name: value.item() for name, value in metric.compute().items()}
    assert values == pytest.approx({name: report[name] for name in metric.names}, abs=1e-9)
    for name in ARRAYS if levels == LEVELS else ():
        assert np.array_equal(getattr(metric.counts.histogram, name), getattr(evaluation.counts.histogram, name))


@pytest.mark.parametrize("classes", [2, 3])
def test_arrays_are_taken_like_tensors(classes):
    p, y = made(classes)
    of_tensors, of_arrays = DenseCalibration(), DenseCalibration()
    of_tensors.update(torch.as_tensor(p), torch.as_tensor(y))
    of_arrays.update(np.asarray(p), np.asarray(y))
    assert of_tensors.compute() == of_arrays.compute()


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path):
    two_ranks(partial(as_rank, tmp_path))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01")
    assert first == second
    alone = {"object": measured(2, 0, 1), "classes": measured(3, 0, 1), "levels": learned(0, 1)}
    assert first == alone | {"million": million(0, 1)}
    assert len(set(first["levels"])) == 4 and min(first["levels"]) > 0


def test_seg_logits_without_the_probabilities_of_the_prediction_are_refused():
    p = made(3)[0][0]
    for z, labels, shown in ((p.log(), p.argmin(0), "--tta"), (p, p.argmax(0), "Mask2Former")):
        with pytest.raises(UserError, match=shown):
            DenseCalibrationMetric().process(None, [{"seg_logits": {"data": z}, "pred_sem_seg": {"data": labels}}])


def test_a_million_pixels_are_exact():
    """Against whole numbers of 2^-24 in float64, whose sums are exact."""
    f, y = (np.stack([images[k].numpy() for images in sure()]) for k in (0, 1))
    confidence = np.maximum(f, np.float32(1) - f).astype(np.float64).ravel()
    bins = np.ceil(confidence * 10).astype(int)
    gap = np.bincount(bins, confidence) - np.bincount(bins, ((f >= 0.5) == y).ravel())
    images = million(0, 1)
    assert images["torchmetrics"] == images["mmengine"] == pytest.approx(np.abs(gap).sum() / 1e6, abs=1e-15)


def test_a_step_has_a_value_of_its_own():
    metric, (p, y) = DenseCalibration(("accuracy",)), made(2)
    of_batch = metric(p[:2], y[:2]), metric(p[2:], y[2:])
    assert [values["accuracy"].item() for values in of_batch] == [
        Evaluation().update(p[part], y[part]).compute()["accuracy"] for part in (slice(0, 2), slice(2, 7))
    ]
    assert metric.compute()["accuracy"].item() == Evaluation().update(p, y).compute()["accuracy"]
    metric.reset()
    assert metric.compute()["accuracy"].isnan()


@pytest.mark.parametrize("classes", [2, 3])
def test_an_empty_batch_adds_nothing(classes):
    metric, (p, y) = DenseCalibration(), made(classes)
    metric.update(p, y)
    values = metric.compute()
    metric.update(p[:0], y[:0])
    metric.update([], [])
    assert metric.compute() == values


def test_processes_whose_objects_have_other_values_are_refused():
    """255 is the object of each process for itself; `objects` is what torchmetrics joins by its maximum."""
    ones, others = DenseCalibration(), DenseCalibration()
    p, mask = np.full((4, 5), 0.7, np.float32), np.eye(4, 5, dtype=np.uint8)
    ones.update(p, mask)
    others.update(p, 255 * mask)
    assert ones.compute() == others.compute()
    ones.objects = torch.maximum(ones.objects, others.objects)
    ones._computed = None
    with pytest.raises(UserError, match="ignore=255"):
        ones.compute()


def test_a_saved_state_goes_on():
    metric, loaded, (p, y) = DenseCalibration(), DenseCalibration(), made(3)
    metric.persistent(True)
    metric.update(p[:3], y[:3])
    loaded.load_state_dict(metric.state_dict())
    loaded.update(p[3:], y[3:])
    assert loaded.compute()["ece"].item() == Evaluation().update(p, y).compute()["ece"]
