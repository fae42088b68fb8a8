"""S and E: by hand, against their definitions, and against pysodmetrics."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from whole_maps_reference import FILE, cases

from pipeline_src.counting.whole_maps import e_measure, s_measure, whole_map_measures

REFERENCE = json.loads(FILE.read_text(encoding="utf-8"))


@st.composite
def images(draw):
    """A map (H, W) of multiples of 1/64, and a mask: sums are exact in any order, so that equal values stay equal."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 64))) / 64, draw(arrays(bool, shape))


@settings(max_examples=150)
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


@settings(max_examples=50)
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


@pytest.mark.parametrize("name", REFERENCE["values"])
def test_the_values_are_those_that_pysodmetrics_gave(name):
    values = whole_map_measures(*cases()[name])
    for protocol, expected in REFERENCE["values"][name].items():
        assert values[protocol] == pytest.approx(expected, abs=1e-11)
