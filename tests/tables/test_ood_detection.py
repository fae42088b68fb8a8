"""T10: every number is that of the analyses, in the place that names its score and data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.ood_detection import SCORES, detection
from pipeline_src.tables.ood_detection import ood_detection
from pipeline_src.tables.registry import TABLES

PARTS = {"val": "val", "one": "id", "two": "id", "far": "shifted", "dots": "ood", "leaves": "ood"}
METHODS = {"baseline": MethodFacts("baseline"), "aslp_mc": MethodFacts("aslp_mc")}
FACTS = Facts("made", METHODS, PARTS, (0, 1))


def maps(method: str, seed: int, part: str):
    """Five images that are surer in distribution, most of all those of the baseline."""
    rng = np.random.default_rng([len(method), seed, *part.encode()])
    sure = (3 if method == "baseline" else 1.5) / (1 + (part in ("dots", "leaves")))
    for _ in range(5):
        z = rng.normal(0, sure * rng.uniform(0.5, 1.5), (9, 11))
        yield np.float32(1 / (1 + np.exp(-z))), (rng.random((9, 11)) < 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("statistics"), FACTS, maps, without={("aslp_mc", 1, "leaves")})


def test_rows_are_detections_and_printed_by_score(results):
    table = ood_detection(results)
    assert len(table.rows) == 2 * 3 * 2 * 2 * 3  # protocols, scores, sets, methods, quantities
    for row in (row for row in table.rows if row["protocol"] == "stretched"):
        sets = {part: results.measurement(row["protocol"], row["method"], part) for part in PARTS}
        inside = {part: sets[part] for part in ("one", "two")}
        found = detection(row["score"], inside, {row["part"]: sets[row["part"]]})
        assert row["mean"] == found.points[row["metric"]].mean()
        few = (row["method"], row["part"]) == ("aslp_mc", "leaves")
        assert (row["seeds"], row["images"], row["role"]) == ("0" if few else "0 1", 5, "ood")
        assert row["low"] <= row["mean"] <= row["high"]
    raw = table.printed("T10")["raw"]
    assert [group.heading for group in raw.groups] == list(SCORES.values())
    assert raw.columns[1:4] == ["dots: AUROC %", "dots: AUPR %", "dots: FPR %"] and len(raw.columns) == 7
    assert [row[0] for row in raw.groups[0].rows] == ["baseline", "aslp_mc"]
    assert "one and two" in raw.notes[0] and any("aslp_mc seed 1 on leaves" in note for note in raw.notes)


@pytest.mark.parametrize("role", ["id", "ood"])
def test_without_sets_to_compare_the_table_says_what_to_add(results, role):
    parts = {part: of for part, of in PARTS.items() if of != role}
    table = TABLES["T10"](replace(results, facts=replace(FACTS, parts=parts)))
    assert not table.rows and f"data: {role}:" in table.notes[0]
