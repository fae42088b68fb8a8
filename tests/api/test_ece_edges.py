"""benchmarks/ece_edges: the answers are the definition's, and ours but for two that are known."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from project import ROOT, call

sys.path.append(str(ROOT / "benchmarks"))
from ece_edges.check import CASES, wrong
from peers_at_edges import ours

KNOWN = {  # docs/reference/metrics.md
    "next to 0.5": "a float32 probability below 0.5 stands for the float32 confidence 1 - f, which is 0.5 here",
    "float64 just above 0.7": "float64 maps are rounded to float32",
}


def number(value: str | int, of: str) -> Fraction:
    return Fraction(value, {"uint8": 255, "uint16": 65535}[of]) if isinstance(value, int) else exact_float(value)


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
    assert case["reason"].endswith(".")


def test_ours_misses_what_is_known_and_nothing_else():
    assert {case["name"] for case, _, _ in wrong(ours)} == KNOWN.keys()


@pytest.mark.parametrize("words", [(), ("naive",), ("no_such_module:ece",), ("json:ece",), ("a:b", "c")])
def test_the_runner_tells_how_it_is_called(words, tmp_path):
    said = call(tmp_path, "python", str(ROOT / "benchmarks/ece_edges/check.py"), *words, check=False)
    assert said.startswith("usage: python check.py MODULE:FUNCTION") and "Traceback" not in said


def test_the_runner_stands_alone(tmp_path):
    (tmp_path / "naive.py").write_text(
        "import numpy as np\n"
        "def ece(p, y, bins):\n"
        "    c = np.maximum(p, 1 - p)\n"
        "    k = np.minimum((c * np.float32(bins)).astype(int), bins - 1)\n"
        "    gap = c - ((p >= 0.5) == y)\n"
        "    return sum(abs(gap[k == b].sum()) for b in range(bins)) / len(p)\n"
    )
    runner = str(ROOT / "benchmarks/ece_edges/check.py")
    said = call(tmp_path, "python", runner, "naive:ece", check=False)
    assert "float32 0.7 and 0.68: " in said and "times 10 in float32 it is 7." in said
    assert f"of {len(CASES)} cases are right" in said and f"{len(CASES)} of" not in said
