"""Benchmarks run; their numbers mean nothing here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project import ROOT

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.maps.judge import judge_folder

sys.path.append(str(ROOT / "benchmarks"))
sys.path.append(str(ROOT / "benchmarks/intervals"))
import hypotheses
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


def test_hypotheses_are_those_that_were_declared():
    """docs/preregistration.md, parts 16 and 17."""
    assert [len(comparisons) for comparisons in hypotheses.FAMILIES.values()] == [14, 7, 3, 4, 2, 2, 10, 2]
    assert hypotheses.outcome(hypotheses.FAMILIES["(m)"], {}) == ["not decided; seeds: recipe 0 of 6"]


@pytest.mark.parametrize("high", [-0.001, 0.001])
def test_a_hypothesis_holds_if_the_interval_lies_in_its_range(high):
    lower = hypotheses.FAMILIES["(j) to (l)"][0]
    assert hypotheses.holds(lower, Estimate({0: -0.1}, -0.2, high), 0.95) == (high < 0)


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


# Scores of K classes are counted in 2^-24; of float maps an image's pixels are known by 8-bit level.
SCORES = {"classwise_ece", "classwise_squared_error"}
BY_LEVEL = {"image_ece", "ece_floor", "ece_debiased", "smooth_ece", "aurc", "augrc"}
BY_LEVEL |= {"squared_error", "squared_overconfidence", "classwise_squared_error"}


def write_random_folders(root: Path, on_levels: bool) -> None:
    """Volumes, logits and maps of four classes, with masks; on the middles of 8-bit levels all of `judge` is exact."""
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(0)
    for folder in ("volumes", "logits", "classes"):
        for name in ("maps", "masks"):
            (root / folder / name).mkdir(parents=True)
    for k in range(12):
        planes = np.diff(np.sort(rng.integers(0, 253, (3, 16, 20 + k)), axis=0), axis=0, prepend=0, append=253)
        values = {
            "volumes": rng.integers(0, 255, (4 + k % 3, 9, 11)),
            "logits": rng.permutation(np.arange(20 * (30 + k)) % 255).reshape(20, -1),
            "classes": planes,
        }
        for folder, value in values.items():
            noise = 0.5 if on_levels else 0.25 + rng.random(value.shape) / 2
            p = (value + noise) / 255
            if folder == "classes":
                p /= p.sum(axis=0)
                mask = (rng.random(planes.shape[1:]) > p.cumsum(axis=0)).sum(axis=0).clip(0, 3)
                mask[0] = 255
            else:
                mask = (rng.random(p.shape) < p**1.5) * (255 if folder == "logits" else 1)
            mask = mask.astype(np.uint8)
            if folder == "volumes":
                for name, array in (("maps", p.astype(np.float32)), ("masks", mask)):
                    image = nibabel.Nifti1Image(array.T, np.eye(4))
                    nibabel.save(image, root / folder / name / f"{k:02d}.nii.gz")
            else:
                np.save(root / folder / f"maps/{k:02d}.npy", np.log(p / (1 - p)) if folder == "logits" else p)
                np.save(root / folder / f"masks/{k:02d}.npy", mask)


@pytest.mark.slow
@pytest.mark.parametrize("on_levels", [True, False])
def test_an_independent_program_has_the_numbers_of_judge(tmp_path, on_levels):
    write_random_folders(tmp_path, on_levels)
    import second_judge

    for folder in ("volumes", "logits", "classes"):
        maps, masks = tmp_path / folder / "maps", tmp_path / folder / "masks"
        logits = folder == "logits"
        judged = judge_folder(maps, masks, "net", tmp_path / folder / "out", resamples=0, logits=logits)
        again = second_judge.metrics(maps, masks, logits)
        for protocol in judged["undefined"]:
            numbers = judged[protocol]
            assert numbers.keys() - again[protocol].keys() <= {"s_measure", "e_measure", "max_e"}
            for name, number in again[protocol].items():
                tolerance = 2**-25 if name in SCORES else 1e-9
                if name in BY_LEVEL and not on_levels:
                    tolerance = 2e-3
                assert number == pytest.approx(numbers[name], abs=tolerance), (folder, protocol, name)
        for k, of_class in enumerate(judged.get("classes", [])):
            for name, number in again["classes"][k].items():
                assert number == pytest.approx(of_class[name], abs=2**-25)


@pytest.mark.slow
def test_the_volume_benchmark_runs(tmp_path):
    pytest.importorskip("nibabel")
    import volume

    assert "64" in volume.table(64, 1, tmp_path)[0]


@pytest.mark.slow
def test_published_numbers_are_recomputed_without_the_package(tmp_path):
    script = tmp_path / "benchmarks/recomputation.py"
    published = "results/published/cod"
    script.parent.mkdir()
    shutil.copy(ROOT / "benchmarks/recomputation.py", script)
    shutil.copytree(ROOT / published, tmp_path / published)
    metrics = tmp_path / published / "metrics.json"
    content = json.loads(metrics.read_text())
    content["metrics"]["raw"]["slp"]["DTD"]["brier"]["low"] += 1e-6
    metrics.write_text(json.dumps(content))
    done = subprocess.run([sys.executable, script, "cod"], capture_output=True, text=True, cwd=tmp_path)
    counts, differing = done.stdout.splitlines()
    recomputed, equal, _ = map(int, re.findall(r"\d+", counts))
    assert equal == recomputed - 1 > 3000
    assert "DTD raw slp brier low" in differing and done.returncode == 1
    assert not re.search(r"^(?:import|from) +(?:pipeline_src|\.)", script.read_text(), flags=re.MULTILINE)
