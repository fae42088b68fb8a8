"""Published counts: what they keep exactly, how near the rest is, and how small they are."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from made_published import write
from made_statistics import ByProtocol, counted, images, of_scenes, scene, summaries, varied

from pipeline_src.analysis.resampling import measure_protocols
from pipeline_src.counting.bins import positive, top_label
from pipeline_src.counting.counts import UNMEASURED, Counts
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.storage import equal_counts, save
from pipeline_src.errors import UserError
from pipeline_src.publishing.compact import BITS, reduced, restored
from pipeline_src.publishing.counts_file import CountsFile, add_runs

SCORES = ("accuracy", "gap", "brier", "nll", "entropy", "mae", "ece", "oe", "mce", "positive_ece", "classwise_ece")
NEAR = ("max_f", "mean_f", "image_ece", "area_error", "aurc", "auc", "ap", "ece_equal_mass", "smooth_ece")
STATISTICS = {
    "float32": lambda: counted(varied(60)),
    "saturated float32": lambda: counted(varied(60, sharp=8)),
    "uint8": lambda: counted(varied(60, kind="uint8")),
    "ignored pixels": lambda: counted(images(40)),
    "several classes": lambda: of_scenes(scene(seed) for seed in range(12)),
}


@pytest.fixture(params=STATISTICS, scope="module")
def both(request, tmp_path_factory) -> tuple[ByProtocol, ByProtocol]:
    """Counts, and what is read of them in their published form, as the second of two seeds."""
    full, file = STATISTICS[request.param](), tmp_path_factory.mktemp("compact") / "a.zip"
    write(file, {0: full, 3: full}, bins=12)
    return full, CountsFile(file).read("photos", "m", 3)


def pairs(both) -> list[tuple[Counts, Counts]]:
    """Counts of whole images and of their classes."""
    full, compact = ([*counts.values(), *counts["raw"].classes] for counts in both)
    return list(zip(full, compact, strict=True))


def test_pixels_of_all_images_in_bins_are_exact(both):
    for full, compact in pairs(both):
        for pixels in (top_label, positive):
            for bins in (5, 10, 12, 15, 20, 30, 50, 100):
                one, other = pixels(full.histogram, bins), pixels(compact.histogram, bins)
                np.testing.assert_array_equal(one.count, other.count)
                np.testing.assert_array_equal(one.hits, other.hits)
                np.testing.assert_allclose(one.score, other.score, rtol=0, atol=1e-3)  # of a pixel


def test_rows_keep_ids_totals_and_pixels(both):
    for full, compact in pairs(both):
        assert full.images.ids == compact.images.ids and full.histogram.top == compact.histogram.top
        np.testing.assert_array_equal(full.images.pooled(), compact.images.pooled())
        one, other = full.images.table, compact.images.table
        np.testing.assert_array_equal(one == UNMEASURED, other == UNMEASURED)
        np.testing.assert_array_equal(one.sum(axis=0), other.sum(axis=0))
        np.testing.assert_array_equal(one[:, :5], other[:, :5])
        np.testing.assert_array_equal(full.images.levels.sum(axis=1), compact.images.levels.sum(axis=1))
        near = np.abs(one - other).max(axis=0) / UNIT
        assert (near <= max(1, full.images.column("pixels").mean()) / 2**BITS).all()
    matrices = [np.zeros(0) if raw.confusion is None else raw.confusion for raw in (counts["raw"] for counts in both)]
    np.testing.assert_array_equal(*matrices)


def test_metrics_are_near(both):
    full, compact = (summaries(statistic)["raw"][0] for statistic in both)
    for name in full.keys() & {*SCORES, *NEAR}:
        assert compact[name] == pytest.approx(full[name], abs=1e-6 if name in SCORES else 0.02), name


def test_the_file_loses_nothing_of_what_was_rounded(tmp_path):
    for name, make in STATISTICS.items():
        rounded = reduced(make(), 10)
        add_runs(tmp_path / f"{name}.zip", {("photos", "m", 0): lambda rounded=rounded: rounded})
        assert equal_counts(CountsFile(tmp_path / f"{name}.zip").read("photos", "m", 0), restored(rounded)), name


def test_runs_are_added_and_the_others_stay(tmp_path):
    first, second = counted(varied(20)), counted(varied(20, sharp=2.5))
    write(file := tmp_path / "a.zip", {0: first})
    before = file.read_bytes()
    write(file, {4: second})
    assert file.read_bytes().startswith(before[:2000])
    assert CountsFile(file).runs == [("photos", "m", 0), ("photos", "m", 4)]
    assert equal_counts(CountsFile(file).read("photos", "m", 0), restored(reduced(first, 10)))
    assert equal_counts(CountsFile(file).read("photos", "m", 4), restored(reduced(second, 10)))
    with pytest.raises(UserError, match="other images"):
        add_runs(file, {("photos", "n", 0): partial(reduced, counted(varied(21)), 10)})
    assert len(CountsFile(file).runs) == 2


def test_a_damaged_file_is_named(tmp_path):
    write(file := tmp_path / "counts.zip", {0: counted(varied(9))})
    content = file.read_bytes()
    for place in range(60, len(content), len(content) // 40):
        file.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            assert CountsFile(file).read("photos", "m", 0)["raw"].pixels  # a byte that says nothing
        except UserError as error:
            assert "counts.zip" in str(error)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"counts\.zip"):
        CountsFile(file)


def test_intervals_are_near():
    full = counted(varied(80))
    one, other = (
        measure_protocols(counts, 10, key=7)["raw"].intervals() for counts in (full, restored(reduced(full, 10)))
    )
    for name in ("ece", "accuracy", "brier", "nll", "max_f"):
        low, high = one[name]
        np.testing.assert_allclose(other[name], (low, high), rtol=0, atol=0.15 * (high - low), err_msg=name)


def test_the_file_is_small_and_the_same_for_the_same_counts(tmp_path):
    statistic = counted(varied(400, shape=(60, 80)))
    save(statistic, tmp_path / "full.npz", {})
    for name in "ab":
        write(tmp_path / name, {0: statistic})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size < (tmp_path / "full.npz").stat().st_size / 5
