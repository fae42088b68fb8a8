"""Compiled loops: the counts are those of the definition in fractions, and no state of the cache changes them."""

from __future__ import annotations

import math
import runpy
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from damaged import flipped
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_statistics import one
from project import ENVIRONMENT, TESTS

from pipeline_src.counting import kernels
from pipeline_src.counting.accumulate import FloatPass
from pipeline_src.counting.bins import top_label
from pipeline_src.counting.counts import ARRAYS, SCORE_SUMS, Histogram
from pipeline_src.counting.levels import (
    CELLS,
    CLAMP,
    COARSE,
    HALF,
    LAST,
    LEVEL_OF_CELL,
    LEVELS,
    POSITION,
    SHIFT,
    SPLIT,
    UNIT,
)
from pipeline_src.errors import UserError
from pipeline_src.python_source import ROOT

EDGES = [float(np.float32(j / LEVELS)) for j in (0, 1, 260, HALF // 2, 19_890, 26_520, HALF - 1, HALF, 46_410, LEVELS)]
EDGES += [float(np.nextafter(np.float32(edge), np.float32(to))) for edge in EDGES for to in (0, 1)]
SURE = st.floats(0, float(np.float32(SPLIT / LEVELS)), width=32)
VALUES = (
    st.floats(0, 1, width=32) | st.sampled_from(EDGES) | SURE | SURE.map(lambda doubt: float(np.float32(1 - doubt)))
)
FLOATS = st.lists(st.tuples(VALUES, st.booleans()), max_size=40)
half_to_even = round  # of Python and of IEEE 754


def defined(pixels: list[tuple[Fraction, Fraction, int]]) -> tuple[np.ndarray, ...]:
    """The arrays of counts by their definition (`levels`), of (f, doubt, label)."""
    count, position = np.zeros((2, HALF + 1, 2, 2), np.int64)
    on_edge, surest = np.zeros((HALF + 1, 2), np.int64), np.zeros((CELLS, 2, 2), np.int64)
    for f, doubt, label in pixels:
        level, predicted = math.floor(doubt * LEVELS), int(f >= Fraction(1, 2))
        count[level, predicted, label] += 1
        position[level, predicted, label] += half_to_even(doubt * POSITION) * LEVELS - level * POSITION
        on_edge[level, label] += doubt * LEVELS == level and not predicted and 0 < level < HALF
        if level < SPLIT:
            surest[level + min(sixteenths(min(f, 1 - f)), sixteenths(Fraction(SPLIT, LEVELS))), predicted, label] += 1
    return count, position, on_edge, surest


def sixteenths(doubt: Fraction) -> int:
    """0 of 0, and of other doubts 1 more than the sixteenths of octaves from 2^-126 on; below it they are linear."""
    if doubt == 0:
        return 0
    mantissa, exponent = math.frexp(float(np.float32(float(doubt))))
    subnormal = exponent <= -126
    return 1 + (math.floor(doubt * 2**130) if subnormal else 16 * (exponent + 126) + math.floor(32 * mantissa - 16))


def assert_counts(counts: Histogram, expected: tuple[np.ndarray, ...]) -> None:
    for name, array in zip(ARRAYS, expected, strict=True):
        assert np.array_equal(getattr(counts, name), array), name


def test_a_cell_is_a_part_of_one_level():
    """At every end of a level and of sixteenths of octaves, and next to it, by exact doubts."""
    octaves = 2.0 ** np.arange(-149, -11)[:, None] * (1 + np.arange(16) / 16)
    ends = np.concatenate([[0], octaves.ravel(), np.arange(SPLIT + 1) / LEVELS]).astype(np.float32)
    doubts = np.unique([ends, np.nextafter(ends, np.float32(0)), np.nextafter(ends, np.float32(1))])
    doubts = doubts[doubts.astype(float) * LEVELS < SPLIT]
    level = np.floor(doubts.astype(float) * LEVELS).astype(int)
    cell = level + np.minimum((doubts.view(np.int32) >> SHIFT) + (doubts > 0), LAST)
    assert np.array_equal(LEVEL_OF_CELL[cell], level)
    assert (np.diff(cell) >= 0).all() and np.array_equal(np.unique(cell), np.arange(CELLS))
    assert (cell == 0).sum() == 1 and doubts[0] == 0
    for parted in np.split(doubts, np.flatnonzero(np.diff(cell)) + 1):
        assert parted[-1] <= parted[0] * 17 / 16 or parted[-1] < 2.0**-126


@settings(max_examples=60)
@given(FLOATS, st.booleans())
@example([(edge, True) for edge in EDGES], False)
@example([(edge, False) for edge in EDGES], True)
def test_floats_are_counted_by_the_definition(pixels, scores):
    f, y = np.array([p for p, _ in pixels], np.float32), np.array([label for _, label in pixels], np.uint8)
    counts = Histogram.empty()
    counting = FloatPass(counts, scores)
    sums, levels = counting.add(f, y)
    counting.flush()
    confidence = np.maximum(f, np.float32(1) - f)
    doubts = np.where(f < 0.5, f, np.float32(1) - f) if scores else np.float32(1) - confidence
    exact = [tuple(map(Fraction, map(float, pair))) for pair in zip(f, doubts, strict=True)]
    assert_counts(counts, defined([(*pair, int(label)) for pair, label in zip(exact, y, strict=True)]))
    assert sums["correct"] == np.sum((f >= 0.5) == y)
    assert sums["confidence"] == sum(Fraction(float(c)) for c in confidence) * UNIT
    assert_scores(sums, [(Fraction(float(p)), int(label)) for p, label in zip(f, y, strict=True)])
    expected = np.zeros((256, 2), np.int64)
    for p, label in zip(f, y, strict=True):
        expected[math.floor(255 * Fraction(float(p))), label] += 1
    assert np.array_equal(levels, expected)


@settings(max_examples=60)
@given(FLOATS, st.booleans(), st.sampled_from([10, 15, 100]))
@example([(edge, True) for edge in EDGES], False, 10)
def test_coarse_levels_have_the_same_bins(pixels, scores, bins):
    f, y = np.array([p for p, _ in pixels], np.float32), np.array([label for _, label in pixels], np.uint8)
    fine, coarse = (Histogram.empty(levels, top=scores) for levels in (LEVELS, COARSE))
    for counts in (fine, coarse):
        counting = FloatPass(counts, scores, images=False)
        counting.add(f, y)
        counting.flush()
    binned, expected = (top_label(counts, bins) for counts in (coarse, fine))
    assert np.array_equal(binned.count, expected.count) and np.array_equal(binned.hits, expected.hits)
    assert np.allclose(binned.score, expected.score, rtol=0, atol=1e-9 if scores else 0)


@settings(max_examples=40)
@given(st.data(), st.sampled_from(["uint8", "uint16"]))
def test_integers_are_counted_by_the_definition(data, kind):
    top = np.iinfo(kind).max
    values = st.integers(0, top) | st.sampled_from([0, 1, top // 2, top // 2 + 1, 153 * top // 255, top])
    pixels = data.draw(st.lists(st.tuples(values, st.booleans()), min_size=1, max_size=40))
    v, y = np.array([v for v, _ in pixels], kind), np.array([label for _, label in pixels], np.uint8)
    low, high = int(v.min()), int(v.max())
    statistic = one(v, y)
    protocols = {"raw": (0, top), "stretched": (low, high - low) if high > low else (high, top)}
    for protocol, (start, length) in protocols.items():
        expected, of = np.zeros((3,), object), []
        for value, label in zip(v, y, strict=True):
            f = Fraction(int(value) - start, length)
            of.append((f, min(f, 1 - f), int(label)))
        # A position is rounded once, from its exact value.
        count, _, on_edge, surest = defined(of)
        position = np.zeros_like(count)
        for f, doubt, label in of:
            level = math.floor(doubt * LEVELS)
            position[level, int(2 * f >= 1), label] += half_to_even((doubt * LEVELS - level) * POSITION)
        counts = statistic[protocol]
        expected = count, position, on_edge, surest
        assert_counts(counts.histogram, expected)
        sums = {name: counts.images.total(name) for name in ("correct", "confidence", *SCORE_SUMS)}
        assert sums["correct"] == sum((f >= Fraction(1, 2)) == label for f, _, label in of)
        assert abs(sums["confidence"] - sum(max(f, 1 - f) for f, _, _ in of) * UNIT) <= len(of)
        assert_scores(sums, [(f, label) for f, _, label in of])


def assert_scores(sums: dict[str, int], pixels: list[tuple[Fraction, int]]) -> None:
    """Sums of scores are the definition's, but for a unit a pixel where the last bit of a logarithm decides."""
    expected = dict.fromkeys(SCORE_SUMS, 0)
    for f, label in pixels:
        error = abs(label - float(f))
        wrong = min(max(error, CLAMP), 1 - CLAMP)
        right = 1 - wrong
        values = error, error**2, -math.log(right), -right * math.log(right) - wrong * math.log(wrong)
        for name, value in zip(expected, values, strict=True):
            expected[name] += round(value * UNIT)
    for name, value in expected.items():
        assert abs(sums[name] - value) <= len(pixels), name


@pytest.mark.parametrize(("levels", "scores"), [(LEVELS, True), (LEVELS, False), (COARSE, True), (COARSE, False)])
@pytest.mark.parametrize("value", [0.0, 0.3, np.nextafter(np.float32(0.5), np.float32(0)), 0.5])
def test_a_cell_holds_more_pixels_than_are_buffered(value, levels, scores):
    """Scores whose positions are rounded up or down, a million times and more in one cell."""
    f = np.full(2 * kernels.PENDING + 3, value, np.float32)
    counts, single = (Histogram.empty(levels) for _ in range(2))
    for into, values in ((counts, f), (single, f[:1])):
        counting = FloatPass(into, scores, images=False)
        counting.add(values, np.ones(len(values), np.uint8))
        counting.flush()
    for name in ARRAYS:
        assert np.array_equal(getattr(counts, name), len(f) * getattr(single, name)), name


def test_numba_that_does_not_fit_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(UserError, match="numba") as told:
        runpy.run_path(str(ROOT / "counting/kernels.py"))
    assert "pip install --upgrade numba" in str(told.value)


def test_damaged_and_unknown_files_of_the_cache_are_removed(tmp_path):
    names = [f"kernels.move-{end}" for end in ("7.py311.nbi", "7.py311.1.nbc", "7.py311.2.nbc")]
    for name in (*names, "kernels.move_more-7.py311.nbi"):
        (tmp_path / name).write_bytes(name.encode())
    kernels.record_digests(tmp_path, "move")
    kernels.remove_damaged(tmp_path, "move")
    assert all((tmp_path / name).exists() for name in names)
    flipped(tmp_path / names[1])
    kernels.remove_damaged(tmp_path, "move")
    assert {path.name for path in tmp_path.glob("*.nb?")} == {"kernels.move_more-7.py311.nbi"}


def test_files_of_the_cache_that_an_earlier_text_was_compiled_to_are_removed(tmp_path, monkeypatch):
    compiled = tmp_path / "kernels.move-7.py311.nbi"
    compiled.touch()
    kernels.record_digests(tmp_path, "move")
    (tmp_path / "kernels.py").touch()
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels.py"))
    kernels.remove_damaged(tmp_path, "move")
    assert not compiled.exists()


COUNT = """
import numpy as np
from made_statistics import one
rng = np.random.default_rng(0)
f, y = rng.random(999, np.float32), rng.integers(0, 2, 999).astype(np.uint8)
print(one(f, y)["raw"].images.total("confidence"))
"""


@pytest.mark.slow
def test_a_flipped_bit_in_compiled_code_costs_only_time(tmp_path):
    """It ended Python without a message."""
    environment = ENVIRONMENT | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": f"{ROOT.parent}:{TESTS}"}
    outputs = set()
    for run in range(3):
        command = [sys.executable, "-c", COUNT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
        rng = np.random.default_rng(run)
        for file in tmp_path.rglob("*.nbc"):
            content = np.frombuffer(file.read_bytes(), np.uint8).copy()
            content[rng.integers(0, len(content), 50)] ^= 16
            file.write_bytes(content.tobytes())
    assert len(outputs) == 1 and outputs != {""}
