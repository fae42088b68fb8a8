"""Golden test of the analysis: a published experiment, analyzed from its counts, gives the numbers that are committed.

Numbers are compared, never sentences: metrics.json with all intervals, the numbers in claims.json, and main.csv.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pytest
from project import ROOT

from pipeline_src.publishing import published, rebuild

NAME = "static_grid"  # two classes, one seed, in- and out-of-distribution sets: the smallest with many claims
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the numbers that are computed from the published counts today."""
    out = tmp_path_factory.mktemp("rebuilt")
    with ThreadPoolExecutor(1) as pool:
        rebuild.recompute({ROOT / published.FOLDER / NAME: out}, pool)
    return out


def numbers(content: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """(place, number) of all numbers in JSON-like content."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from numbers(value, f"{place}/{key}")
    elif isinstance(content, list):
        for k, value in enumerate(content):
            yield from numbers(value, f"{place}/{k}")
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield place, content


@pytest.mark.parametrize("name", ["metrics.json", "claims.json"])
def test_numbers_are_the_published_ones(rebuilt, name):
    committed, computed = (
        dict(numbers(json.loads((folder / name).read_text(encoding="utf-8"))))
        for folder in (ROOT / published.FOLDER / NAME, rebuilt)
    )
    assert len(committed) > 1000
    assert computed == pytest.approx(committed, rel=TOLERANCE, abs=TOLERANCE)


def test_the_table_of_all_metrics_is_the_published_one(rebuilt):
    committed, computed = (
        pd.read_csv(io.BytesIO(ZipFile(folder / published.TABLES).read("main.csv")))
        for folder in (ROOT / published.FOLDER / NAME, rebuilt)
    )
    pd.testing.assert_frame_equal(computed, committed, rtol=TOLERANCE, atol=TOLERANCE)
