"""The picture of README.md shows the numbers that are published."""

from __future__ import annotations

import json
import re
import sys
from zipfile import ZipFile

import pandas as pd
import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "docs/make"))
import picture

FOLDER = ROOT / "results/published" / picture.EXPERIMENT


@pytest.fixture(scope="module")
def words() -> list[str]:
    """Texts of the picture, which an SVG has as comments beside its outlines."""
    return re.findall(r"<!-- (.*?) -->", (ROOT / picture.PICTURE).read_text(encoding="utf-8"))


@pytest.mark.parametrize("method", list(picture.TITLES))
def test_errors_are_those_that_are_published(words, method):
    error = json.loads((FOLDER / "metrics.json").read_text())["metrics"]["raw"][method]["ECSSD"]["ece"]
    assert "ECE {:.2f} [{:.2f}, {:.2f}] %".format(*(100 * error[key] for key in ("mean", "low", "high"))) in words


def test_differences_are_those_of_the_table(words):
    with ZipFile(FOLDER / "tables.zip") as file, file.open("T14.csv") as table:
        rows = pd.read_csv(table)
    rows = rows.query("protocol == 'raw' and part == 'ECSSD' and metric == 'ece'")
    for method in (method for method in picture.TITLES if method != "baseline"):
        row = rows[(rows.method == method) & (rows.reference == "baseline")].iloc[0]
        assert row["mark"] == "lower"  # or else the README's sentence below it is wrong
        ends = -100 * row["mean"], -100 * row["own_high"], -100 * row["own_low"]
        assert "{:.1f} points lower [{:.1f}, {:.1f}]".format(*ends) in words


def test_a_difference_that_is_not_shown_is_called_so():
    row = pd.Series({"mean": -0.01, "own_low": -0.03, "own_high": 0.01, "mark": float("nan")})
    assert picture._difference(row) == "not shown to differ from the baseline"
