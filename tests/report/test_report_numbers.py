"""The numbers of the diagrams and of the comparison, counted again from the maps."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.measurement import BIN_CHOICES
from pipeline_src.analysis.results import Results
from pipeline_src.report.comparison import ProtocolComparison
from pipeline_src.report.diagrams import diagrams

PARTS = {"val": "val", "set": "id", "textures": "ood"}
METHODS = {"baseline": 0.3, "slp": 0.1}
SEEDS = (0, 1)


def maps(method: str, seed: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(3, 8, 8) probabilities, float32, and their truth."""
    rng = np.random.default_rng([seed, *map(ord, method + part)])
    truth = (rng.random((3, 8, 8)) < (0 if part == "textures" else 0.4)).astype(np.uint8)
    sure = 0.5 + 0.5 * rng.random(truth.shape)
    right = rng.random(truth.shape) > METHODS[method]
    return np.where(right == (truth == 1), sure, 1 - sure).astype(np.float32), truth


def counted(method: str, seed: int, part: str, bins: int) -> dict[str, np.ndarray]:
    """Pixels, hits and confidence by bin, and ECE, OE and accuracy: straight from the maps, in float64."""
    probability, truth = (a.reshape(-1) for a in maps(method, seed, part))
    confidence = np.maximum(probability, 1 - probability).astype(np.float64)
    hit = (probability >= 0.5) == truth
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    pixels, hits, score = (np.bincount(place, w, bins) for w in (np.ones_like(confidence), hit, confidence))
    some = np.maximum(pixels, 1)
    gap = (score - hits) / some
    return {
        "pixels": pixels,
        "hits": hits,
        "score": score,
        "ece": (pixels * abs(gap)).sum() / pixels.sum(),
        "oe": (pixels * score / some * np.maximum(gap, 0)).sum() / pixels.sum(),
        "accuracy": hit.mean(),
    }


def mean(metric: str, method: str, part: str) -> float:
    return float(np.mean([counted(method, seed, part, 10)[metric] for seed in SEEDS]))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    facts = Facts("made", {name: MethodFacts(name) for name in METHODS}, PARTS, SEEDS)
    return analysed(tmp_path_factory.mktemp("analyses"), facts, lambda *run: zip(*maps(*run), strict=True))


@pytest.mark.parametrize("bins", BIN_CHOICES)
def test_the_diagrams_hold_the_counted_bins(results, bins):
    cells = diagrams(results)["cells"]["raw"]
    for part, method in product(PARTS, METHODS):
        shown, seeds = cells[part][method][str(bins)], [counted(method, seed, part, bins) for seed in SEEDS]
        for name in ("ece", "oe"):
            assert shown[name] == pytest.approx(np.mean([one[name] for one in seeds]), abs=1e-6)
        pixels, hits, score = (sum(one[name] for one in seeds) for name in ("pixels", "hits", "score"))
        assert [row[:3] for row in shown["rows"]] == [[k, pixels[k], hits[k]] for k in range(bins) if pixels[k]]
        band = results.measurement("raw", method, part).arrays["accuracy_band"]
        for k, _, right, excess, *ends in shown["rows"]:
            assert right + excess == pytest.approx(score[k], abs=1e-3)
            known = bins == results.facts.bins and not np.isnan(band[k]).any()
            assert ends == pytest.approx(band[k].tolist() if known else [], abs=1e-5)


def test_the_comparison_holds_the_counted_errors(results):
    compared = ProtocolComparison.of(results, "raw", ("id",))
    for method, metric in product(METHODS, ("ece", "oe", "accuracy")):
        assert compared.mean(metric, method).value == pytest.approx(mean(metric, method, "set"), abs=1e-6)
    difference = compared.difference("ece", "slp", "baseline")
    assert difference.value == pytest.approx(mean("ece", "slp", "set") - mean("ece", "baseline", "set"), abs=1e-6)
