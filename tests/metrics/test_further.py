"""Bins of equal weight, selective prediction and single images against plain computations on all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_statistics import counted, of_scenes, one, scene, summaries, varied
from sklearn.metrics import roc_auc_score

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.metrics.ranked import CELL_OF_LEVEL, CELLS, by_cell
from pipeline_src.metrics.summary import value


def top_of(maps) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and whether right of all pixels that count: pairs of map (H, W) or (K, H, W) and truth."""
    confidence, right = [], []
    for f, y in maps:
        p = np.stack([1 - f, f]) if f.ndim == 2 else f
        valid = y != 255
        predicted = (f >= 0.5).astype(int) if f.ndim == 2 else f.argmax(axis=0)
        confidence.append(p.max(axis=0)[valid].astype(float))
        right.append((predicted == y)[valid])
    return np.concatenate(confidence), np.concatenate(right)


@pytest.fixture(scope="module", params=["uint8", "float32", "classes"])
def measured(request):
    """Values of a statistic, with confidence and whether right of each pixel."""
    if request.param == "classes":
        scenes = [scene(k) for k in range(3)]
        return summaries(of_scenes(scenes))["raw"][0], *top_of(scenes)
    images = list(varied(6, kind=request.param))
    maps = [(f / (255 if request.param == "uint8" else 1), y) for f, y, _ in images]
    return summaries(counted(images, whole=False))["raw"][0], *top_of(maps)


def risk_curve(confidence, right) -> tuple[np.ndarray, np.ndarray]:
    """Pixels kept and errors among them at every threshold, from 0."""
    _, tie = np.unique(np.round(confidence * 255 * 2**20).astype(np.int64), return_inverse=True)
    kept = np.bincount(tie)[::-1].cumsum()
    errors = np.bincount(tie, ~right)[::-1].cumsum()
    return np.concatenate([[0], kept]), np.concatenate([[0], errors])


def test_ace_on_all_pixels(measured):
    values, confidence, right = measured
    index = np.ceil(confidence * 10 - 1e-9)
    gaps = [abs(confidence[index == k].mean() - right[index == k].mean()) for k in np.unique(index)]
    assert values["ace"] == pytest.approx(np.mean(gaps), abs=1e-6)


def test_augrc_from_the_auc_of_scikit_learn(measured):
    values, confidence, right = measured
    a, auc = right.mean(), roc_auc_score(right, confidence)
    assert values["augrc"] == pytest.approx(a * (1 - a) * (1 - auc) + (1 - a) ** 2 / 2, abs=1e-6)


def test_selective_prediction_by_hand():
    # wrong, right, wrong by confidence: of all pixels 1/3, 1/3 and 2/3 are errors among the first, two and three
    counts = one(np.float32([1, 0.75, 0.625]), [0, 1, 0]).raw
    assert value("augrc", counts) == pytest.approx((1 / 3 / 2 + 1 / 3 + (1 / 3 + 2 / 3) / 2) / 3, abs=1e-15)
    assert value("coverage_at_1", counts) == value("coverage_at_5", counts) == 0
    # 60 right, then 40 tied of which 4 wrong: 1 % after x with 0.1 (x - 60) = 0.01 x, 4 % of all
    counts = one(np.float32([0] * 60 + [0.25] * 40), [0] * 96 + [1] * 4).raw
    assert value("coverage_at_1", counts) == pytest.approx(6 / 0.09 / 100, abs=1e-12)
    assert value("coverage_at_5", counts) == 1
    # exactly 1 % is at most 1 %, though the most confident cell is all there is
    assert value("coverage_at_1", one(np.float32([0] * 700), [0] * 693 + [1] * 7).raw) == 1
    assert value("coverage_at_1", one(np.float32([0] * 700), [0] * 692 + [1] * 8).raw) == 0


@pytest.mark.parametrize("name, risk", [("coverage_at_1", 0.01), ("coverage_at_5", 0.05)])
def test_coverage_is_the_last_point_of_the_curve_below_a_risk(measured, name, risk):
    values, confidence, right = measured
    kept, errors = risk_curve(confidence, right)
    x = np.linspace(0, kept[-1], 200_001)[1:]
    below = np.flatnonzero(np.interp(x, kept, errors) <= risk * x * (1 + 1e-12))
    assert 0.02 < values[name] < 0.99  # the risk is reached inside of the curve
    # in float maps up to some pixels within a level are tied, of thousands
    assert values[name] == pytest.approx(
        x[below[-1]] / kept[-1], abs=2e-5 if len(np.unique(confidence)) < 256 else 2e-3
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=40))
def test_what_always_holds(pixels):
    counts = one(np.array([f for f, _ in pixels], np.uint8), [y for _, y in pixels]).raw  # images are known to 8 bits
    wrong = 1 - value("accuracy", counts)
    assert wrong**2 / 2 - 1e-12 <= value("augrc", counts) <= wrong - wrong**2 / 2 + 1e-12
    assert value("augrc", counts) <= value("aurc", counts) + 1e-12
    assert 0 <= value("coverage_at_1", counts) <= value("coverage_at_5", counts) <= 1
    assert value("coverage_at_5", counts) == 1 or wrong > 0.05
    assert value("ace", counts) <= value("mce", counts) + 1e-12
    assert value("image_ece", counts) == pytest.approx(value("ece", counts), abs=1e-9)  # of one image
    assert value("area_error", counts) == pytest.approx(abs(value("area_bias", counts)), abs=1e-12)
    # bins merged to one cancel all that bins can, and then all metrics of the gap agree
    assert value("ace", counts, 1) == pytest.approx(abs(value("gap", counts)), abs=1e-7)


def test_ece_of_images_is_that_of_each_alone():
    images = list(varied(7, kind="uint8"))
    alone = [value("ece", counted([image], whole=False).raw) for image in images]
    counts = counted(images, whole=False).raw
    assert value("image_ece", counts) == pytest.approx(np.mean(alone), abs=1e-12)
    assert value("image_ece_sd", counts) == pytest.approx(np.std(alone, ddof=1), abs=1e-9)
    assert value("image_ece", counts) > value("ece", counts)  # images are equally large: errors can only cancel
    several = [scene(k) for k in range(4)]
    of_scenes_alone = [summaries(of_scenes([each]))["raw"][0]["ece"] for each in several]
    values = summaries(of_scenes(several))["raw"][0]
    assert values["image_ece"] == pytest.approx(np.mean(of_scenes_alone), abs=2e-3)  # float maps, by 8-bit levels
    assert values["image_ece_sd"] == pytest.approx(np.std(of_scenes_alone, ddof=1), abs=2e-3)


@pytest.mark.parametrize("kind, close", [("uint8", 1e-12), ("float32", 3e-4)])
def test_areas_are_those_of_the_maps(kind, close):
    images = [(f, y, name) for f, y, name in varied(7, kind=kind)]
    for k, (_, y, _) in enumerate(images):
        y[:k] = 255  # of several sizes
    counts = counted(images, whole=False).raw
    top = 255 if kind == "uint8" else 1
    bias = np.array([(f[y != 255] / top).mean() - (y[y != 255] == 1).mean() for f, y, _ in images])
    assert value("area_bias", counts) == pytest.approx(bias.mean(), abs=close)
    assert value("area_error", counts) == pytest.approx(np.abs(bias).mean(), abs=close)
    assert np.abs(bias).mean() > abs(bias.mean()) + 1e-3


def test_cells_of_the_ranking():
    assert len(np.unique(CELL_OF_LEVEL)) == CELLS and (np.diff(CELL_OF_LEVEL) >= 0).all()
    assert (np.diff(CELL_OF_LEVEL[-20:]) == 1).all()  # the surest pixels keep their order
    levels = np.random.default_rng(0).integers(0, 9, (2, len(CELL_OF_LEVEL)))
    expected = [np.bincount(CELL_OF_LEVEL, of, minlength=CELLS) for of in levels]
    np.testing.assert_array_equal(by_cell(levels), expected)


def test_eight_bit_values_stored_as_floats_are_the_same_images():
    """float32 v/255 lies on either side of v/255, and below 0.5 the grid and the rows round it differently."""
    rng = np.random.default_rng(0)
    of_bytes, of_floats = MapCounts.empty(), MapCounts.empty()
    for k in range(30):
        logits = rng.normal(rng.normal(), 2, (16, 16))
        v = np.uint8(255 / (1 + np.exp(-logits)))
        v += v % 51 == 0  # not on the edge of a bin, where float32 decides otherwise
        y = np.uint8(rng.random(v.shape) < 1 / (1 + np.exp(-logits * rng.uniform(0.3, 1.2))))
        y[rng.random(y.shape) < rng.uniform(0, 0.8)] = 255  # images of different sizes
        of_bytes.add(v, y, f"{k}")
        of_floats.add(v.astype(np.float32) / np.float32(255), y, f"{k}")
    one, other = (resample(of, 10, key=0, resamples=50)["raw"] for of in (of_bytes, of_floats))
    names = ("image_ece", "image_ece_sd", "area_bias", "area_error", "ece_floor", "squared_error")
    for name in (*names, "positive_squared_error"):
        assert other.points[name] == pytest.approx(one.points[name], rel=1e-4), name
    for name in ("ece", "positive_ece", "image_ece"):
        assert other.intervals()[name] == pytest.approx(one.intervals()[name], rel=1e-3, abs=1e-6), name
