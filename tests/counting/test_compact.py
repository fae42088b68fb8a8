"""Compact counts: what they keep exactly, how near the rest is, and how small they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_published import load, write
from made_statistics import counted, images, of_scenes, scene, summaries, varied

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting import compact_block, compact_file
from pipeline_src.counting.compact import EXACT, ROUGH
from pipeline_src.counting.compact_file import CountsFile, compact_run, restored_run
from pipeline_src.counting.counts import ARRAYS, COLUMNS, PIXEL_SUMS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import positive, top_label
from pipeline_src.counting.surest import UNKNOWN
from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import value

SCORES = ("accuracy", "gap", "brier", "nll", "entropy", "mae", "ece", "oe", "mce", "classwise_ece")
STATISTICS = {
    "float32": lambda: counted(varied(60)),
    "saturated float32": lambda: counted(varied(60, sharp=8)),
    "uint8": lambda: counted(varied(60, kind="uint8")),
    "ignored pixels": lambda: counted(images(40)),
    "several classes": lambda: of_scenes(scene(seed) for seed in range(12)),
}


@pytest.fixture(params=STATISTICS, scope="module")
def both(request, tmp_path_factory) -> tuple[MapCounts, MapCounts]:
    """Counts, and what is read of them in their compact form."""
    full = STATISTICS[request.param]()
    return full, compacted(full, tmp_path_factory.mktemp("compact") / "a.zip", bins=12)


def compacted(statistic: MapCounts, file: Path, bins: int = 10) -> MapCounts:
    """What is read of counts that were written as the second of two seeds."""
    write(file, {0: statistic, 3: statistic}, bins)
    return CountsFile(file).read("photos", "m")[3]


def pairs(both) -> list[tuple[Counts, Counts]]:
    """Counts of whole images and of their classes."""
    full, compact = ([*statistic.protocols.values(), *statistic.classes] for statistic in both)
    return list(zip(full, compact, strict=True))


def test_pixels_of_all_images_in_bins_are_exact(both):
    for full, compact in pairs(both):
        for pixels in (top_label, positive):
            for bins in (5, 10, 12, 15, 20, 30, 50, 100):
                one, other = pixels(full).binned(bins), pixels(compact).binned(bins)
                np.testing.assert_array_equal(one.count, other.count)
                np.testing.assert_array_equal(one.hits, other.hits)
                np.testing.assert_allclose(one.score, other.score, rtol=0, atol=1e-3)  # of a pixel


def test_rows_keep_ids_totals_and_pixels(both):
    for full, compact in pairs(both):
        assert full.rows.ids == compact.rows.ids and full.top == compact.top
        np.testing.assert_array_equal(full.rows.pooled(), compact.rows.pooled())
        one, other = full.rows.table, compact.rows.table
        np.testing.assert_array_equal(one == UNMEASURED, other == UNMEASURED)
        np.testing.assert_array_equal(one.sum(axis=0), other.sum(axis=0))
        np.testing.assert_array_equal(one[:, :5], other[:, :5])
        np.testing.assert_array_equal(full.rows.levels.sum(axis=1), compact.rows.levels.sum(axis=1))
        near = np.abs(one - other).max(axis=0) / UNIT
        assert (near <= max(1, full.rows.column("pixels").mean()) / 2**ROUGH.bits).all()
    for name, region in both[0].regions.items():
        compact = both[1].regions[name]
        assert [*compact.protocols] == ["raw"] and compact.raw.rows.ids == region.raw.rows.ids
        np.testing.assert_array_equal(compact.raw.rows.levels.sum(axis=1), region.raw.rows.levels.sum(axis=1))


def test_billions_of_pixels_are_kept_as_thousands_are(tmp_path):
    """180 thousand million pixels: sums of scores, and products of pixels, are beyond int64."""
    full = counted(varied(60), whole=False)
    for counts in full.counts.values():
        for name in ARRAYS:
            setattr(counts, name, getattr(counts, name) << 22)
        rows, table = counts.rows, counts.rows.table.copy()
        table[:, [COLUMNS.index(name) for name in ("pixels", "correct", *PIXEL_SUMS)]] <<= 22
        counts.rows = ImageRows(rows.ids, table, rows.levels << 22)
        assert counts.rows.total("nll") > 1 << 63
    for one, other in pairs((full, compacted(full, tmp_path / "a.zip"))):
        assert [one.rows.total(name) for name in COLUMNS] == [other.rows.total(name) for name in COLUMNS]
        np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())


@pytest.mark.parametrize("name", STATISTICS)
def test_the_file_loses_only_the_rounding_of_groups(name, tmp_path):
    """Seeds of different counts on the same images, of a method whose objects are those of another."""
    first, second = STATISTICS[name](), STATISTICS[name]()
    loads = {("photos", method): {0: load(first, 12), 5: load(second, 12)} for method in ("m", "n")}
    compact_file.write_counts(tmp_path / "a.zip", loads, 12)
    for seed, written in loads["photos", "n"].items():
        ids, stored, confusion = written()
        found_ids, found, matrix = CountsFile(tmp_path / "a.zip").read_runs("photos", "n")[seed]
        assert ids == found_ids and stored.keys() == found.keys() and (confusion is None) == (matrix is None)
        np.testing.assert_array_equal(confusion if matrix is not None else [], matrix if matrix is not None else [])
        for key, counts in stored.items():
            for field in ("limits", "cells", "pooled", "surest"):
                np.testing.assert_array_equal(getattr(counts, field), getattr(found[key], field), err_msg=field)
            for axis in (0, 2):
                np.testing.assert_array_equal(counts.groups.sum(axis=axis), found[key].groups.sum(axis=axis))
            assert (counts.table is None) == (found[key].table is None) == ("/" in key)
            for numbers, others in zip(counts.table or (), found[key].table or (), strict=True):
                np.testing.assert_array_equal(numbers, others, err_msg=key)


def test_a_damaged_file_is_named(tmp_path):
    write(file := tmp_path / "counts.zip", {0: counted(varied(9))})
    content = file.read_bytes()
    for place in range(60, len(content), len(content) // 40):
        file.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            assert CountsFile(file).read("photos", "m")[0].raw.pixels  # a byte that says nothing
        except UserError as error:
            assert "counts.zip" in str(error)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"counts\.zip"):
        CountsFile(file)


def test_other_logarithms_read_the_same(monkeypatch):
    scores, log = compact_block._pixel_scores(), np.log
    for error in (-1e-12, 1e-12):
        monkeypatch.setattr(np, "log", lambda q, error=error: log(q) * (1 + error))
        np.testing.assert_array_equal(compact_block._pixel_scores.__wrapped__(), scores)


def test_metrics_are_near(both):
    full, compact = map(summaries, both)
    for protocol, (values, _) in full.items():
        for name in values.keys() & {*SCORES}:
            assert compact[protocol][0][name] == pytest.approx(values[name], abs=1e-6), name


@pytest.mark.parametrize("precision", [EXACT, ROUGH])
def test_metrics_of_images_and_of_sorted_pixels_are_near(precision):
    for make in STATISTICS.values():
        full = make()
        compact = restored_run(compact_run(full, 10, precision))
        values, near = (summaries(statistic)["raw"][0] for statistic in (full, compact))
        for name in ("max_f", "mean_f", "image_ece", "aurc", "ece_equal_mass", "smooth_ece"):
            if values.get(name) is not None:
                assert near[name] == pytest.approx(values[name], abs=2e-3 if precision == EXACT else 0.02), name


def test_saturated_maps_keep_their_order(tmp_path):
    full = counted(varied(40, sharp=15), whole=False)
    for one, other in pairs((full, compacted(full, tmp_path / "a.zip"))):
        assert (one.count[0].sum() > 0.6 * one.pixels) and np.array_equal(one.surest, other.surest)
        for name in ("aurc", "augrc"):
            assert value(name, other) == pytest.approx(value(name, one), rel=1e-3), name
    bytes_of = counted(varied(9, kind="uint16"), whole=False)
    assert compacted(bytes_of, tmp_path / "b.zip").raw.surest is UNKNOWN  # no cell splits a level


def test_intervals_are_near(tmp_path):
    full = counted(varied(80))
    one, other = (resample(of, 10, key=7)["raw"].intervals() for of in (full, compacted(full, tmp_path / "a.zip")))
    for name in ("ece", "accuracy", "brier", "nll", "max_f"):
        low, high = one[name]
        np.testing.assert_allclose(other[name], (low, high), rtol=0, atol=0.15 * (high - low), err_msg=name)


def test_the_file_is_small_and_the_same_for_the_same_counts(tmp_path):
    statistic = counted(varied(400, shape=(60, 80)))
    statistic.save(tmp_path / "full.npz", {})
    for name in "ab":
        write(tmp_path / name, {0: statistic})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size < (tmp_path / "full.npz").stat().st_size / 5
