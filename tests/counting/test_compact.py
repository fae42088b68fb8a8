"""Compact statistics: what they keep exactly, how near the rest is, and how small they are."""

from __future__ import annotations

import numpy as np
import pytest
from made_statistics import counted, images, of_scenes, scene, summaries, varied

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting import compact_file
from pipeline_src.counting.compact import STARTS, STEPS
from pipeline_src.counting.counts import ARRAYS, COLUMNS, PIXEL_SUMS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.loading import AnyStatistic, by_protocol, load, save_compact
from pipeline_src.counting.rows import rows_of
from pipeline_src.counting.score_histogram import positive, top_label
from pipeline_src.counting.surest import UNKNOWN
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
def both(request, tmp_path_factory) -> tuple[AnyStatistic, AnyStatistic]:
    """A statistic, and what is read of it in its compact form."""
    whole, file = STATISTICS[request.param](), tmp_path_factory.mktemp("compact") / "a.npz"
    save_compact(whole, file, bins=12)
    return whole, load(file)


def counts_of(statistic: AnyStatistic) -> list[Counts]:
    """Of whole images, and of their classes."""
    return [*by_protocol(statistic).values(), *statistic.classes]


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
    save_compact(whole, tmp_path / "a.npz", bins=10)
    for one, other in pairs((whole, load(tmp_path / "a.npz"))):
        assert [one.rows.total(name) for name in COLUMNS] == [other.rows.total(name) for name in COLUMNS]
        np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())
        np.testing.assert_array_equal(groups(one), groups(other))
        pixels = one.rows.table[:][:, COLUMNS.index("pixels")].mean()
        near = np.abs(one.rows.table[:] - other.rows.table[:]).max(axis=0) / UNIT
        assert (near <= pixels / 2**STEPS).all()


def test_rows_of_regions_keep_pixels_in_groups_of_levels(both):
    for name, whole in getattr(both[0], "regions", {}).items():
        for one, other in pairs((whole, both[1].regions[name])):
            assert one.rows.ids == other.rows.ids
            np.testing.assert_array_equal(one.rows.pooled(), other.rows.pooled())
            np.testing.assert_array_equal(groups(one), groups(other))


@pytest.mark.parametrize("name", STATISTICS)
def test_the_file_loses_nothing_of_what_is_kept(name, tmp_path, monkeypatch):
    written, keep = [], compact_file.keep

    def spied(*of):
        written.append(keep(*of))
        return written[-1]

    monkeypatch.setattr(compact_file, "keep", spied)
    monkeypatch.setattr(compact_file, "restored", lambda kept, *_: kept)
    save_compact(STATISTICS[name](), file := tmp_path / "a.npz", bins=12)
    read, _ = compact_file.read_compact(file)
    for of, (name, found) in zip(written, read.items(), strict=True):
        for field in ("limits", "cells", "pooled", "groups", "surest"):
            np.testing.assert_array_equal(getattr(of, field), getattr(found, field), err_msg=f"{name} {field}")
        assert (of.table is None) == (found.table is None) == ("/" in name)
        for one, other in zip(of.table or (), found.table or (), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_an_interior_that_is_not_what_the_border_leaves_is_refused(tmp_path):
    statistic = counted(varied(3))
    statistic.regions["interior"] = statistic.regions["border"]
    with pytest.raises(ValueError, match="interior/raw is not what the border leaves"):
        save_compact(statistic, tmp_path / "a.npz", 10)


def test_other_logarithms_read_the_same(monkeypatch):
    scores, log = compact_file._scores(), np.log
    for error in (-1e-12, 1e-12):
        monkeypatch.setattr(np, "log", lambda q, error=error: log(q) * (1 + error))
        np.testing.assert_array_equal(compact_file._scores.__wrapped__(), scores)


def test_sums_of_an_image_are_near(both):
    for whole, compact in pairs(both):
        pixels = max(1, whole.rows.table[:][:, COLUMNS.index("pixels")].mean())
        difference = np.abs(whole.rows.table[:] - compact.rows.table[:]).max(axis=0)
        assert (difference / UNIT <= pixels / 2**STEPS).all()


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
    save_compact(whole, tmp_path / "a.npz", 10)
    for one, other in pairs((whole, load(tmp_path / "a.npz"))):
        assert (one.count[0].sum() > 0.6 * one.pixels) and np.array_equal(one.surest, other.surest)
        for name in ("aurc", "augrc", "ap", "auc"):
            assert value(name, other) == pytest.approx(value(name, one), rel=1e-3), name


def test_only_cells_that_part_a_level_are_kept(tmp_path):
    for kind in ("uint8", "uint16"):
        save_compact(counted(varied(9, kind=kind), whole=False), tmp_path / "a.npz", 10)
        assert load(tmp_path / "a.npz").raw.surest is UNKNOWN


def test_intervals_are_near(tmp_path):
    whole = counted(varied(80))
    save_compact(whole, tmp_path / "a.npz", 10)
    one, other = (resample(statistic, 10, key=7) for statistic in (whole, load(tmp_path / "a.npz")))
    for protocol in one:
        shown = other[protocol].intervals()
        for name, ends in one[protocol].intervals().items():
            if ends:
                np.testing.assert_allclose(
                    shown[name], ends, rtol=0, atol=SHIFT + 0.08 * (ends[1] - ends[0]), err_msg=name
                )


def test_the_same_counts_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_compact(counted(varied(10)), tmp_path / f"{name}.npz", 10)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_it_is_small(tmp_path):
    statistic = counted(varied(400, shape=(60, 80)))
    statistic.save(tmp_path / "full.npz", {})
    save_compact(statistic, tmp_path / "compact.npz", 10)
    assert (tmp_path / "compact.npz").stat().st_size < (tmp_path / "full.npz").stat().st_size / 5
