"""The recommendation: every sentence follows from numbers and intervals, by hand-made ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline_src.analysis.results import Results
from pipeline_src.analysis.samples import Sampled
from pipeline_src.claims.evidence import AGREES, OPPOSES, UNDECIDED
from pipeline_src.report.recommendation import recommendation, standing_rows
from pipeline_src.report.standing import Standing

STEADY = np.array([[-0.002, 0.0, 0.002]])  # how the resamples lie around a point, alike for all: differences are sure
PARTS = {"one": "id", "two": "id", "textures": "ood"}


def standing(ece: dict, accuracy: dict | None = None, ood: dict | None = None, unsure: dict | None = None, seeds=(0,)):
    """What is in and out of distribution, of made-up errors and accuracies (0.9 if not given).

    `unsure`: (method, metric) -> how far the resamples of one spread besides, against all others'.
    """
    samples, files = {}, {}
    for method in ece:
        for part, role in PARTS.items():
            points = {"oe": 0.0, "accuracy": (accuracy or {}).get(method, 0.9)}
            points["ece"] = (ood or ece)[method] if role == "ood" else ece[method]
            values = {
                name: point + STEADY - (unsure or {}).get((method, name), 0) * np.array([[-1, 0, 1]])
                for name, point in points.items()
            }
            samples["raw", method, part] = Sampled(
                10,
                seeds,
                {name: np.full(len(seeds), point) for name, point in points.items()},
                {name: np.repeat(found, len(seeds), axis=0) for name, found in values.items()},
            )
            files |= {(method, seed, part): Path("nowhere") for seed in seeds}
    results = Results("x", files, PARTS, 10, 1, {"baseline": "Baseline"})
    return [Standing.of(results, samples, "raw", (role,)) for role in ("id", "ood")]


def said(*of, **more) -> dict[str, str]:
    return {heading: text.replace("\u00a0", " ") for heading, text in recommendation(*standing(*of, **more)).items()}


def test_the_lowest_error_is_named_and_recommended():
    words = said({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, ood={"baseline": 0.05, "slp": 0.01, "mc": 0.05})
    assert words == {
        "Best calibrated": "slp has the lowest mean ECE on one and two, 2.00 % [1.81, 2.19], significantly below every "
        "other; next is mc (3.00 % [2.81, 3.19]).",
        "Accuracy kept": "Within half a point of Baseline's on one and two: all others keep it.",
        "What to use": "slp: its mean ECE is 2.00 percentage points [2.00, 2.00] below Baseline's, at kept accuracy. "
        "Out of distribution (textures) its mean ECE, 1.00 % [0.81, 1.19], is lower than Baseline's, "
        "5.00 % [4.81, 5.19]. Each method was trained once: another training may change the order of methods that lie "
        "close.",
    }


def test_what_cannot_be_told_apart_is_named_as_good():
    words = said({"baseline": 0.04, "slp": 0.02, "mc": 0.021}, unsure={("mc", "ece"): 0.01})
    assert "not told apart from it: mc (2.10 %" in words["Best calibrated"]
    assert "As good, as far as these images can tell: mc." in words["What to use"]


def test_who_loses_accuracy_is_not_recommended():
    words = said({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"slp": 0.88})
    assert words["Best calibrated"].startswith("slp has the lowest")
    assert words["Accuracy kept"].endswith("slp loses 2.00 percentage points on one and 2.00 percentage points on two.")
    assert words["What to use"].startswith("mc: its mean ECE is 1.00 percentage points")


def test_undecided_accuracy_is_not_kept():
    inside, _ = standing({"baseline": 0.04, "slp": 0.02}, accuracy={"slp": 0.896}, unsure={("slp", "accuracy"): 0.01})
    assert inside.accuracy("slp") == UNDECIDED
    words = said({"baseline": 0.04, "slp": 0.02}, accuracy={"slp": 0.896}, unsure={("slp", "accuracy"): 0.01})
    assert words["Accuracy kept"] == "The images do not decide it for slp."
    assert words["What to use"].startswith("No method that keeps the accuracy is better")


@pytest.mark.parametrize("ece", [{"baseline": 0.02, "slp": 0.03}, {"baseline": 0.02, "slp": 0.019}])
def test_the_baseline_stays_where_nothing_beats_it(ece):
    words = said(ece, unsure={("slp", "ece"): 0.01})
    assert "no reason to change" in words["What to use"]
    assert "Out of distribution" not in words["What to use"]


def test_without_a_baseline_nothing_is_recommended():
    words = said({"slp": 0.02, "mc": 0.03})
    assert "Accuracy kept" not in words
    assert words["What to use"].startswith("Without a block named baseline nothing can be recommended")


def test_more_seeds_no_warning_of_one():
    assert "trained once" not in said({"baseline": 0.04, "slp": 0.02}, seeds=(0, 1))["What to use"]


def test_accuracy_by_the_rule_of_c5():
    inside, _ = standing({"baseline": 0.04, "a": 0.02, "b": 0.02}, accuracy={"a": 0.8951, "b": 0.8949})
    assert (inside.accuracy("a"), inside.accuracy("b")) == (AGREES, OPPOSES)


def test_the_glance_has_every_method_best_first():
    rows = standing_rows(*standing({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"slp": 0.88}))
    assert [row["method"] for row in rows] == ["slp", "mc", "baseline"]
    assert [row["kept"] for row in rows] == ["lost", "kept", ""]
    assert rows[0]["ece"].value == pytest.approx(0.02)
    assert rows[0]["ece"].low == pytest.approx(0.02 - 0.0019)


def test_no_set_in_distribution_no_words():
    inside, outside = standing({"baseline": 0.04, "slp": 0.02})
    assert recommendation(outside.of(inside.results, {}, "raw", ("id",)), outside) == {}
