"""One rule for percent: what is read is printed as the registry says, files for programs hold fractions."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from made_claims import PARTS, view
from made_results import HandMade, by_hand
from project import ROOT

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.claims.write import judged
from pipeline_src.cli import judge
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report.comparison import ProtocolComparison
from pipeline_src.report.page import _estimate
from pipeline_src.report.recommendation import sentences
from pipeline_src.tables.registry import TABLES

FACTS = Facts("x", {"baseline": MethodFacts("baseline"), "slp": MethodFacts("slp")}, {"one": "id"})
VALUES = {"ece": 0.04321, "oe": 0.0123, "accuracy": 0.9, "brier": 0.0311, "ece_debiased": 0.05}


@pytest.fixture
def results() -> HandMade:
    made = {m: {name: [value - 0.01 * (m == "slp")] for name, value in VALUES.items()} for m in FACTS.methods}
    one = {("raw", "one", method): by_hand(of, np.zeros(3)) for method, of in made.items()}
    return HandMade(FACTS, {}, one)


def test_a_metric_is_in_percent_or_not():
    for name, metric in METRICS.items():
        in_percent = metric.unit == "percentage points"
        assert (metric.factor == 100) == in_percent == metric.column.endswith("%"), name


def test_no_other_way_of_printing_percent():
    """`f"{share:.2%}"` has no space, and digits of its own."""
    rooms = ("tables", "figures", "claims", "report", "judging", "cli", "steps", "metrics", "analysis")
    for file in (file for room in rooms for file in (ROOT / "pipeline_src" / room).rglob("*.py")):
        specs = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FormattedValue)]
        assert not [node.lineno for node in specs if node.format_spec and ast.unparse(node.format_spec).endswith("%'")]


def test_tables_print_percent_and_their_files_hold_fractions(results, tmp_path):
    table = TABLES["T1"](results)
    table.write("T1", tmp_path)
    rows = {row["row"]: row for row in table.rows if row["metric"] == "ece" and row["protocol"] == "raw"}
    assert rows["baseline"]["mean"] == VALUES["ece"] and str(VALUES["ece"]) in (tmp_path / "T1.csv").read_text()
    printed = table.printed("T1")["raw"]
    assert printed.columns[1] == "ECE %" and printed.groups[0].rows[0][1].startswith("4.32")


def test_words_of_the_report_have_the_digits_of_the_tables(results):
    of = [ProtocolComparison.of(results, "raw", (role,)) for role in ("id", "ood", "shifted")]
    assert "3.32\u00a0%" in " ".join(sentences(of[0], [], "", {}))
    text = str(_estimate(of[0].mean("ece", "baseline"), "ece"))
    assert text.startswith("4.32") and str(_estimate(of[0].mean("brier", "baseline"), "brier")).startswith("0.0311")


def test_the_terminal_prints_what_tables_print():
    result = {"name": "m", "n_images": 3, "n_pixels": 9, "bins": 10, "undefined": {"raw": {}}, "raw": dict(VALUES)}
    result |= {"intervals": {"raw": {"ece": [0.04, 0.05]}}, "bounds": {"raw": {"ece_equal_mass": 1e-5}}, "warnings": []}
    said = judge.in_words(result, Path("out"))
    for words in (
        "ECE %           4.32 [4.00, 5.00]",
        "Acc. %          90.00",
        "Brier           0.0311",
        "mass % 1.0e-03",
    ):
        assert words in said


def test_claims_print_points_and_hold_fractions():
    lower = view({("aslp_mc", "accuracy", part): 0.87 for part in PARTS})
    found = judged(lower)["claims"][4]["protocols"]["raw"]["evidence"]
    accuracy = next(item for item in found if item["unit"] == "percentage points" and item["effect"])
    assert accuracy["effect"] == pytest.approx(-0.03) and "-3.00" in accuracy["printed"].replace("−", "-")


def test_a_root_says_so():
    for name in ("ece_debiased", "ece_debiased_pixels"):
        assert "RMS" in METRICS[name].column and "root-mean-square" in METRICS[name].title
    assert "root of mean squares (RMS)" in TABLES["T6"].more
