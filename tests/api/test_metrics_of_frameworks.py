"""The metrics for torchmetrics and mmengine: the counts of `Statistic`, in memory that does not grow, over ranks."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from api_ranks import as_rank, learned, made, measured, million, sure, two_ranks

from pipeline_src.api import Statistic
from pipeline_src.api.pixel_counts import OF_COUNTS
from pipeline_src.counting.counts import ARRAYS
from pipeline_src.counting.levels import COARSE, LEVELS

pytest.importorskip("torchmetrics")
from pipeline_src.api import DenseCalibration


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_counts_are_those_of_the_statistic(classes, batch):
    p, y = made(classes)
    names = [name for name in OF_COUNTS if name in Statistic().update(p, y).compute()]
    metric = DenseCalibration(names, bins=15)
    for start in range(0, len(p), batch):
        metric.update(p[start : start + batch], y[start : start + batch])
    statistic = Statistic().update(p, y)
    for name in ARRAYS:
        assert np.array_equal(getattr(metric.counts, name), getattr(statistic.counts, name))
    report = statistic.compute(bins=15)
    values = metric.compute()
    assert values.pop("gap").item() == pytest.approx(report["gap"], abs=1e-9)  # of rows of 2^-30
    assert {name: value.item() for name, value in values.items()} == {name: report[name] for name in values}


@pytest.mark.parametrize("bins", [10, 13])
@pytest.mark.parametrize("classes", [2, 3])
def test_metrics_of_few_levels_are_those_of_the_statistic(classes, bins):
    metric, report = DenseCalibration(bins=bins), Statistic().update(*made(classes)).compute(bins)
    metric.update(*made(classes))
    assert metric.counts.levels == (COARSE if bins == 10 else LEVELS)
    assert metric.compute() == {name: pytest.approx(report[name], abs=1e-9) for name in metric.names}


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
        Statistic().update(p[part], y[part]).compute()["accuracy"] for part in (slice(0, 2), slice(2, 7))
    ]
    assert metric.compute()["accuracy"].item() == Statistic().update(p, y).compute()["accuracy"]
    metric.reset()
    assert metric.compute()["accuracy"].isnan()


@pytest.mark.parametrize("classes", [2, 3])
def test_an_empty_batch_adds_nothing(classes):
    metric, (p, y) = DenseCalibration(), made(classes)
    metric.update(p, y)
    values = metric.compute()
    metric.update(p[:0], y[:0])
    assert metric.compute() == values


def test_a_saved_state_goes_on():
    metric, loaded, (p, y) = DenseCalibration(), DenseCalibration(), made(3)
    metric.persistent(True)
    metric.update(p[:3], y[:3])
    loaded.load_state_dict(metric.state_dict())
    loaded.update(p[3:], y[3:])
    assert loaded.compute()["ece"].item() == Statistic().update(p, y).compute()["ece"]
