"""S, E and weighted F: by hand, against their definitions, and against pysodmetrics."""

from __future__ import annotations

import itertools
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from whole_maps_reference import FILE, cases, peer_values, protocols

from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.whole_maps import e_measure, s_measure, weighted_f, whole_map_measures

PARITY = "needs the extra `parity` (CONTRIBUTING.md)"
REFERENCE = json.loads(FILE.read_text(encoding="utf-8"))


@st.composite
def images(draw):
    """A map (H, W) of multiples of 1/64, and a mask: sums are exact in any order, so that equal values stay equal."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 64))) / 64, draw(arrays(bool, shape))


def test_s_by_hand():
    # The centroid is the left pixel: two rectangles of one pixel each score 1. Objects: 0.8 and 1.5 / 1.5625.
    assert s_measure(np.array([[0.5, 0.25]]), np.array([[True, False]])) == pytest.approx((0.88 + 1) / 2)
    # The centroid is the last pixel: one rectangle, with x = y = 1/2, c = 1/4, v = 1/8, w = 1/2; the others are empty.
    assert s_measure(np.array([[0.25, 0.75]]), np.array([[False, True]])) == pytest.approx((0.96 + 0.25 / 0.3125) / 2)
    # The same with standard deviations: 0.25 and 0.75 in the foreground deviate by sqrt(1/8).
    f, y = np.array([[0.0, 0.25, 0.75]]), np.array([[False, True, True]])
    fore, [x, share] = 1 / (0.25 + 1 + np.sqrt(1 / 8)), (1 / 3, 2 / 3)
    [[v, c], [_, w]] = np.cov(f[0], y[0].astype(float))
    region = 4 * x * share * c / ((x**2 + share**2) * (v + w))
    assert s_measure(f, y) == pytest.approx((2 / 3 * fore + 1 / 3 + region) / 2)


@pytest.mark.parametrize("constant", [0.1, 0.3, 1 / 255, 0.7])
def test_a_rectangle_of_one_value_and_one_label_scores_1(constant):
    """Whatever its value: the rounding of a mean must not decide it."""
    f, y = np.full((31, 31), constant), np.zeros((31, 31), bool)
    f[0, 0], y[0, 0] = 1, True  # the rectangles have 1, 30, 30 and 900 pixels
    score = 1 / 961 + 960 / 961 * 2 * (1 - constant) / ((1 - constant) ** 2 + 1)
    assert s_measure(f, y) == pytest.approx((score + 1) / 2, abs=1e-12)
    f[-1, -1] += 1e-6
    assert s_measure(f, y) == pytest.approx((score + 61 / 961) / 2, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(images())
def test_s_is_as_defined(image):
    f, y = image
    assume(y.any() and not y.all())
    inverse = (1 - f)[~y]
    objects = y.mean() * _object_score(f[y]) + (1 - y.mean()) * _object_score(inverse)
    row, column = (int(np.round(of.mean())) + 1 for of in np.nonzero(y))
    rows, columns = (slice(row), slice(row, None)), (slice(column), slice(column, None))
    rectangles = [(f[at], y[at]) for at in itertools.product(rows, columns) if y[at].size]
    regions = sum(of.size * _similarity(of, label) for of, label in rectangles) / y.size
    assert s_measure(f, y) == pytest.approx(max(0, (objects + regions) / 2), abs=1e-10)
    assert 0 <= s_measure(f, y) <= 1 + 1e-12
    assert s_measure(f.T, y.T) == pytest.approx(s_measure(f, y), abs=1e-12)


def _object_score(f: np.ndarray) -> float:
    return 2 * f.mean() / (f.mean() ** 2 + 1 + (f.std(ddof=1) if f.size > 1 else 0))


def _similarity(f: np.ndarray, y: np.ndarray) -> float:
    if y.all() or not y.any():
        return float(np.ptp(f) == 0)
    [[v, c], [_, w]] = np.cov(f.ravel(), y.ravel().astype(float))
    return 4 * f.mean() * y.mean() * c / ((f.mean() ** 2 + y.mean() ** 2) * (v + w))


def test_e_by_hand():
    y = np.array([[True, False]])
    # At threshold 0 all is found and each pixel counts 1/4; at the 255 others each counts 1. n - 1 = 1.
    assert e_measure(np.array([[1.0, 0.0]]), y) == pytest.approx((0.5 + 255 * 2) / 256)
    assert e_measure(np.array([[0.0, 1.0]]), y) == pytest.approx(0.5 / 256)
    # Nothing is found above level 127, and each pixel counts 1/4 there too.
    assert e_measure(np.array([[0.5, 0.5]]), y) == pytest.approx(0.5)


@settings(max_examples=50, deadline=None)
@given(images())
def test_e_is_as_defined(image):
    f, y = image
    assume(y.any() and not y.all())
    scores = []
    for threshold in range(256):
        found = np.floor(255 * f) >= threshold
        a, b = found - found.mean(), y - y.mean()
        scores.append(((1 + 2 * a * b / (a * a + b * b)) ** 2 / 4).sum() / (y.size - 1))
    assert e_measure(f, y) == pytest.approx(np.mean(scores), abs=1e-9)
    assert 0 <= e_measure(f, y) <= y.size / (y.size - 1) + 1e-12
    assert e_measure(f[::-1, ::-1], y[::-1, ::-1]) == e_measure(f, y)  # places do not matter


def test_weighted_f_by_hand():
    # All foreground, one pixel: the window's centre weighs 1 / (1 + 2 (e^-0.02 + e^-0.08 + e^-0.18)) per axis.
    centre = 1 / (1 + 2 * np.exp([-0.02, -0.08, -0.18]).sum())
    recall = 1 - 0.5 * centre**2
    assert weighted_f(np.array([[0.5]]), np.array([[True]])) == pytest.approx(2 * recall / (recall + 1))
    # An error of 0.5 in the background weighs 2 - 0.5^(distance / 5).
    false = 0.5 * (2 - 0.5 ** (3 / 5))
    precision = 1 / (1 + false)
    f, y = np.array([[1, 0, 0, 0.5]]), np.array([[True, False, False, False]])
    assert weighted_f(f, y) == pytest.approx(2 * precision / (1 + precision))
    assert np.isnan(weighted_f(f, np.zeros((1, 4), bool)))


@settings(max_examples=50, deadline=None)
@given(images())
def test_a_map_equal_to_its_mask_has_the_best_values(image):
    f, y = image
    assume(y.any())
    assert s_measure(y.astype(float), y) == pytest.approx(1)
    assert weighted_f(y.astype(float), y) == pytest.approx(1)
    assert 0 <= weighted_f(f, y) <= 1 + 1e-12
    assert e_measure(y.astype(float), y) >= e_measure(f, y) - 1e-12


@pytest.mark.parametrize("name", REFERENCE["values"])
def test_the_values_are_those_that_pysodmetrics_gave(name):
    values = whole_map_measures(*cases()[name])
    for protocol, expected in REFERENCE["values"][name].items():
        found = {key: None if np.isnan(value) else value for key, value in values[protocol].items()}
        assert found == pytest.approx(expected, abs=1e-11)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None)
@given(images())
def test_parity_with_pysodmetrics(image):
    pytest.importorskip("py_sod_metrics", reason=PARITY)
    f, y = image
    assume(y.size > 1)  # it divides E of one pixel by 0
    expected = peer_values(f, y)
    if np.isnan(expected["s_measure"]):  # an empty rectangle, where the centroid is in the last row or column
        expected["s_measure"] = s_measure(f, y)
    if expected["weighted_f"] is None:
        expected["weighted_f"] = pytest.approx(np.nan, nan_ok=True)
    kernels = {"s_measure": s_measure, "e_measure": e_measure, "weighted_f": weighted_f}
    assert {name: kernel(f, y) for name, kernel in kernels.items()} == pytest.approx(expected, abs=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ECSSD", "DTD"])
def test_parity_with_pysodmetrics_on_saved_maps(downloads, name):
    pytest.importorskip("py_sod_metrics", reason=PARITY)
    if not (downloads / f"predictions/U2Net/{name}.tar").is_file():
        pytest.skip("no saved maps")
    maps, masks = (_images(downloads / path) for path in (f"predictions/U2Net/{name}.tar", f"archives/{name}.tar"))
    for stem in sorted(maps)[::50]:
        y = (masks[stem] > 127).astype(np.uint8)
        values = whole_map_measures(maps[stem], y)
        for protocol, f in protocols(maps[stem]).items():
            for key, expected in peer_values(f, y == 1).items():
                assert expected is None or round(values[protocol][key] * UNIT) == round(expected * UNIT)


def _images(archive: Path) -> dict[str, np.ndarray]:
    """Grey PNG files of an archive by stem."""
    with tarfile.open(archive) as tar:
        files = {Path(entry.name).stem: tar.extractfile(entry).read() for entry in tar if entry.name.endswith(".png")}
    return {stem: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for stem, data in files.items()}
