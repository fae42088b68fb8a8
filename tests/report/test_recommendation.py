"""The recommended method follows from the numbers and their intervals by the stated rule."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from made_results import HandMade, analysed, by_hand
from made_statistics import varied

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.recommendation import (
    KEPT,
    NO_CHOICE,
    RECOMMENDED,
    SIMPLICITY,
    ProtocolComparison,
    recommend,
    sentences,
    simplicity,
)
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import SQUARED

STEADY = np.array([-0.002, 0.0, 0.002])  # resamples around a point, alike for all: differences are certain
ASIDE = np.array([1, 0, -1])
PARTS = {"one": "id", "two": "id", "textures": "ood", "elsewhere": "shifted"}
POSTHOC = {"temperature", "platt", "beta"}


def compared(
    ece: dict, accuracy: dict | None = None, brier: dict | None = None, ood: dict | None = None, **more
) -> list[ProtocolComparison]:
    """The comparisons in distribution, under shift and out of distribution, of made-up numbers.

    `more`: `uncertain`, (method, metric) -> how far its resamples spread against all others'; `floor` of the ECE;
    `codes` of the methods; `seeds`, `units` and `synthetic` of the experiment.
    """
    codes = more.get("codes", {})
    methods = {name: MethodFacts(codes.get(name, name), {}, trains=name not in POSTHOC) for name in ece}
    facts = Facts("x", methods, PARTS, more.get("seeds", (0, 1)), synthetic=more.get("synthetic", False))
    measurements = {}
    for method, part in product(methods, PARTS):
        errors = ood if ood and part == "textures" else ece
        points = {"ece": errors[method], "oe": 0.0, "accuracy": (accuracy or {}).get(method, 0.9)}
        points |= {"brier": (brier or {}).get(method, 0.03), "ece_floor": more.get("floor", 0.0)}
        run = by_hand({name: [point] * len(facts.seeds) for name, point in points.items()}, STEADY, facts.seeds)
        spread = {name: more.get("uncertain", {}).get((method, name), 0) * ASIDE for name in points}
        spread[SQUARED] = spread["ece"]  # which decides about it
        values = {name: values + spread.get(name, 0) for name, values in run.values.items()}
        measurements["raw", part, method] = replace(run, values=values, units=more.get("units", 100))
    results = HandMade(facts, {}, measurements)
    return [of_role(results, role) for role in ("id", "shifted", "ood")]


def of_role(results: Results, role: str) -> ProtocolComparison:
    measured = {split: results.measured("raw", split) for split in results.facts.splits_of([role])}
    return ProtocolComparison(results.facts, measured, role)


@pytest.mark.parametrize(
    ("numbers", "method", "tied"),
    [
        ({"ece": {"baseline": 0.04, "temperature": 0.02, "slp": 0.03}}, "temperature", []),
        # A lower ECE beats simplicity where it is significant, and not where it is not.
        ({"ece": {"baseline": 0.04, "temperature": 0.03, "slp": 0.02}}, "slp", []),
        (
            {"ece": {"baseline": 0.04, "temperature": 0.021, "slp": 0.02}, "uncertain": {("slp", "ece"): 0.0011}},
            "temperature",
            ["slp"],
        ),
        # A tie of ECE is none where the simpler method has a higher Brier score.
        (
            {
                "ece": {"baseline": 0.04, "temperature": 0.021, "slp": 0.02},
                "uncertain": {("slp", "ece"): 0.0011},
                "brier": {"slp": 0.02},
            },
            "slp",
            [],
        ),
        # An ECE that costs accuracy or Brier score, or may cost accuracy, does not count.
        ({"ece": {"baseline": 0.04, "slp": 0.02}, "accuracy": {"slp": 0.88}}, "baseline", []),
        ({"ece": {"baseline": 0.04, "slp": 0.02}, "brier": {"slp": 0.031}}, "baseline", []),
        ({"ece": {"baseline": 0.04, "slp": 0.02}, "uncertain": {("slp", "accuracy"): 0.01}}, "baseline", []),
        ({"ece": {"baseline": 0.02, "slp": 0.019}, "uncertain": {("slp", "ece"): 0.01}}, "baseline", []),
        # Below the noise floor nothing is ranked.
        ({"ece": {"baseline": 0.04, "platt": 0.0025, "slp": 0.001}, "floor": 0.003}, "platt", ["slp"]),
        # The baseline is known by its code.
        ({"ece": {"ce": 0.04, "beta": 0.02}, "codes": {"ce": "baseline"}}, "beta", []),
        ({"ece": {"slp": 0.04, "beta": 0.02}}, None, []),
        ({"ece": {"baseline": 0.04}}, None, []),
    ],
)
def test_the_rule(numbers, method, tied):
    choice = recommend(compared(**numbers)[0])
    assert (choice.method, list(choice.tied)) == (method, tied)
    assert [name for name, outcome in choice.outcomes.items() if outcome == RECOMMENDED] == [method] * bool(method)


@pytest.mark.parametrize(("units", "method"), [(9, None), (10, "slp")])
def test_fewer_than_ten_images_decide_nothing(units, method):
    assert recommend(compared({"baseline": 0.04, "slp": 0.02}, units=units)[0]).method == method


def test_equally_simple_methods_are_ranked_by_ece_or_by_another_metric():
    ece = {"baseline": 0.04, "isotonic": 0.0201, "histogram_binning": 0.02}
    inside, *_ = compared(ece, brier={"isotonic": 0.02}, uncertain={("isotonic", "ece"): 0.0011})
    assert recommend(inside).method == "histogram_binning"
    choice = recommend(inside, tie_break="brier")
    assert (choice.method, choice.tied) == ("isotonic", ["histogram_binning"])


def test_the_order_of_simplicity():
    methods = {name: MethodFacts(name, trains=False) for codes in SIMPLICITY.values() for name in codes}
    methods["slp"] = MethodFacts("slp")
    methods["calibrated"] = MethodFacts("temperature", {"of": "averaged"}, trains=False)
    methods["of_averages"] = MethodFacts("temperature", {"of": "baseline", "weights": "averaged"}, trains=False)
    methods["trained"] = MethodFacts("temperature", {"of": "slp"}, trains=False)
    facts = Facts("x", methods, PARTS)
    ranked = ["baseline", "temperature", "platt", "beta", "averaged", "deep_ensemble", "slp"]
    assert [simplicity(facts, name) for name in ranked] == list(range(7))
    assert simplicity(facts, "calibrated") == simplicity(facts, "of_averages") == simplicity(facts, "averaged")
    assert simplicity(facts, "trained") == simplicity(facts, "slp")


def text_of(*numbers, **more) -> str:
    inside, *others = compared(*numbers, **more)
    described = {"temperature": {"title": "Temperature scaling"}}
    return sentences(inside, others, recommend(inside), described).replace("\u00a0", " ")


def test_the_text_has_method_effect_and_interval():
    ece = {"baseline": 0.04, "temperature": 0.02, "slp": 0.0201}
    text = text_of(ece, uncertain={("slp", "ece"): 0.0011})
    for words in ("Temperature scaling", "(one, two)", "from 4.00 %", "to 2.00 % [1.81, 2.19]", ": slp."):
        assert words in text
    assert "synthetic" in text_of(ece, synthetic=True)
    worse = text_of(ece, ood={"baseline": 0.01, "temperature": 0.08, "slp": 0.08})
    assert "textures" in worse and "8.00 %" in worse and "textures" not in text
    assert text_of({"baseline": 0.04}) == text_of({"slp": 0.04}) == NO_CHOICE
    assert "4.00 %" in text_of({"baseline": 0.04, "slp": 0.05}) and "lowers" not in text_of({"slp": 0.04})


def test_the_table_has_every_method_and_paired_differences():
    inside, *others = compared({"baseline": 0.04, "slp": 0.02, "mc": 0.03}, accuracy={"slp": 0.88})
    assert inside.methods == ["slp", "mc", "baseline"]
    assert recommend(inside).outcomes == {"slp": "accuracy lost", "mc": RECOMMENDED, "baseline": "baseline"}
    assert inside.difference("ece", "slp", "baseline").value == pytest.approx(-0.02)
    assert [sets.mean("ece", "slp").value for sets in others] == pytest.approx([0.02, 0.02])
    assert np.isnan(inside.mean("ece", "platt").value)  # it was not run


def test_a_constant_confidence_is_not_recommended(tmp_path):
    """It has no calibration error at the same accuracy, and tells no pixel from another."""
    pairs = [(f, y) for f, y, _ in varied(24, sharp=2.5)]
    accuracy = np.float32(np.mean([((f >= 0.5) == y).mean() for f, y in pairs]))
    constant = [(np.where(f >= 0.5, accuracy, 1 - accuracy), y) for f, y in pairs]
    facts = Facts("made", {"baseline": MethodFacts("baseline"), "constant": MethodFacts()}, {"images": "id"})
    maps = {"baseline": pairs, "constant": constant}
    results = analysed(tmp_path, facts, lambda method, seed, part: maps[method])
    inside = of_role(results, "id")
    assert inside.methods[0] == "constant" and inside.accuracy("constant", "baseline") == KEPT
    assert recommend(inside).outcomes == {"constant": "higher Brier score", "baseline": RECOMMENDED}
