"""benchmarks/ece_edges: the answers are the definition's, and ours but for two that are known."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from project import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from ece_edges.check import CASES, wrong
from peers.measure import Ours

KNOWN = {  # docs/reference/metrics.md
    "next to 0.5": "a float32 probability below 0.5 stands for the float32 confidence 1 - f, which is 0.5 here",
    "float64 just above 0.7": "float64 maps are rounded to float32",
}


def number(value: str | int, dtype: str) -> Fraction:
    return Fraction(value, {"uint8": 255, "uint16": 65535}[dtype]) if isinstance(value, int) else exact_float(value)


def exact_float(text: str) -> Fraction:
    return Fraction(float.fromhex(text))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_answers_are_the_definitions(case):
    """Pair by pair in rational numbers: bin k holds confidences in ((k - 1) / B, k / B], the first also 0."""
    gaps = [Fraction(0)] * case["bins"]
    for value, label in zip(case["values"], case["labels"], strict=True):
        p = [number(v, case["type"]) for v in (value if isinstance(value, list) else [value])]
        p = p if len(p) > 1 else [1 - p[0], p[0]]
        confidence = max(p)
        # Of an object at exactly one half the object is predicted, of classes the first of the largest.
        predicted = len(p) - 1 - p[::-1].index(confidence) if len(p) == 2 else p.index(confidence)
        (k,) = (
            k for k in range(case["bins"]) if Fraction(k, case["bins"]) < confidence <= Fraction(k + 1, case["bins"])
        )
        gaps[k] += confidence - (predicted == label)
    assert Fraction(case["answer"]) == sum(map(abs, gaps)) / len(case["values"])


def test_ours_misses_what_is_known_and_nothing_else():
    assert {case["name"] for case, _, _ in wrong(Ours().ece_of_pixels)} == KNOWN.keys()
