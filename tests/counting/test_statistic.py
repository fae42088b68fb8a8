"""The statistic: exact, mergeable in any order, saved whole, and clear about bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_statistics import images, one, summaries

from pipeline_src.counting.counts import COLUMNS, UNMEASURED
from pipeline_src.counting.levels import HALF, LEVELS, POSITION, UNIT
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import UndefinedMetricError, positive, top_label
from pipeline_src.counting.whole_maps import EVALUATED_MEASURES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.summary import summary, value


def test_a_float_is_counted_in_its_exact_level():
    values = np.float32([0.7, 0.9, 0.3, 0.25, 0.5, 0.0, 1.0, np.nextafter(np.float32(0.5), np.float32(0))])
    counts = one(values, np.ones(8)).raw
    for f in values:
        confidence = np.maximum(f, np.float32(1) - f)
        doubt = int((1 - float(confidence)) * 2**24)  # a whole number of 2^-24
        level, rest = divmod(doubt * LEVELS, 2**24)
        assert counts.count[level, int(f >= 0.5), 1] >= 1
        assert counts.position[level, int(f >= 0.5), 1] >= rest
    assert counts.count.sum() == 8
    assert counts.count[HALF].tolist() == [[0, 1], [0, 1]]  # 0.5 and the float below it
    assert counts.on_edge.sum() == 1 and counts.on_edge[LEVELS // 4, 1] == 1


def test_pixels_on_an_edge_belong_to_the_cell_below_it():
    """0.75 is in doubt as 0.25 is, and lies on no edge; of the last level all pixels below 0.5 do."""
    counts = one(np.float32([0.75] * 3 + [0.25] * 2), [1, 0, 1, 0, 1]).raw
    assert counts.on_edge.sum() == 2 and positive(counts).count.min() >= 0
    just_below = one(np.nextafter(np.float32([0.5]), np.float32(0)), [1]).raw
    assert positive(just_below).count.sum() == positive(just_below).hits.sum() == 1


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
@pytest.mark.parametrize("protocol", ["raw", "stretched"])
def test_counts_equal_a_plain_float64_computation(kind, protocol):
    f, y, _name = next(images(1, seed=3, kind=kind))
    counts = getattr(one(f, y), protocol)
    valid = y != 255
    f, y = f[valid], y[valid].astype(int)
    if protocol == "stretched":
        low, high = f.min(), f.max()
        f = (f - low) / (high - low) if kind == "float32" else (f - low) / float(high - low)
    elif kind != "float32":
        f = f / np.iinfo(kind).max
    f = f.astype(np.float64)
    q = np.clip(np.where(y == 1, f, 1 - f), 1e-7, 1 - 1e-7)
    confidence = np.maximum(f, 1 - f)
    expected = {
        "absolute": np.abs(f - y),
        "brier": (f - y) ** 2,
        "nll": -np.log(q),
        "entropy": -q * np.log(q) - (1 - q) * np.log(1 - q),
        "confidence": confidence,
        "correct": ((f >= 0.5) == y) / UNIT,
    }
    assert counts.pixels == len(f)
    for column, values in expected.items():
        assert counts.rows.total(column) / UNIT == pytest.approx(values.sum(), rel=1e-6), column
    assert top_label(counts).score.sum() == pytest.approx(confidence.sum(), rel=1e-7)
    assert positive(counts).score.sum() == pytest.approx(f.sum(), abs=2.0**-24 * len(f))
    assert np.array_equal(counts.rows.levels[:1].sum(axis=(0, 1)), [np.sum(y == 0), np.sum(y == 1)])


def test_stretched_equals_raw_bit_for_bit_where_the_map_is_full():
    v = np.arange(256, dtype=np.uint8).reshape(16, 16)
    y = (v > 99).astype(np.uint8)
    statistic = one(v, y)
    assert statistic.raw == statistic.stretched
    statistic = one((v / 255).astype(np.float32), y)
    assert statistic.raw == statistic.stretched


def test_a_constant_map_is_stretched_to_zero_and_counted():
    for constant in (np.float32(0.8), np.uint8(200), np.uint16(60000)):
        counts = one(np.full((4, 5), constant), np.ones((4, 5))).stretched
        assert counts.rows.total("constant") == 1
        assert counts.count[0, 0, 1] == 20
        assert value("mae", counts) == 1


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
def test_ignored_pixels_never_count(kind):
    f, y, _name = next(images(1, seed=5, kind=kind))
    other = f.copy()
    other[y == 255] = 0 if kind != "float32" else np.nan
    assert one(f, y) == one(other, y)
    nothing = one(f, np.full_like(y, 255))
    assert nothing.raw.pixels == 0 and len(nothing.raw.rows) == 1


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
def test_parts_merge_to_the_whole_in_any_order(kind, tmp_path):
    everything = list(images(12, kind=kind))
    whole = MapCounts.empty()
    for image in everything:
        whole.add(*image)
    parts = [MapCounts.empty() for _ in range(3)]
    for k, image in enumerate(reversed(everything)):
        parts[k * 7 % 3].add(*image)
    first = parts[2] + parts[0] + parts[1]
    assert first == whole
    assert first.raw.rows.ids == sorted(first.raw.rows.ids)
    whole.save(tmp_path / "a.npz", {"set": "x"})
    first.save(tmp_path / "b.npz", {"set": "x"})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert summaries(whole) == summaries(first)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_order_of_pixels_does_not_matter(data):
    n = data.draw(st.integers(1, 60))
    f = np.array(data.draw(st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n)), np.float32)
    y = np.array(data.draw(st.lists(st.sampled_from([0, 1, 255]), min_size=n, max_size=n)), np.uint8)
    order = np.array(data.draw(st.permutations(range(n))))
    statistic = one(f, y)
    assert statistic == one(f[order], y[order])
    valid = y != 255
    assert statistic.raw.pixels == valid.sum()
    correct = np.sum((f >= 0.5)[valid] == y[valid])
    assert statistic.raw.rows.total("correct") == correct == top_label(statistic.raw).hits.sum()


def test_many_blocks_equal_one_image_cut_into_strips():
    rng = np.random.default_rng(0)
    f = rng.random((400, 500), np.float32)
    y = (rng.random(f.shape) < f).astype(np.uint8)
    whole = one(f, y).raw
    strips = MapCounts.empty()
    for k in range(0, 400, 7):
        strips.add(f[k : k + 7], y[k : k + 7], f"{k:03d}")
    assert np.array_equal(whole.count, strips.raw.count)
    assert np.array_equal(whole.position, strips.raw.position)
    for name in ("brier", "nll", "entropy", "absolute", "correct"):
        assert whole.rows.total(name) == strips.raw.rows.total(name)


@pytest.mark.parametrize("value", [0.7, 0.5, 0.3])
def test_twenty_million_equal_pixels_are_counted_exactly(value):
    f = np.full((1000, 20_000), value, np.float32)
    counts = one(f, np.ones(f.shape, np.uint8), quick=True).raw
    assert counts.pixels == 20_000_000
    exact = int(max(f[0, 0], np.float32(1) - f[0, 0]) * 2**24)
    doubt = (2**24 - exact) * LEVELS
    level, rest = divmod(doubt, 2**24)
    assert counts.count[level, int(value >= 0.5), 1] == 20_000_000
    assert counts.position[level, int(value >= 0.5), 1] * (2**24 // POSITION) == 20_000_000 * rest


def test_saved_and_loaded(tmp_path):
    statistic = MapCounts.empty()
    for image in images(5):
        statistic.add(*image)
    statistic.save(tmp_path / "s.npz", {"model": "U2Net", "of": ["a", 1]})
    loaded, provenance = MapCounts.load(tmp_path / "s.npz")
    assert loaded == statistic and provenance == {"model": "U2Net", "of": ["a", 1]}
    for image in images(7):
        if image[2] not in statistic.raw.rows.ids:
            loaded.add(*image)
    assert len(loaded.raw.rows) == 7

    quick = one(np.float32([0.2, 0.9]), [0, 1], quick=True)
    quick.save(tmp_path / "q.npz", {})
    assert MapCounts.load(tmp_path / "q.npz")[0] == quick != statistic


def test_files_that_are_no_statistic_are_refused(tmp_path):
    with pytest.raises(UserError, match="can be read"):
        MapCounts.load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(UserError, match="can be read"):
        MapCounts.load(tmp_path / "text.npz")


@pytest.mark.parametrize(
    "change", [{"schema": 9}, {"clamp": 1e-6}, {"columns": [COLUMNS[1], COLUMNS[0], *COLUMNS[2:]]}, {"levels": 10}]
)
def test_a_statistic_of_another_schema_is_refused(tmp_path, change):
    one(np.float32([0.5]), [1]).save(tmp_path / "s.npz", {})
    with np.load(tmp_path / "s.npz") as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    text = json.dumps(header | change).encode()
    np.savez(tmp_path / "s.npz", **arrays | {"header": np.frombuffer(text, np.uint8)})
    with pytest.raises(UserError, match="another schema"):
        MapCounts.load(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "f, y, words",
    [
        (np.float32([[0.5, 1.5]]), np.uint8([[0, 1]]), "not probabilities"),
        (np.float32([[0.5, -1e-9]]), np.uint8([[0, 1]]), "not probabilities"),
        (np.float32([[0.5, np.nan]]), np.uint8([[0, 1]]), "not probabilities"),
        (np.float32([[0.5, 0.1]]), np.uint8([[0, 2]]), "labels"),
        (np.float32([[0.5, 0.1]]), np.float32([[0, 1]]), "labels"),
        (np.float32([[0.5]]), np.uint8([[0, 1]]), "do not fit"),
        (np.float32([0.5]), np.uint8([0]), "do not fit"),
        (np.int64([[0]]), np.uint8([[0]]), "type"),
    ],
)
def test_bad_input_is_named_and_not_counted(f, y, words):
    for quick in (False, True):
        statistic = MapCounts.empty(quick=quick)
        with pytest.raises(UserError, match=words) as told:
            statistic.add(f, y, "picture-7")
        assert "picture-7" in str(told.value)
        assert statistic == MapCounts.empty(quick=quick)


def test_an_image_is_counted_once():
    statistic = one(np.float32([0.5]), [1])
    with pytest.raises(UserError, match="already"):
        statistic.add(np.float32([[0.5]]), np.uint8([[1]]), "a")
    with pytest.raises(UserError, match="more than once"):
        statistic + one(np.float32([0.1]), [1])


def test_measures_of_whole_maps_are_kept_per_image(tmp_path):
    rng = np.random.default_rng(0)
    truths = {"b": (rng.random((20, 30)) < 0.4).astype(np.uint8), "a": np.zeros((9, 8), np.uint8)}
    truths["c"] = np.where(rng.random((20, 30)) < 0.1, 255, truths["b"]).astype(np.uint8)
    statistic, found = MapCounts.empty(), {}
    for name, truth in truths.items():
        f = (0.2 + 0.5 * rng.random(truth.shape)).astype(np.float32)
        found[name] = whole_map_measures(f, truth, EVALUATED_MEASURES)
        statistic.add(f, truth, name, whole=found[name])
    statistic.save(tmp_path / "s.npz", {})
    statistic, _ = MapCounts.load(tmp_path / "s.npz")
    for protocol in ("raw", "stretched"):
        expected = np.array([[found[name][protocol][key] for key in EVALUATED_MEASURES] for name in "abc"])
        counts = getattr(statistic, protocol)
        columns = np.stack([counts.rows.table.column(COLUMNS.index(key)) for key in EVALUATED_MEASURES], axis=1)
        kept = np.where(columns == UNMEASURED, np.nan, columns / UNIT)
        np.testing.assert_allclose(kept, expected, atol=1e-9)  # nine decimals are kept
        assert np.isnan(expected).tolist() == [[False, False], [False, False], [True, True]]
        assert value("s_measure", counts) == pytest.approx(expected[:2, 0].mean(), abs=1e-9)
        assert value("e_measure", counts) == pytest.approx(expected[:2, 1].mean(), abs=1e-9)
    # All background: S is 1 - the mean probability (Fan et al. 2017).
    f = np.full((2, 2), 0.25, np.float32)
    assert whole_map_measures(f, np.zeros((2, 2), np.uint8), EVALUATED_MEASURES)["raw"]["s_measure"] == 0.75
    alone = one(np.float32([0.5]), [1])
    with pytest.raises(UndefinedMetricError, match="whole maps"):
        value("s_measure", alone.raw)


def test_quick_has_the_same_counts():
    f, y, _ = next(images(1))
    f[0, 0] = -0.0
    quick, full = one(f, y, quick=True), one(f, y)
    assert np.array_equal(quick.raw.count, full.raw.count)
    assert quick.stretched is None and quick.raw.rows is None
    for first, second in ((quick, full), (full, quick)):
        with pytest.raises(ValueError):
            first + second
    values, reasons = summary(ProtocolCounts(quick, quick.raw))
    assert values["ece"] == value("ece", full.raw) and values["accuracy"] == value("accuracy", full.raw)
    assert values["nll"] is None and "quick" in reasons["nll"]
