"""One rule for percent: what is read is printed as the registry says, files for programs hold fractions."""

from __future__ import annotations

import ast

from project import ROOT

from pipeline_src.metrics.registry import METRICS


def test_a_metric_is_in_percent_or_not():
    for name, metric in METRICS.items():
        in_percent = metric.unit == "percentage points"
        assert (metric.factor == 100) == in_percent == metric.column.endswith("%"), name


def test_no_other_way_of_printing_percent():
    """`f"{share:.2%}"` has no space, and digits of its own."""
    packages = ("tables", "figures", "claims", "report", "maps", "cli", "metrics", "analysis", "api")
    for file in (file for package in packages for file in (ROOT / "pipeline_src" / package).rglob("*.py")):
        specs = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FormattedValue)]
        assert not [node.lineno for node in specs if node.format_spec and ast.unparse(node.format_spec).endswith("%'")]
