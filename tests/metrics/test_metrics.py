"""Metrics against numbers worked by hand and against other people's programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sod_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from made_statistics import ByProtocol, counted, of_scenes, one, scene, summaries, varied

from pipeline_src.analysis.resampling import measure_protocols
from pipeline_src.counting.bins import positive, top_label
from pipeline_src.errors import UserError
from pipeline_src.figures.bin_tables import reliability_table
from pipeline_src.metrics.registry import summary, value


def raw(f, y):
    return one(np.asarray(f), y)["raw"]


def test_four_pixels_by_hand():
    # confidences 0.75 0.75 | 0.875 | 1, right: yes no | yes | yes -> bins (0.7,0.8], (0.8,0.9], (0.9,1]
    counts = raw(np.float32([0.75, 0.25, 0.125, 1.0]), [1, 1, 0, 1])
    assert value("ece", counts) == pytest.approx((2 * 0.25 + 0.125 + 0) / 4, abs=1e-15)
    assert value("mce", counts) == pytest.approx(0.25, abs=1e-15)
    assert value("oe", counts) == pytest.approx(2 / 4 * 0.75 * 0.25, abs=1e-15)
    assert value("accuracy", counts) == 0.75
    assert value("brier", counts) == pytest.approx((0.0625 + 0.5625 + 0.015625) / 4, abs=1e-9)
    assert value("mae", counts) == pytest.approx((0.25 + 0.75 + 0.125) / 4, abs=1e-9)
    nll = -math.log(0.75) - math.log(0.25) - math.log(0.875) - math.log(1 - 1e-7)
    assert value("nll", counts) == pytest.approx(nll / 4, abs=1e-9)
    table = reliability_table(counts.histogram, 10)
    bins = table[:-1]
    assert bins["pixels"].tolist() == [0] * 7 + [2, 1, 1] and bins["share"].tolist() == [0] * 7 + [0.5, 0.25, 0.25]
    assert bins["confidence"][7:].tolist() == [0.75, 0.875, 1] and bins["accuracy"][7:].tolist() == [0.5, 1, 1]
    assert bins["gap"][7:].tolist() == [0.25, -0.125, 0]
    assert np.isnan(bins["accuracy"][:7]).all()
    assert bins["lower"][7] == 0.7 and bins["upper"][9] == 1
    of_all = table[["bin", "lower", "upper", "pixels", "share", "confidence", "accuracy", "gap"]][-1]
    assert of_all.item() == ("all", 0, 1, 4, 1, 0.84375, 0.75, 0.09375)


@pytest.mark.parametrize(
    "f, bins, index",
    [
        (np.float32(0.25), 20, 4),  # on the edge of (0.2, 0.25]
        (np.float32(0.5), 10, 4),
        (np.float32(0), 10, 0),
        (np.float32(1), 10, 9),
        (np.float32(0.3), 10, 3),  # 0.30000001
        (np.uint8(51), 10, 1),  # 0.2 exactly
        (np.uint8(17), 15, 0),  # 1/15
        (np.uint16(13107), 10, 1),
    ],
)
def test_bins_are_right_closed_on_probability_in_the_positive_view(f, bins, index):
    view = positive(raw(np.array([f]), [1]).histogram, bins)
    assert np.flatnonzero(view.count).tolist() == [index]
    assert view.hits.sum() == 1


def test_a_number_of_bins_that_cannot_be_exact_is_refused():
    with pytest.raises(UserError, match="divisor") as told:
        value("ece", raw(np.float32([0.5]), [1]), 11)
    assert "10, 12, 13" in str(told.value)


@pytest.fixture(scope="module")
def random_pixels():
    """Probabilities kept away from every bin edge, so that all edge rules agree."""
    rng = np.random.default_rng(7)
    f = rng.beta(0.4, 0.4, 200_000).astype(np.float32)
    for bins in (10, 15, 20):
        f = f[np.abs(f * bins - np.round(f * bins)) > 1e-4]
    y = (rng.random(len(f)) < f**1.5).astype(np.uint8)
    return f, y


@pytest.mark.parametrize("bins", [10, 15, 20])
def test_parity_with_torchmetrics(random_pixels, bins):
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    f, y = random_pixels
    counts = raw(f, y)
    confidence = torch.from_numpy(np.maximum(f, 1 - f)).double()
    correct = torch.from_numpy(((f >= 0.5) == y).astype(np.int64))
    for norm, name in (("l1", "ece"), ("max", "mce")):
        peer = binary_calibration_error(confidence, correct, n_bins=bins, norm=norm)
        assert value(name, counts, bins) == pytest.approx(float(peer), abs=1e-6)


@pytest.fixture(scope="module")
def saved_maps() -> ByProtocol:
    """The counts of the maps of `sod_reference`, with all measures."""
    maps = enumerate(sod_reference.maps())
    return counted(((levels, mask, f"{number:02d}") for number, (levels, mask) in maps), weighted_f=True)


def test_values_are_those_of_pysodmetrics(saved_maps):
    for name, expected in sod_reference.VALUES.items():
        for counts in saved_maps.values():
            assert value(name, counts) == pytest.approx(expected, abs=2e-9), name


@pytest.mark.filterwarnings("ignore:This class will be removed")
def test_pysodmetrics_still_gives_the_stored_values():
    pytest.importorskip("py_sod_metrics", reason="needs the extra `parity` (CONTRIBUTING.md)")
    assert sod_reference.measured() == pytest.approx(sod_reference.VALUES, abs=1e-9)


def released_rates(level: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Precision, true and false positive rate (3, 255) of a map as the released evaluator counts them."""
    rows = []
    for threshold in np.linspace(0, 1 - 1e-10, 255):
        predicted = level / 255 >= threshold
        hits = (predicted & (mask == 1)).sum()
        false = (predicted & (mask == 0)).sum()
        rows.append((hits / (predicted.sum() + 1e-20), hits / (mask == 1).sum(), false / (mask == 0).sum()))
    return np.array(rows).T


def test_ap_and_auc_are_those_of_the_released_evaluator():
    images, rates = [], []
    for number, (levels, mask) in enumerate(sod_reference.maps()):
        levels = np.where(levels == 1, 2, levels).astype(np.uint8)  # at level 1 the evaluator has no threshold
        images.append((levels, mask, str(number)))
        rates.append(released_rates(levels, mask))
    precision, recall, false = np.mean(rates, axis=0)[:, ::-1]
    # The evaluator leaves out what lies below the rates of the highest threshold.
    ap = np.trapezoid(precision, recall) + precision[0] * recall[0]
    auc = np.trapezoid(recall, false) + recall[0] * false[0] / 2
    for counts in counted(images).values():
        assert value("ap", counts) == pytest.approx(ap, abs=1e-12)
        assert value("auc", counts) == pytest.approx(auc, abs=1e-12)


def test_an_image_without_a_predicted_pixel_has_no_precision():
    mask = np.array([[1, 0]], np.uint8)
    maps = {"a": np.array([[200, 0]], np.uint8), "b": np.array([[0, 100]], np.uint8)}
    statistic = counted((f, mask, name) for name, f in maps.items())
    # t > 100: precision 1 of the first image, mean recall 1/2; then (1 + 0)/2 of both; at 0 1/2, recall 1
    assert value("ap", statistic["raw"]) == pytest.approx(1 / 2 * 1 + 1 / 2 * 1 / 2, abs=1e-12)


def test_auc_of_one_image_is_the_share_of_ordered_pairs():
    levels, mask = sod_reference.maps()[3]
    counts = one(levels, mask)["raw"]
    inside = levels[mask == 1].astype(int)
    outside = levels[mask == 0].astype(int)
    difference = inside[:, None] - outside[None, :]
    assert value("auc", counts) == pytest.approx(((difference > 0) + (difference == 0) / 2).mean(), abs=1e-12)


def test_ap_by_hand():
    # f >= 0.8: wrong; >= 0.75: one of two, recall 1/2; >= 0.25: two of three, recall 1; below: two of four
    counts = raw(np.float32([[0.75, 0.25, 0.8, 0.1]]), [[1, 1, 0, 0]])
    assert value("ap", counts) == pytest.approx((0 + 1 / 2) / 2 / 2 + (1 / 2 + 2 / 3) / 2 / 2, abs=1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40), st.sampled_from([10, 15])
)
def test_what_always_holds(pairs, bins):
    f = np.array([p for p, _ in pairs], np.float32)
    y = np.array([label for _, label in pairs], np.uint8)
    counts = raw(f, y)
    values, _ = summary(counts, bins)
    gap = abs(top_label(counts.histogram).score.sum() / len(f) - values["accuracy"])
    # merging bins can only cancel gaps; one bin is the mean gap
    assert gap - 1e-12 <= values["ece"] <= values["mce"] + 1e-12 <= 1 + 2e-12
    assert values["oe"] <= values["ece"] + 1e-12
    assert value("ece", counts, 1) == pytest.approx(gap, abs=1e-12)
    assert value("ece_equal_mass", counts, 1) == pytest.approx(gap, abs=1e-12)
    assert 0 <= values["smooth_ece"] <= 1 and 0 <= values["aurc"] <= 1 and 0 <= values["ece_sweep"] <= 1
    # the other class's view of the same pixels: nothing that looks at the top label changes (0.5 has no mirror)
    off = (f != 0.5) & (np.float32(1) - f != 0.5)
    if off.any():
        mirrored = raw(np.float32(1) - f[off], 1 - y[off])
        straight = raw(np.float32(1) - (np.float32(1) - f[off]), y[off])
        for name in ("ece", "oe", "accuracy", "ece_equal_mass", "aurc"):
            assert value(name, mirrored) == pytest.approx(value(name, straight), abs=1e-12), name


def test_f_by_hand():
    # thresholds up to 0.25 find all three, one of them wrongly; above, one right and one missed
    counts = raw(np.float32([[0.25, 0.75, 0.25]]), [[1, 1, 0]])
    low = 1.3 * 2 / (0.3 * 2 + 3)
    high = 1.3 * 1 / (0.3 * 2 + 1)
    assert value("max_f", counts) == pytest.approx(max(low, high), abs=1e-15)
    # 255 * 0.25 = 63.75: thresholds 0..63 find all, 64..191 one, none beyond
    assert value("mean_f", counts) == pytest.approx((64 * low + 128 * high) / 256, abs=1e-15)


def test_ece_of_images_is_that_of_each_alone():
    images = list(varied(7, kind="uint8"))
    alone = [value("ece", counted([image], whole=False)["raw"]) for image in images]
    counts = counted(images, whole=False)["raw"]
    assert value("image_ece", counts) == pytest.approx(np.mean(alone), abs=1e-12)
    assert value("image_ece", counts) > value("ece", counts)  # images are equally large: errors can only cancel
    several = [scene(k) for k in range(4)]
    of_scenes_alone = [summaries(of_scenes([each]))["raw"][0]["ece"] for each in several]
    values = summaries(of_scenes(several))["raw"][0]
    assert values["image_ece"] == pytest.approx(np.mean(of_scenes_alone), abs=2e-3)  # float maps, by 8-bit levels


def test_eight_bit_values_stored_as_floats_are_the_same_images():
    """float32 v/255 lies on either side of v/255, and below 0.5 the grid and the rows round it differently."""
    rng = np.random.default_rng(0)
    of_bytes, of_floats = [], []
    for k in range(30):
        logits = rng.normal(rng.normal(), 2, (16, 16))
        v = np.uint8(255 / (1 + np.exp(-logits)))
        v += v % 51 == 0  # not on the edge of a bin, where float32 decides otherwise
        y = np.uint8(rng.random(v.shape) < 1 / (1 + np.exp(-logits * rng.uniform(0.3, 1.2))))
        y[rng.random(y.shape) < rng.uniform(0, 0.8)] = 255  # images of different sizes
        of_bytes.append((v, y, f"{k}"))
        of_floats.append((v.astype(np.float32) / np.float32(255), y, f"{k}"))
    one, other = (measure_protocols(counted(of), 10, key=0, resamples=50)["raw"] for of in (of_bytes, of_floats))
    for name in ("image_ece", "ece_floor", "squared_error"):
        assert other.points[name] == pytest.approx(one.points[name], rel=1e-4), name
    for name in ("ece", "image_ece"):
        assert other.intervals()[name] == pytest.approx(one.intervals()[name], rel=1e-3, abs=1e-6), name
