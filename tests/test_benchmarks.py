"""Benchmarks run; their numbers mean nothing here."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from project import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from peers.measure import PACKAGES, read_maps
from peers.table import cell


@pytest.mark.parametrize(("name", "tolerance"), [("ours", 1e-6), ("torchmetrics", 0.02)])  # float32 sums
def test_packages_measure_the_ece_of_all_pixels(name, tolerance):
    maps, masks = (arrays[:2] for arrays in read_maps([]))
    f, y = (np.concatenate([array.ravel() for array in arrays]).astype(np.float64) for arrays in (maps, masks))
    confidence, correct = np.maximum(f, 1 - f), (f >= 0.5) == y
    cells = np.ceil(confidence * 10).astype(int) - 1
    expected = np.abs(np.bincount(cells, confidence - correct)).sum() / f.size
    assert PACKAGES[name]().ece(maps, masks) == pytest.approx(expected, rel=tolerance)


def test_the_table_marks_values_that_differ():
    ours = {"ece": 0.02, "fastest": 1.0, "median": 2.0}
    assert cell("ece", {"ece": 0.02}, ours) == "0.0200000"
    assert cell("ece", {"ece": 0.021}, ours) == "**0.0210000**"
    assert cell("ece", {"ece": None}, ours) == "-"
    assert cell("ratio", {"fastest": 80.0, "median": 100.0}, ours) == "80 (50)"


def test_rows_of_the_speed_table_run():
    import speed

    rows = {row.title: row for row in speed.rows()}
    assert speed.line(rows["counts for ECE; numpy.histogram"], 1).count("|") == 6
