"""Compact statistics: what they keep exactly, how near the rest is, and how small they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_published import load, write
from made_statistics import counted, images, of_scenes, scene, summaries, varied

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting import compact_block, compact_file
from pipeline_src.counting.compact import STARTS, Precision
from pipeline_src.counting.compact_file import CountsFile
from pipeline_src.counting.counts import ARRAYS, COLUMNS, PIXEL_SUMS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.rows import rows_of
from pipeline_src.counting.score_histogram import positive, top_label
from pipeline_src.counting.surest import UNKNOWN
from pipeline_src.errors import UserError
from pipeline_src.metrics.entries.calibration import OVER, SQUARED, SQUARED_CLASSES, SQUARED_POSITIVE, UNDER
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import value

WHOLE = COLUMNS[:5]  # columns of whole pixels
SHIFT = 2e-3  # of metrics that sort pixels, and of F curves
EXACT = 1e-6  # of all others
SORTING = {"max_f", "mean_f", *(name for name, metric in METRICS.items() if metric.of.few)}
# Every image counts the same, be it of 9 or of 1,600 pixels, or the squares of its bins.
OF_IMAGES = {
    "image_mae",
    "image_ece",
    "image_ece_sd",
    "area_bias",
    "area_error",
    SQUARED,
    SQUARED_POSITIVE,
    SQUARED_CLASSES,
    OVER,
    UNDER,
    "ece_debiased",
    "ece_floor",
}
NEAR = 1e-3
STEEP = {"coverage_at_1": 0.05, "coverage_at_5": 0.05}  # a small change of the risk moves it far
STEEP |= {
    f"{region}_{of}": 1e-4 for region in ("border", "interior") for of in (SQUARED, OVER)
}  # the variance over few images of few pixels
STATISTICS = {
    "float32": lambda: counted(varied(60)),
    "saturated float32": lambda: counted(varied(60, sharp=8)),
    "uint8": lambda: counted(varied(60, kind="uint8")),
    "ignored pixels": lambda: counted(images(40)),
    "several classes": lambda: of_scenes(scene(seed) for seed in range(12)),
}


@pytest.fixture(params=STATISTICS, scope="module")
def both(request, tmp_path_factory) -> tuple[MapCounts, MapCounts]:
    """A statistic, and what is read of it in its compact form."""
    whole = STATISTICS[request.param]()
    return whole, compacted(whole, tmp_path_factory.mktemp("compact") / "a.zip", bins=12)


def compacted(statistic: MapCounts, file: Path, bins: int = 10, exact: bool = True) -> MapCounts:
    """What is read of a statistic that was written as the second of two seeds."""
    write(file, {0: statistic, 3: statistic}, bins, exact)
    return CountsFile(file).read("photos", "m")[3]


def counts_of(statistic: MapCounts) -> list[Counts]:
    """Of whole images, and of their classes."""
    return [*statistic.protocols.values(), *statistic.classes]


def pairs(both) -> list[tuple[Counts, Counts]]:
    return list(zip(*map(counts_of, both), strict=True))


def groups(counts: Counts) -> np.ndarray:
    return np.add.reduceat(counts.rows.levels[:], STARTS, axis=1)


def test_pixels_of_all_images_in_bins_are_exact(both):
    for whole, compact in pairs(both):
        for pixels in (top_label, positive):
            for bins in (5, 10, 12, 15, 20, 30, 50, 100):
                one, other = pixels(whole).binned(bins), pixels(compact).binned(bins)
                np.testing.assert_array_equal(one.count, other.count)
                np.testing.assert_array_equal(one.hits, other.hits)
                np.testing.assert_allclose(one.score, other.score, rtol=0, atol=1e-3)  # of a pixel


def test_rows_keep_ids_totals_and_whole_pixels(both):
    for whole, compact in pairs(both):
        assert whole.rows.ids == compact.rows.ids and whole.top == compact.top
        np.testing.assert_array_equal(whole.rows.pooled(), compact.rows.pooled())
        one, other = whole.rows.table[:], compact.rows.table[:]
        np.testing.assert_array_equal(one == UNMEASURED, other == UNMEASURED)
        np.testing.assert_array_equal(one.sum(axis=0), other.sum(axis=0))
        at = [COLUMNS.index(name) for name in WHOLE]
        np.testing.assert_array_equal(one[:, at], other[:, at])
        np.testing.assert_array_equal(*map(groups, (whole, compact)))


def test_billions_of_pixels_are_kept_as_thousands_are(tmp_path):
    """180 thousand million pixels: sums of scores, and products of pixels, are beyond int64."""
    whole = counted(varied(60), whole=False)
    for counts in counts_of(whole):
        for name in ARRAYS:
            setattr(counts, name, getattr(counts, name) << 22)
        rows, sums = counts.rows, [COLUMNS.index("pixels"), COLUMNS.index("correct"), *map(COLUMNS.index, PIXEL_SUMS)]
        table = rows.table[:]
        table[:, sums] <<= 22
        counts.rows = ImageRows(rows.ids, rows_of(table), rows_of(rows.levels[:] << 22))
        assert counts.rows.total("nll") > 1 << 63
    for one, other in pairs((whole, compacted(whole, tmp_path / "a.zip"))):
        assert [one.rows.total(name) for name in COLUMNS] == [other.rows.total(name) for name in COLUMNS]
        np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())
        np.testing.assert_array_equal(groups(one), groups(other))
        pixels = one.rows.table[:][:, COLUMNS.index("pixels")].mean()
        near = np.abs(one.rows.table[:] - other.rows.table[:]).max(axis=0) / UNIT
        assert (near <= pixels / 2 ** Precision().bits).all()


def test_rows_of_regions_keep_pixels_in_groups_of_levels(both):
    for name, whole in getattr(both[0], "regions", {}).items():
        for one, other in pairs((whole, both[1].regions[name])):
            assert one.rows.ids == other.rows.ids
            np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())
            np.testing.assert_array_equal(groups(one), groups(other))


@pytest.mark.parametrize("name", STATISTICS)
def test_the_file_loses_nothing_of_what_is_kept(name, tmp_path):
    """Seeds of different counts on the same images, of a method whose objects are those of another."""
    first, second = STATISTICS[name](), STATISTICS[name]()
    loads = {("photos", m): {0: load(first, 12), 5: load(second, 12)} for m in ("m", "n")}
    compact_file.write_counts(tmp_path / "a.zip", loads, 12)
    for seed, written in loads["photos", "n"].items():
        (ids, kept, confusion), (found_ids, found, matrix) = (
            written(),
            CountsFile(tmp_path / "a.zip").read_kept("photos", "n")[seed],
        )
        assert ids == found_ids and (confusion is None) == (matrix is None)
        np.testing.assert_array_equal(confusion if matrix is not None else [], matrix if matrix is not None else [])
        for of, one in zip(kept.items(), found.items(), strict=True):
            assert of[0] == one[0]
            for field in ("limits", "cells", "pooled", "groups", "surest"):
                np.testing.assert_array_equal(getattr(of[1], field), getattr(one[1], field), err_msg=f"{of[0]} {field}")
            assert (of[1].table is None) == (one[1].table is None) == ("/" in of[0])
            for numbers, others in zip(of[1].table or (), one[1].table or (), strict=True):
                np.testing.assert_array_equal(numbers, others, err_msg=of[0])


def test_a_damaged_file_is_named(tmp_path):
    write(file := tmp_path / "counts.zip", {0: counted(varied(9))})
    whole = file.read_bytes()
    for place in range(60, len(whole), len(whole) // 40):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            assert CountsFile(file).read("photos", "m")[0].raw.pixels  # a byte that says nothing
        except UserError as error:
            assert "counts.zip" in str(error)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"counts\.zip"):
        CountsFile(file)


def test_an_interior_that_is_not_what_the_border_leaves_is_refused(tmp_path):
    statistic = counted(varied(3))
    statistic.regions["interior"] = statistic.regions["border"]
    with pytest.raises(ValueError, match="interior/raw is not what the border leaves"):
        write(tmp_path / "a.zip", {0: statistic})


def test_other_logarithms_read_the_same(monkeypatch):
    scores, log = compact_block._scores(), np.log
    for error in (-1e-12, 1e-12):
        monkeypatch.setattr(np, "log", lambda q, error=error: log(q) * (1 + error))
        np.testing.assert_array_equal(compact_block._scores.__wrapped__(), scores)


def test_sums_of_an_image_are_near(both):
    for whole, compact in pairs(both):
        pixels = max(1, whole.rows.table[:][:, COLUMNS.index("pixels")].mean())
        difference = np.abs(whole.rows.table[:] - compact.rows.table[:]).max(axis=0)
        assert (difference / UNIT <= pixels / 2 ** Precision().bits).all()


def test_metrics_are_near(both):
    whole, compact = map(summaries, both)
    for protocol, (values, reasons) in whole.items():
        assert compact[protocol][1] == reasons
        for name, number in values.items():
            limit = SHIFT if name in SORTING else NEAR if name in OF_IMAGES else EXACT
            limit = STEEP.get(name, limit)
            assert number is None or abs(compact[protocol][0][name] - number) < limit, name


def test_saturated_maps_keep_their_order(tmp_path):
    whole = counted(varied(40, sharp=15), whole=False)
    for one, other in pairs((whole, compacted(whole, tmp_path / "a.zip"))):
        assert (one.count[0].sum() > 0.6 * one.pixels) and np.array_equal(one.surest, other.surest)
        for name in ("aurc", "augrc", "ap", "auc"):
            assert value(name, other) == pytest.approx(value(name, one), rel=1e-3), name


def test_only_cells_that_part_a_level_are_kept(tmp_path):
    for kind in ("uint8", "uint16"):
        assert compacted(counted(varied(9, kind=kind), whole=False), tmp_path / "a.zip").raw.surest is UNKNOWN


def test_intervals_are_near(tmp_path):
    whole = counted(varied(80))
    one, other = (resample(of, 10, key=7) for of in (whole, compacted(whole, tmp_path / "a.zip")))
    for protocol in one:
        shown = other[protocol].intervals()
        for name, ends in one[protocol].intervals().items():
            if ends:
                np.testing.assert_allclose(
                    shown[name], ends, rtol=0, atol=SHIFT + 0.08 * (ends[1] - ends[0]), err_msg=name
                )


@pytest.mark.parametrize("name", STATISTICS)
def test_rounded_counts_keep_pooled_bins_and_the_pixels_of_images(name, tmp_path):
    whole = STATISTICS[name]()
    compact = compacted(whole, tmp_path / "a.zip", exact=False)
    for one, other in pairs((whole, compact)):
        np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())
        np.testing.assert_array_equal(one.rows.levels[:].sum(axis=1), other.rows.levels[:].sum(axis=1))
        for bins in (10, 15, 100):
            np.testing.assert_array_equal(top_label(one).binned(bins).hits, top_label(other).binned(bins).hits)
    for region, of in getattr(compact, "regions", {}).items():
        assert [*of.protocols] == ["raw"]
        pixels = whole.regions[region].raw.rows.levels[:].sum(axis=1)
        np.testing.assert_array_equal(of.raw.rows.levels[:].sum(axis=1), pixels)


def test_intervals_of_rounded_counts_are_near(tmp_path):
    whole = counted(varied(80))
    one, other = (
        resample(of, 10, key=7)["raw"].intervals() for of in (whole, compacted(whole, tmp_path / "a", 10, False))
    )
    for name in ("ece", "accuracy", "brier", "nll", "border_ece", "max_f"):
        low, high = one[name]
        np.testing.assert_allclose(other[name], (low, high), rtol=0, atol=0.15 * (high - low), err_msg=name)


def test_the_same_counts_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.zip", {0: counted(varied(10))})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_it_is_small(tmp_path):
    statistic = counted(varied(400, shape=(60, 80)))
    statistic.save(tmp_path / "full.npz", {})
    write(tmp_path / "compact.zip", {0: statistic})
    assert (tmp_path / "compact.zip").stat().st_size < (tmp_path / "full.npz").stat().st_size / 5
