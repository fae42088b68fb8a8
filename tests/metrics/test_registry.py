"""Every metric of the registry is described, and measured exactly and on resamples wherever it is defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_statistics import ByProtocol, counted, of_scenes, scene, summaries, varied

from pipeline_src.analysis.resampling import measure_protocols
from pipeline_src.metrics.metric import UNDEFINED, Quantity
from pipeline_src.metrics.registry import METRICS, SQUARED_CLASSES


def nothing_is_right() -> ByProtocol:
    scenes = (scene(seed, classes=4) for seed in (97, 98))
    return of_scenes(((p, np.where(truth == 255, 255, 254)) for p, truth in scenes), 4, no_class=254)


STATISTICS = {
    "one object": (lambda: counted(varied(4)), set()),
    "background": (lambda: counted((f, 0 * y, name) for f, y, name in varied(3)), {"max_f", "mean_f", "ap", "auc"}),
    "without whole maps": (lambda: counted(varied(3), whole=False), {"s_measure", "e_measure", "max_e"}),
    "nothing counts": (lambda: counted((f, 0 * y + 255, name) for f, y, name in varied(3)), "all"),
    "no image": (lambda: counted([]), "all"),
    "no image of several classes": (lambda: of_scenes([], 3), "all"),
    "several classes": (lambda: of_scenes([scene(0), scene(1)]), set()),
    "two classes of several": (lambda: of_scenes([scene(0, classes=2), scene(1, classes=2)], 2), set()),
    "no class is right": (nothing_is_right, {"nll", "mean_iou"}),
}


@pytest.mark.parametrize("kind", STATISTICS)
def test_a_metric_has_values_or_a_reason(kind):
    make, expected = STATISTICS[kind]
    statistic = make()
    several = bool(statistic["raw"].classes)
    kinds = ("any", "several" if several else "two")
    names = [name for name, metric in METRICS.items() if metric.classes in kinds and not metric.on_request]
    resampled = measure_protocols(statistic, 10, key=0, resamples=3)
    for protocol, (values, reasons) in summaries(statistic).items():
        assert list(values) == [name for name in names if name not in reasons]
        assert reasons.keys() == (set(names) if expected == "all" else expected)
        assert all(reasons.values())
        of = resampled[protocol]
        assert of.points == values and list(of.numbers()) == names
        assert of.values.keys() == of.points.keys() and of.reasons == reasons
        for name, ends in of.intervals().items():
            low, high = METRICS[name].range
            assert low <= of.points[name] <= high and low <= min(ends) <= max(ends) <= high, name
        for name, on_resamples in of.values.items():
            assert on_resamples.shape == (1, 3) and on_resamples.dtype == np.float64, name
            assert not np.isnan(on_resamples).any() and math.isfinite(of.points[name][0]), name


def test_weighted_f_is_there_where_it_is_asked_for():
    values, _ = summaries(counted(varied(3), weighted_f=True))["raw"]
    assert 0 < values["weighted_f"] < 1
    assert "weighted_f" not in summaries(counted(varied(3)))["raw"][0]


def test_one_image_has_no_variance_over_images():
    squares = {name for name in METRICS if "squared" in name} - {SQUARED_CLASSES}
    assert summaries(counted(varied(1)))["raw"][1].keys() == {"ece_debiased", "ece_floor", *squares}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_described(name):
    metric = METRICS[name]
    assert "\n" not in metric.definition and "|" not in metric.definition, "it is a cell of a table"
    assert metric.column.endswith("%") == (metric.factor == 100) == (metric.unit == "percentage points")


def test_numbers_as_they_are_printed():
    percent = METRICS["ece"]
    assert (percent.column, percent.text(0.12345)) == ("ECE %", "12.35")
    assert percent.text(0.1, 0.02, 0.05, 0.15, "*") == "10.00* ± 2.00 [5.00, 15.00]"
    assert percent.text(math.nan) == UNDEFINED
    assert percent.number(-0.00001) == "0.00" and percent.number(-0.01) == "−1.00"
    seconds = Quantity(title="training time", heading="s", unit="s", digits=1)
    assert (seconds.column, seconds.text(1234.56)) == ("s", "1,234.6")
