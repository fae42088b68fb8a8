"""T13: thresholds of the validation images of each method and seed, and what they deliver on other sets."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from made_results import analysed, by_hand

from pipeline_src.analysis.conformal import controlled
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.tables import risk_bounds as step
from pipeline_src.tables.paper_table import BROKEN
from pipeline_src.tables.risk_bounds import RISK_BOUNDS, risk_bounds

PARTS = {"val": "val", "one": "id", "dots": "ood"}
METHODS = {"baseline": MethodFacts("baseline"), "mean": MethodFacts("deep_ensemble", of_all_seeds=True, trains=False)}
FACTS = Facts("made", METHODS, PARTS, (0, 1))


def maps(method: str, seed: int, part: str):
    """Images of a disc, and on `dots` of nothing."""
    rng = np.random.default_rng([len(method), seed, *part.encode()])
    for _ in range(19 if part == "val" else 6):  # 19 are just enough for 5 %
        z = rng.normal(rng.normal(0, 1), 2, (9, 11))
        y = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.uint8)
        yield np.float32(1 / (1 + np.exp(-z))), y * (part != "dots")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("statistics"), FACTS, maps)


def test_rows_are_thresholds_of_the_validation_images(results):
    table = risk_bounds(results)
    assert len(table.rows) == 2 * 2 * 2 * 2 * 3  # protocols, bounds, sets, methods, quantities
    by_name = {bound.risk: bound for bound in RISK_BOUNDS}
    for row in table.rows:
        of = [results.measurement(row["protocol"], row["method"], part) for part in ("val", row["part"])]
        found = controlled(by_name[row["risk"]], *of)
        assert row["mean"] == pytest.approx(found.points[row["metric"]].mean(), nan_ok=True)
        assert row["alpha"] == by_name[row["risk"]].alpha
        assert row["mark"] == ""  # images alike, and of less: no bound is broken
        assert row["seeds"] == ("0 1" if row["method"] == "baseline" else "0")
        if row["metric"] == "threshold":
            assert 0 < row["mean"] < 1 and np.isnan(row["low"])
        elif row["part"] == "dots" and row["metric"] == "fnr":
            assert np.isnan(row["mean"])  # there is no object to miss
        else:
            assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1


def test_a_bound_is_broken_where_the_interval_of_its_own_risk_lies_above_it(results, monkeypatch):
    risks = cycle([(0.02, 0.13), (0.13, 0.02)])  # FNR and FPR of the two methods; the bounds are 10 % and 5 %

    def made_up(*_):
        fnr, fpr = next(risks)
        return by_hand({"threshold": [0.5], "fnr": [fnr], "fpr": [fpr]}, np.linspace(-0.02, 0.02, 9))

    monkeypatch.setattr(step, "controlled", made_up)
    one_set = replace(results, facts=replace(FACTS, parts={"val": "val", "one": "id"}))
    marks = {(row["risk"], row["method"], row["metric"]): row["mark"] for row in risk_bounds(one_set).rows}
    assert {key for key, mark in marks.items() if mark == BROKEN} == {
        ("fpr", "baseline", "fpr"),
        ("fnr", "mean", "fnr"),
    }


def test_where_there_is_no_bound(results):
    without = replace(results, facts=replace(FACTS, parts={"one": "id"}))
    assert not risk_bounds(without).rows and "validation images" in risk_bounds(without).notes[0]
    several = replace(results, facts=replace(FACTS, class_names=("a", "b", "c")))
    few = risk_bounds(replace(results, facts=replace(FACTS, parts={"one": "val", "val": "id"})))
    assert not risk_bounds(several).rows and not few.rows
    assert all(str(bound) in " ".join(few.notes) for bound in RISK_BOUNDS)
