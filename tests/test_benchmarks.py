"""Benchmarks run; their numbers mean nothing here."""

from __future__ import annotations

import re
import subprocess
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


@pytest.mark.slow
@pytest.mark.parametrize(("work", "variant"), [("train", False), ("train", True), ("evaluate", False)])
def test_the_gpu_benchmark_runs_on_a_cpu(monkeypatch, work, variant):
    import gpu

    for module in (gpu.pixels, gpu.modules):  # restores what the task changes
        monkeypatch.setattr(module, "resized", module.resized)
    task = gpu.Task(work, products=variant, at_once=variant, size=32, batch=2, steps=1, device="cpu")
    result = gpu.measure(task)
    assert result.rate > 0 and result.memory > 100
    assert (gpu.modules.resized is gpu.interpolated) == (not variant)


def test_averages_one_by_one_are_those_of_the_program():
    import gpu
    import torch

    model = torch.nn.BatchNorm2d(3)
    first, second = gpu.averaged_one_by_one(model, 4), gpu.averaged_model(model, 4)
    for _ in range(6):
        model(torch.randn(2, 3, 4, 4))
        for averaged in (first, second):
            averaged.update_parameters(model)
    pairs = zip(first.module.state_dict().values(), second.module.state_dict().values(), strict=True)
    assert all(torch.equal(*values) for values in pairs)


@pytest.mark.slow
def test_published_numbers_are_recomputed_without_the_package():
    script = ROOT / "benchmarks/recomputation.py"
    done = subprocess.run([sys.executable, script, "cod"], capture_output=True, text=True, check=True)
    recomputed, equal, _ = map(int, re.findall(r"\d+", done.stdout))
    assert recomputed == equal > 3000
    assert "pipeline_src" not in re.sub('""".*?"""', "", script.read_text(), flags=re.DOTALL)
