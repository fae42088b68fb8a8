"""benchmarks/leads: the simulation is the loop's fixed point, and averaging leaves training as it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from project import ROOT
from safetensors.torch import load_file
from scipy.special import expit
from training_runs import experiment, run, stopped

from pipeline_src.data.store import Store
from pipeline_src.training.registry import choose

sys.path.append(str(ROOT / "benchmarks/leads"))

import averaged
import levels


def test_distances_of_a_row():
    inside = np.zeros((1, 16), bool)
    inside[0, :3] = True
    expected = [3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8]
    square = levels.distance(np.repeat(inside, 16, axis=0), 16)
    assert square == pytest.approx(np.tile(expected, (16, 1)))
    assert levels.distance(np.repeat(inside, 16, axis=0), 32) == pytest.approx(np.tile(expected, (16, 1)) * 2)
    assert (levels.distance(np.ones((4, 4), bool), 16) == 8).all()


@pytest.fixture(scope="module")
def sample() -> levels.Sample:
    """Logits twice as large as calibrated ones, at all distances from a border that is predicted where it is."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, 20_000)
    y = (rng.random(len(z)) < expit(z)).astype(float)
    away = rng.uniform(0, 20, len(z))
    return levels.Sample(2 * z, y, np.full(len(z), 1 / len(z)), away, away)


def test_at_the_levels_that_are_found_confidence_equals_accuracy(sample):
    maps = {name: fit(sample) for name, fit in levels.FITS.items()}
    excess = {name: levels.excess(of(sample), sample) for name, of in maps.items()}
    c, right = (np.maximum(expit(sample.z), expit(-sample.z)), (sample.z >= 0) == (sample.y == 1))
    s = (c.mean() - right.mean()) / (c.mean() - 0.5)  # docs/theory.md, section 6
    expected = expit(sample.z) - s * (expit(sample.z) - 0.5)
    assert maps["one level"](sample) == pytest.approx(expected, abs=1e-6)
    assert excess["as it is"].mean() > 0.05
    bands, bins = levels.band(sample.predicted), levels.bin_of(sample)
    for name, groups in (("one level", 0 * bins), ("a level per band, predicted border", bands)):
        assert levels.total(groups, excess[name], groups.max() + 1) == pytest.approx(0, abs=1e-6)
    assert levels.total(bins, excess["a level per bin of confidence"], levels.BINS) == pytest.approx(0, abs=1e-6)
    assert maps["temperature"](sample) == pytest.approx(expit(sample.z / 2), abs=0.02)
    assert maps["temperature by distance to the predicted border"](sample) == pytest.approx(
        expit(sample.z / 2), abs=0.02
    )


def test_a_run_goes_on_and_its_last_weights_are_averaged(stores, tmp_path, monkeypatch):
    """With a window that is never full: the mean of the weights before each step. A stop in between changes nothing."""
    opened, seen = [Store.open(stores[part]) for part in ("train", "val")], []
    first = run(stores, tmp_path, "aslp_cl", {"start_epoch": 1})
    start = load_file(first / "model.safetensors")
    name = next(name for name in start if name.endswith("weight"))
    update = averaged.MomentumAnnealingEMA.update_parameters

    def spy(average, network):
        seen.append(network.state_dict()[name].clone())
        update(average, network)

    def further(folder):
        method = choose("aslp_cl", {"start_epoch": 1}).method
        done = averaged.trained(opened, experiment(epochs=2), method, first, folder)
        averaged.write(done, folder)
        return [load_file(folder / f"{of}.safetensors") for of in ("model", "latest")]

    monkeypatch.setattr(averaged.MomentumAnnealingEMA, "update_parameters", spy)
    monkeypatch.setattr(averaged, "WINDOW", 1000)
    average, latest = further(tmp_path / "whole")
    assert torch.equal(seen[0], start[name])
    assert torch.allclose(average[name], torch.stack(seen).mean(0), atol=1e-6)
    again = stopped(monkeypatch, [1], lambda: further(tmp_path / "stopped"))
    for one, other in zip((average, latest), again, strict=True):
        assert all(torch.equal(one[of], other[of]) for of in one)
    assert not torch.equal(average[name], latest[name])


def test_aslp_cl_goes_on_with_its_mark_and_alphas(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,mark\n1,0.01\n2,0.03\n")
    (tmp_path / "alpha.csv").write_text("id,1,2\na,0.0,0.02\nb,0.0,0.04\n")
    method = averaged.going_on(choose("aslp_cl", {"gain": 0.2}).method, tmp_path)
    method.start(2, {}, 2)
    assert (method.history_values(), method.alphas.tolist()) == ({"mark": 0.03}, [0.02, 0.04])
    assert (method.gain, method.start_epoch) == (0.2, 1)
