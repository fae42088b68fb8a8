"""The numbers behind the figures, computed again from the pixels; and by hand where that is short."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_figures import IMAGES, ODD, SEEDS, make_results, make_store, maps
from made_results import RESAMPLES, HandMade, analysed, by_hand

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts, Perturbation
from pipeline_src.analysis.intervals import percentiles, students_t
from pipeline_src.analysis.results import Results
from pipeline_src.counting.levels import CLAMP
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import top_label
from pipeline_src.data.store import Store
from pipeline_src.figures import (
    alpha,
    bin_tables,
    entropy,
    examples,
    extremes,
    joint,
    overview,
    reliability,
    risk,
    severity,
    style,
    sweep,
    training,
)
from pipeline_src.figures.bin_tables import reliability_table, reliability_tables
from pipeline_src.figures.catalogue import pictures
from pipeline_src.figures.types import Sources
from pipeline_src.labels import IGNORED

BINS = 10


BASELINE = ("raw", "baseline", "Set_A")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return make_results(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def table(results) -> pd.DataFrame:
    """The bins of the baseline."""
    return reliability_tables(results, "Set_A")["raw", "baseline"].set_index("bin")


def pixels(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(IMAGES, pixels) confidence and whether the top label is right."""
    pairs = maps("baseline", seed, "Set_A")
    f = np.stack([p.ravel() for p, _ in pairs]).astype(np.float64)
    y = np.stack([t.ravel() for _, t in pairs])
    return np.maximum(f, 1 - f), (f >= 0.5) == y


def drawn_images() -> np.ndarray:
    """(RESAMPLES, IMAGES) images of each resample."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(b"Set_A")))
    return np.stack([generator.integers(0, IMAGES, IMAGES) for _ in range(RESAMPLES)])


def test_diagram_is_of_all_seeds_pixels(table):
    confidence, right = (np.concatenate([pixels(seed)[k].ravel() for seed in SEEDS]) for k in range(2))
    k = np.ceil(confidence * BINS).astype(int)
    for bin_ in range(1, BINS + 1):
        row, inside = table.loc[str(bin_)], k == bin_
        assert row["pixels"] == inside.sum()
        assert row["share"] == pytest.approx(inside.mean())
        if inside.any():
            assert row["confidence"] == pytest.approx(confidence[inside].mean(), abs=1e-7)
            assert row["accuracy"] == pytest.approx(right[inside].mean())
            assert row["gap"] == pytest.approx(confidence[inside].mean() - right[inside].mean(), abs=1e-7)
    assert table.loc["all", "confidence"] == pytest.approx(confidence.mean(), abs=1e-7)
    assert table.loc["all", "accuracy"] == pytest.approx(right.mean())


def test_band_is_the_middle_of_resampled_images_farther_out_by_the_spread_of_seeds(table):
    confidence, right = (np.concatenate([pixels(seed)[k] for seed in SEEDS], axis=1) for k in range(2))
    k = np.ceil(confidence * BINS).astype(int)
    for bin_ in (7, 10):
        count, hits = (k == bin_).sum(axis=1), ((k == bin_) & right).sum(axis=1)
        values = [hits[drawn].sum() / count[drawn].sum() for drawn in drawn_images()]
        images = np.array(percentiles(np.array(values), IMAGES)).clip(0, 1)
        of_seeds = [right[:, of][k[:, of] == bin_] for of in np.split(np.arange(k.shape[1]), len(SEEDS))]
        shares = np.array([of.size for of in of_seeds]) / count.sum()
        spread = np.std([of.mean() for of in of_seeds], ddof=1) * np.sqrt((shares**2).sum())
        value, training = hits.sum() / count.sum(), students_t(len(SEEDS), 0.975) * spread
        wanted = value + np.array([-1, 1]) * np.hypot(images - value, training)
        assert table.loc[str(bin_), ["low", "high"]].tolist() == pytest.approx(wanted.clip(0, 1))
    assert np.isnan(table.loc["2", ["low", "high"]].astype(float)).all()


def test_interval_of_ece_is_of_the_mean_over_seeds(results):
    values = []
    for drawn in [np.arange(IMAGES), *drawn_images()]:
        of_seeds = []
        for seed in SEEDS:
            confidence, right = (of[drawn].ravel() for of in pixels(seed))
            k = np.ceil(confidence * BINS).astype(int)
            sums = (np.bincount(k, weights, BINS + 1) for weights in (confidence, right.astype(float)))
            of_seeds.append(np.abs(np.subtract(*sums)).sum() / len(k))
        values.append(np.mean(of_seeds))
    estimate = results.estimate("ece", *BASELINE)
    # The upper end is a percentile, the lower one mirrors it.
    _, high = percentiles(np.array(values[1:]), IMAGES)
    expected = (values[0], 2 * values[0] - high, high)
    assert (estimate.value, estimate.image_low, estimate.image_high) == pytest.approx(expected, abs=1e-7)
    assert estimate.low < estimate.image_low and estimate.image_high < estimate.high  # with the spread over seeds


def test_joint_density_is_of_images(results):
    confidence, accuracy = (np.concatenate([pixels(s)[k].mean(axis=1) for s in SEEDS]) for k in range(2))
    measurement = results.measurement(*BASELINE)
    assert measurement.image_means("confidence") == pytest.approx(confidence, abs=1e-6)
    assert measurement.image_means("correct") == pytest.approx(accuracy)
    table = joint.prepare(confidence, accuracy)
    edges = np.arange(51) / 50
    expected, _, _ = np.histogram2d(confidence, accuracy, [edges, edges])
    counted = np.zeros_like(expected)
    counted[np.rint(table["confidence"] * 50).astype(int), np.rint(table["accuracy"] * 50).astype(int)] = table[
        "images"
    ]
    assert np.array_equal(counted, expected)
    assert (table["density"] * joint.STEP**2).sum() == pytest.approx(1)


def test_right_and_sure_images_lie_in_the_last_cell():
    table = joint.prepare(np.array([1.0]), np.array([1.0]))
    assert table[["confidence", "accuracy", "images"]].iloc[0].tolist() == [0.98, 0.98, 1]


def test_entropies_are_of_images(results):
    expected = []
    for seed in SEEDS:
        for probability, _ in maps("baseline", seed, "Set_A"):
            f = np.clip(probability.astype(np.float64), CLAMP, 1 - CLAMP)
            expected.append(-(f * np.log(f) + (1 - f) * np.log(1 - f)).mean())
    assert results.measurement(*BASELINE).image_means("entropy") == pytest.approx(expected, abs=1e-6)
    table = entropy.prepare({("m", "id"): np.array(expected), ("m", "ood"): np.array([0.0, math.log(2)])})
    inside = table[table["role"] == "id"]
    where = np.searchsorted(inside["upper"], expected)
    assert inside["images"].tolist() == np.bincount(where, minlength=len(inside)).tolist()
    assert inside["median"].iloc[0] == pytest.approx(np.median(expected))
    assert table[table["role"] == "ood"]["images"].iloc[[0, -1]].tolist() == [1, 1]


def counts_of(probability: list[float], truth: list[int]):
    statistic = MapCounts.empty()
    statistic.add(np.array([probability], np.float32), np.array([truth], np.uint8), "one")
    return statistic.raw


def test_risk_of_four_pixels_by_hand():
    # Kept in order: 0.9 right, then two tied at 0.8 of which one is wrong, then 0.6 wrong.
    table = risk.prepare(counts_of([0.9, 0.8, 0.2, 0.6], [1, 0, 0, 0])).set_index("coverage")
    assert table.loc[[0.25, 0.5, 0.75, 1.0], "risk"].tolist() == pytest.approx([0, 0.25, 1 / 3, 0.5])


def test_risk_falls_with_the_order_of_confidence(results):
    confidence, right = (np.concatenate([pixels(seed)[k].ravel() for seed in SEEDS]) for k in range(2))
    table = risk.prepare(results.measurement(*BASELINE).counts)
    assert table["risk"].iloc[-1] == pytest.approx(1 - right.mean())
    levels = np.sort(np.unique(confidence))[::-1]
    level = levels[len(levels) // 2]  # at the end of a tie no order is open
    kept = confidence >= level
    errors = np.interp(kept.mean(), table["coverage"], table["coverage"] * table["risk"])
    assert errors == pytest.approx((kept & ~right).mean(), abs=2e-3)
    assert risk.prepare(MapCounts.empty().raw).empty


def test_contributions_add_up_to_the_ece(results, table):
    seeds, ece = results.measurement(*BASELINE).arrays["seed_bins"], results.estimate("ece", *BASELINE).value
    drawn = overview.prepare({("m", "p"): table.reset_index()}, {("m", "p"): seeds}, {("m", "p"): ece})
    assert drawn[["over", "under"]].to_numpy().sum() == pytest.approx(ece, abs=1e-7)
    # A seed's gaps of 0.45 and -0.35, half of the pixels each; the other's of -0.05 and -0.35.
    of = [counts_of([0.95, 0.95, 0.65, 0.65], truth) for truth in ([1, 0, 1, 1], [1, 1, 1, 1])]
    cells = np.array([[one.count, one.hits, one.excess] for one in (top_label(each).binned(BINS) for each in of)])
    both = replace(of[0], rows=None) + replace(of[1], rows=None)
    pooled = {("m", "p"): reliability_table(both, BINS)}
    drawn = overview.prepare(pooled, {("m", "p"): cells}, {("m", "p"): 0.3}).set_index("upper")
    assert drawn.loc[[0.7, 1.0], "over"].tolist() == pytest.approx([0, 0.1125], abs=1e-6)
    assert drawn.loc[[0.7, 1.0], "under"].tolist() == pytest.approx([0.175, 0.0125], abs=1e-6)


@pytest.mark.parametrize(("number", "below"), [(4.83, 2), (72.36, 50), (0.013, 0.01), (1.0, 1), (20, 20)])
def test_a_scale_is_a_round_number(number, below):
    assert overview.round_below(number) == pytest.approx(below)


def test_an_experiment_of_one_image(tmp_path):
    facts = Facts("one", {"m": MethodFacts()}, {"p": "ood"}, bins=BINS)
    results = analysed(tmp_path, facts, lambda *run: maps("baseline", 0, ODD)[:1])
    for metric in ("ece", "oe", "accuracy"):
        estimate = results.estimate(metric, "raw", "m", "p")
        assert 0 <= estimate.value <= 1 and np.isnan([estimate.low, estimate.high]).all()  # one image has no interval
    table = reliability_tables(results, "p")["raw", "m"].set_index("bin")
    assert table.loc["all", "pixels"] == results.measurement("raw", "m", "p").pixels


def test_a_set_of_which_no_pixel_counts(tmp_path):
    facts = Facts("one", {"m": MethodFacts()}, {"p": "ood"}, bins=BINS)
    ignored = np.full((4, 4), 0.7, np.float32), np.full((4, 4), IGNORED, np.uint8)
    results = analysed(tmp_path, facts, lambda *run: [ignored])
    assert np.isnan(results.estimate("ece", "raw", "m", "p").value)
    table = reliability_tables(results, "p")["raw", "m"]
    assert table["pixels"].sum() == 0 and table["low"].isna().all()


def test_alpha_quantiles_and_histogram():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"id": range(50), "1": 0.0, "2": rng.random(50), "10": rng.random(50)}) for _ in SEEDS]
    values = pd.concat(tables)
    epochs = alpha.quantiles(tables).set_index("epoch")
    assert epochs.index.tolist() == [1, 2, 10]
    expected = np.quantile(values["2"], alpha.QUANTILES)
    assert epochs.loc[2, ["q05", "q25", "q50", "q75", "q95"]].tolist() == pytest.approx(expected.tolist())
    last = alpha.histogram(tables)
    assert last["images"].sum() == 100
    assert last["images"][3] == values["10"].between(last["lower"][3], last["upper"][3], inclusive="left").sum()


def test_extremes_are_of_the_last_epochs_of_all_seeds():
    ids = ["a", "b", "c", "d"]
    first = pd.DataFrame({"id": ids, **{str(e): [0.9, 0.9, 0.0, 0.0] for e in range(1, 9)}})
    first["9"], first["10"] = [0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, 0.0]  # means 0.2 each
    second = first.assign(**{"10": [0.3, 0.4, 0.1, 0.2]})  # means 0.2, 0.3, 0.2, 0.3
    table = extremes.prepare([first, second], number=1)
    assert table[["end", "id"]].to_numpy().tolist() == [["lowest", "a"], ["highest", "d"]]
    assert table["alpha"].tolist() == pytest.approx([0.2, 0.25])
    assert len(extremes.prepare([first], number=6)) == 4


def test_training_curves_are_over_seeds():
    histories = [pd.DataFrame({"epoch": [1, 2], "loss": loss}) for loss in ([1.0, 0.5], [3.0, 1.5])]
    table = training.prepare(histories, "loss")
    assert table.to_numpy().tolist() == [[1, 2.0, 1.0, 3.0], [2, 1.0, 0.5, 1.5]]


def test_examples_numbers(tmp_path):
    pairs = maps("baseline", 0, "Set_A")
    store = Store(make_store(tmp_path / "store", [truth for _, truth in pairs]))
    row = examples.prepare({"m": {"2": pairs[2][0]}}, store).iloc[0]
    confidence, right = pixels(0)
    assert row["confidence"] == pytest.approx(confidence[2].mean(), abs=1e-6)
    assert row["accuracy"] == pytest.approx(right[2].mean())


def test_examples_of_several_classes():
    probability = np.array([[[0.2, 0.5]], [[0.7, 0.1]], [[0.1, 0.4]]])
    confidence, predicted = examples.judged(probability)
    assert confidence.tolist() == [[0.7, 0.5]]
    assert predicted.tolist() == [[1, 0]]


def corrupted(clean: str) -> Facts:
    """Two corruptions of Set_A in one severity each, one of another set, and a test set beside."""
    parts = {"Set_A": "id", "A-c-jpeg-3": "shifted", "A-c-contrast-1": "shifted", "B-c-jpeg-1": "shifted"}
    of = {
        "A-c-jpeg-3": Corruption("A-c", "jpeg", 3, clean),
        "A-c-contrast-1": Corruption("A-c", "contrast", 1, clean),
        "B-c-jpeg-1": Corruption("B-c", "jpeg", 1),
    }
    return Facts("made", {"baseline": MethodFacts("baseline")}, parts, corrupted=of)


@pytest.mark.parametrize("clean", ["Set_A", ""])
def test_severity_begins_with_the_images_as_they_are(clean):
    facts = corrupted(clean)
    measured = {
        ("raw", part, "baseline"): by_hand({"ece": [k / 100], "accuracy": [1 - k / 10]}, np.zeros(RESAMPLES))
        for k, part in enumerate(facts.parts)
    }
    [first, _, other, _] = severity.pictures(facts)
    assert (first.key, other.key) == (("raw", "A-c"), ("raw", "B-c"))
    table = severity.paint(first, HandMade(facts, {}, measured), Sources()).tables[""]
    shown = {(row.corruption, row.severity): row.value for row in table[table["metric"] == "ece"].itertuples()}
    as_they_are = {("jpeg", 0): 0.0, ("contrast", 0): 0.0} if clean else {}
    assert shown == pytest.approx(as_they_are | {("jpeg", 3): 0.01, ("contrast", 1): 0.02})
    assert set(table["part"]) == {"A-c-jpeg-3", "A-c-contrast-1"} | {clean} - {""}
    assert table.loc[table["metric"] == "accuracy", "value"].min() == pytest.approx(0.8)


def test_corrupted_sets_have_no_say_beside_their_figure():
    facts = corrupted("Set_A")
    assert list(facts.tests) == list(facts.clean) == facts.parts_of(["id", "shifted"]) == ["Set_A"]
    drawn = [picture for picture in pictures(facts) if picture.type is not severity.FIGURE]
    assert {picture.part for picture in drawn} <= {"", "Set_A"}


def test_sweep_has_a_line_per_beta():
    static = {"a": Perturbation(0.1, 0.5), "b": Perturbation(0.05, 0.5), "c": Perturbation(1, 0.1, "label smoothing")}
    places = [(name, "p", metric) for name in static for metric in style.AXES]
    table = sweep.prepare(dict.fromkeys(places, Estimate({0: 0.1}, 0.0, 0.2)), static)
    ece = table[table["metric"] == "ece"]
    assert ece[["method", "line"]].to_numpy().tolist() == [["c", "label smoothing"], ["b", "β = 0.5"], ["a", "β = 0.5"]]
    assert ece["s"].tolist() == pytest.approx([0.2, 0.05, 0.1])


@pytest.mark.parametrize(
    ("accuracy", "low", "floor"),
    [(0.55, math.nan, 0.5), (0.55, 0.5, 0.5), (0.55, 0.48, 0.4), (0.55, 0.41, 0.0), (0.1, 0.05, 0.0)],
)
def test_the_axis_of_accuracy_begins_where_no_accuracy_is_lower(accuracy, low, floor):
    bins = {
        "bin": ["6", "7"],
        "lower": [0.5, 0.6],
        "upper": [0.6, 0.7],
        "share": [0.5, 0.5],
        "confidence": [0.55, 0.65],
    }
    table = pd.DataFrame(bins | {"accuracy": [accuracy, 0.7], "low": [low, 0.68]})
    corner = bin_tables.corner([table])
    assert corner == (0.5, floor)
    high = reliability.accuracy_height(2.0, corner)
    assert high == pytest.approx(min(2.0 * (1 - floor) / 0.5, 2.5))
