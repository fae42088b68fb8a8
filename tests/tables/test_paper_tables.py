"""The paper tables of an experiment: every number is that of the results, marks follow from paired differences."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import HandMade, by_hand

from pipeline_src.analysis.estimate import HIGHER, LOWER
from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts, MethodFacts
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import RunCost
from pipeline_src.metrics.registry import metric_names
from pipeline_src.tables.paper_table import BEST, CSV_COLUMNS, FLOOR, TIED, marks
from pipeline_src.tables.registry import TABLES, ByMethod

PARTS = {"val": "val", "one": "id", "dots": "ood"}
METHODS = {
    "baseline": MethodFacts("baseline"),
    "slp": MethodFacts("slp", {"alpha": 0.05, "beta": 1.0}),
    "label_smoothing": MethodFacts("label_smoothing", {"eps": 0.1}),
}
FACTS = Facts("made", METHODS, PARTS, (0, 1), 10, 3)
BY_METHOD = {name: table for name, table in TABLES.items() if isinstance(table, ByMethod)}


def measured(facts: Facts) -> HandMade:
    """Numbers at random for each method, with wide intervals that methods share and narrow ones of their own."""
    rng, made = np.random.default_rng(0), {}
    for protocol in facts.protocols:
        for part in facts.splits:
            together = rng.normal(0, 0.02, 50)
            for method in facts.methods:
                absent = ("max_f", "mean_f") if part == "dots" else ()
                names = [name for name in metric_names(facts.classes) if name not in absent]
                points = {name: rng.random(len(facts.seeds)) for name in names}
                made[protocol, part, method] = by_hand(
                    points, together + rng.normal(0, 0.005, 50), facts.seeds, images=8
                )
    return HandMade(facts, {}, made)


@pytest.fixture(scope="module")
def results() -> HandMade:
    return measured(FACTS)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, make in TABLES.items():
        make(results).write(name, folder)
    return folder


@pytest.fixture(scope="module")
def tables(written) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(written / f"{name}.csv") for name in TABLES}


def test_every_number_is_that_of_the_results(results, tables):
    for name, table in BY_METHOD.items():
        parts = [part for part, role in PARTS.items() if role in table.roles]
        metrics = {*table.metrics} - {"mean_iou", "classwise_ece"}  # of several classes
        assert set(tables[name]["metric"]) == metrics
        assert len(tables[name]) == 2 * len(parts) * len(METHODS) * len(metrics)
        for row in tables[name].itertuples():
            points = results.measurement(row.protocol, row.method, row.part).points[row.metric]
            of = results.estimate(row.metric, row.protocol, row.method, row.part)
            expected = of.value, points.std(ddof=1), of.low, of.high
            assert (row.mean, row.sd, row.low, row.high) == pytest.approx(expected, rel=1e-7)  # eight digits
            assert (row.images, row.seeds, row.role) == (8, "0 1", PARTS[row.part])


def one_metric(points: list[float], ends=(0.0, 0.0), seeds=(0,), **more) -> Measurement:
    """Resampled values that go from `ends[0]` below to `ends[1]` above the points."""
    return by_hand({"ece": points, "accuracy": points, "entropy": points}, np.linspace(*ends, 101), seeds, **more)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({"a": one_metric([0.1]), "b": one_metric([0.2])}, {"a": BEST}),
        # Together up and down: the difference is certain, however wide each interval.
        ({"a": one_metric([0.1], (-0.3, 0.3)), "b": one_metric([0.2], (-0.3, 0.3))}, {"a": BEST}),
        ({"a": one_metric([0.1], (-0.3, 0.3)), "b": one_metric([0.2], (0.3, -0.3))}, {"a": TIED, "b": TIED}),
        (
            {"a": one_metric([0.1]), "b": one_metric([0.12], (-0.1, 0.1)), "c": one_metric([0.5], (-0.1, 0.1))},
            {"a": TIED, "b": TIED},
        ),
        ({"a": one_metric([0.1])}, {}),
        ({"a": one_metric([0.1]), "b": one_metric([0.2], seeds=(7,))}, {"a": TIED, "b": TIED}),
        # The best mean is worse on the seed that both have.
        ({"a": one_metric([0.05, 0.3, 0.25], seeds=(0, 1, 2)), "b": one_metric([0.1])}, {"a": TIED, "b": TIED}),
        # Two seeds that differ so much decide nothing.
        (
            {"a": one_metric([0.1, 0.3], seeds=(0, 1)), "b": one_metric([0.25], of_all_seeds=True)},
            {"a": TIED, "b": TIED},
        ),
        ({"a": one_metric([0.1, 0.1001], seeds=(0, 1)), "b": one_metric([0.25], of_all_seeds=True)}, {"a": BEST}),
    ],
)
def test_marks(measured, expected):
    assert marks("ece", measured) == expected


def test_below_the_noise_floor_nothing_is_ranked():
    def of(ece: float, floor: float) -> Measurement:
        return by_hand({"ece": [ece], "ece_floor": [floor], "oe": [0.1]}, np.zeros(11))

    marked = marks("ece", {"a": of(0.001, 0.002), "b": of(0.0015, 0.002), "c": of(0.1, 0.002)})
    assert marked == {"a": FLOOR, "b": FLOOR}
    assert marks("ece", {"a": of(0.003, 0.002), "b": of(0.1, 0.002)}) == {"a": BEST}
    for metric in ("ece", "oe"):
        assert marks(metric, {"a": of(0.001, 0.002)}) == {"a": FLOOR}


def test_marks_are_shown_and_explained(tables, written):
    body, legend = (written / "T1.md").read_text(encoding="utf-8").split("ECE, the expected", 1)
    for mark, sign in ((BEST, "★"), (TIED, "†")):
        marked = tables["T1"][tables["T1"]["mark"] == mark]
        assert len(re.findall(rf"\d{sign}", body)) == (marked["protocol"] == "raw").sum()
        assert sign in legend
    assert len(tables["T1"]["mark"].dropna()) > 0


def test_captions_are_short_and_name_experiment_and_protocol(results):
    for make in TABLES.values():
        for protocol, table in make(results).printed().items():
            assert len(table.caption.split()) <= 25, table.caption
            assert PROTOCOL_NAMES.get(protocol, "") in table.caption and FACTS.experiment in table.caption


def test_what_is_missing_is_named_with_the_command(results, tmp_path):
    few = replace(FACTS, methods={"baseline": METHODS["baseline"]}, splits={"val": "val", "one": "id"})
    made = {name: make(replace(results, facts=few)) for name, make in TABLES.items()}
    assert not made["T4"].rows
    made["T4"].write("T4", tmp_path)
    assert (tmp_path / "T4.csv").read_text() == ",".join(CSV_COLUMNS) + "\n"
    assert "data: ood:" in (notes := " ".join(made["T4"].notes)) and "snakemake --cores all" in notes
    second = replace(few, seeds=(0, 1, 2))
    (note,) = TABLES["T1"](replace(results, facts=second)).notes
    assert "baseline seed 2 on one" in note and "experiment=made" in note


def test_the_row_of_an_ensemble_tells_that_it_is_one_network_set():
    methods = METHODS | {"ensemble": MethodFacts("deep_ensemble", {"of": "baseline"}, trains=False, of_all_seeds=True)}
    facts = replace(FACTS, methods=methods, splits={"one": "id"}, seeds=(3, 4))
    made = {("raw", "one", name): one_metric([0.1, 0.2], seeds=(3, 4)) for name in METHODS}
    made["raw", "one", "ensemble"] = one_metric([0.1], seeds=(3,), of_all_seeds=True)
    rows = {name: {row["row"]: row for row in TABLES[name](HandMade(facts, {}, made)).rows} for name in ("T1", "T14")}
    assert [*rows["T1"]] == [*METHODS, "ensemble (one network set, seed 3)"]
    assert rows["T14"]["ensemble − baseline"]["seeds"] == "3 4"


def one_seed(ece: float, accuracy: float, ends: tuple[float, float]) -> Measurement:
    values = {"ece": [ece], "squared_error": [ece**2], "accuracy": [accuracy], "brier": [ece], "nll": [ece]}
    return by_hand(values, np.linspace(*ends, 101), (0,), images=12)


def test_differences():
    """By hand: to the baseline and to its temperature scaling, each pair once; what decides an ECE is its square."""
    methods = {"baseline": METHODS["baseline"], "slp": METHODS["slp"]}
    methods["temperature"] = MethodFacts("temperature", {"of": "baseline"}, trains=False)
    made = {
        ("raw", "one", "baseline"): one_seed(0.30, 0.80, (-0.01, 0.01)),
        ("raw", "one", "slp"): one_seed(0.10, 0.81, (-0.01, 0.01)),
        ("raw", "one", "temperature"): one_seed(0.10, 0.80, (0.01, -0.01)),
    }
    facts = replace(FACTS, methods=methods, splits={"one": "id"}, seeds=(0,))
    table = TABLES["T14"](HandMade(facts, {}, made))
    of = {(row["method"], row["reference"], row["metric"]): row for row in table.rows}
    assert {key[:2] for key in of} == {("slp", "baseline"), ("temperature", "baseline"), ("slp", "temperature")}
    assert len(of) == len(table.rows) == 3 * 4
    for (method, reference, metric), row in of.items():
        one, other = (made["raw", "one", name].points[metric][0] for name in (method, reference))
        assert row["mean"] == pytest.approx(one - other)
    ece = of["slp", "baseline", "ece"]
    assert (ece["mark"], ece["decided_by"]) == (LOWER, "squared_error") and math.isnan(ece["low"])
    assert (ece["decided_low"], ece["decided_high"]) == pytest.approx([0.1**2 - 0.3**2] * 2)
    accuracy = of["slp", "baseline", "accuracy"]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((0.01, 0.01)) and accuracy["mark"] == HIGHER
    wide = of["slp", "temperature", "accuracy"]  # their resamples run against each other
    assert wide["low"] < 0 < wide["high"] and wide["mark"] == ""
    assert table.printed()["raw"].groups[0].rows[0][:2] == ["slp − baseline", "−20.00↓‡"]  # of 12 images


def test_the_grid_of_static_perturbation(tmp_path):
    places = {"s1": (0.1, 0.5), "s2": (0.05, 1.0), "s3": (0.05, 0.5)}
    grid = {name: MethodFacts("slp", {"alpha": alpha, "beta": beta}) for name, (alpha, beta) in places.items()}
    noisy = MethodFacts("slp", {"alpha": 0.1, "beta": 0.5, "noise": 0.25})
    facts = replace(FACTS, methods={"baseline": METHODS["baseline"], "slp_dm": noisy} | grid)
    results = measured(facts)
    table = TABLES["T3"](results)
    strengths = {row["method"]: row["mean"] for row in table.rows if row["metric"] == "strength"}
    assert strengths == pytest.approx({"s3": 0.05, "s2": 0.1, "s1": 0.1})
    ece = [row for row in table.rows if row["metric"] == "ece" and row["protocol"] == "raw"]
    assert [(row["row"], row["column"], row["method"]) for row in ece] == [
        ("α = 0.05", "β = 0.5", "s3"),
        ("α = 0.05", "β = 1", "s2"),
        ("α = 0.1", "β = 0.5", "s1"),
    ]
    assert [row["mean"] for row in ece] == [results.estimate("ece", "raw", row["method"], "one").value for row in ece]
    table.write("T3", tmp_path)
    assert set(pd.read_csv(tmp_path / "T3.csv", dtype=str)["images"].dropna()) == {"8"}
    assert TABLES["T3"](measured(FACTS)).rows == []  # one entry is no grid


def test_costs_are_means_over_seeds_or_dashes(results):
    costs = {("slp", seed): RunCost(60 * (seed + 1), 30, 2e6) for seed in (0, 1)}
    table = TABLES["T9"](replace(results, costs=costs))
    numbers = {(row["method"], row["metric"]): (row["mean"], row["sd"]) for row in table.rows}
    assert numbers["slp", "training"] == pytest.approx((90, 60 / math.sqrt(2)))
    assert numbers["slp", "prediction"] == (30, 0) and numbers["slp", "parameters"][0] == 2e6
    printed = {row[0]: row[1:] for row in table.printed()[""].groups[0].rows}
    assert printed["slp"] == ["1.5 ± 0.7", "0.5 ± 0.0", "2.00"] and printed["baseline"] == ["–"] * 3


def test_weighted_f_is_a_column_only_where_it_was_measured(results):
    without = {key: replace(run, points=dict(run.points)) for key, run in results.measurements.items()}
    for run in without.values():
        del run.points["weighted_f"]
    assert "weighted_f" in {row["metric"] for row in TABLES["T2"](results).rows}
    assert "weighted_f" not in {row["metric"] for row in TABLES["T2"](replace(results, measurements=without)).rows}
