"""The analysis of a data set: equal to direct computations, paired, the same bytes again, and clear about bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_results import by_hand
from made_statistics import counted, of_scenes, scene, summaries, varied

from pipeline_src.analysis.analyse import analyse, band_of_sums
from pipeline_src.analysis.estimate import effective_units, estimate
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.intervals import interval
from pipeline_src.analysis.measurement import read_measurements
from pipeline_src.analysis.resampling import RESAMPLES, key_of, measure_protocols
from pipeline_src.analysis.results import Results
from pipeline_src.counting.counts import ARRAYS
from pipeline_src.counting.storage import load, save
from pipeline_src.errors import UserError

SHARPNESS = {"baseline": 2.0, "slp": 1.4, "ensemble": 1.7}
FACTS = Facts(
    "made",
    {"baseline": MethodFacts("baseline"), "slp": MethodFacts("slp"), "ensemble": MethodFacts(of_all_seeds=True)},
    {"photos": "id", "textures": "ood"},
    seeds=(0, 1),
    captions={"photos": "Photographs."},
)
IMAGES = 12
T_OF_TWO = 12.706204736  # the 97.5 % quantile of Student's t of two seeds


def images(method: str, seed: int, part: str):
    """Maps of a method, whose seeds differ a little; the masks are those of all methods."""
    for f, y, name in varied(IMAGES, kind="uint8", sharp=SHARPNESS[method], shape=(20, 24)):
        noise = np.random.default_rng(seed).integers(-9, 9, f.shape)
        yield np.uint8(np.clip(f + noise, 0, 255)), y * (part == "photos"), name


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Statistics by (method, seed) for each data set."""
    folder, paths = tmp_path_factory.mktemp("statistics"), {}
    for part in FACTS.splits:
        paths[part] = {run: folder / f"{part}-{run[0]}-{run[1]}.npz" for run in FACTS.runs}
        for (method, seed), path in paths[part].items():
            save(counted(images(method, seed, part)), path, {})
    return paths


@pytest.fixture(scope="module")
def results(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    for part, statistics in files.items():
        analyse(part, 10, statistics, folder / f"{part}.npz", "Grey." if part == "photos" else "")
    return Results(FACTS, {part: folder / f"{part}.npz" for part in files})


def test_values_are_those_of_each_statistic(files, results):
    for part, method, seed in (("photos", "slp", 1), ("photos", "ensemble", 0), ("textures", "baseline", 0)):
        for protocol, alone in measure_protocols(load(files[part][method, seed]), 10, key_of(part)).items():
            run = results.measurement(protocol, method, part)
            assert (run.images, run.pixels, list(run.seeds)) == (IMAGES, IMAGES * 480, FACTS.seeds_of(method))
            assert {name: entry[[seed]] for name, entry in run.points.items()} == alone.points
            assert run.reasons == alone.reasons and run.values.keys() == alone.values.keys()
            for name, values in alone.values.items():
                np.testing.assert_array_equal(run.values[name][[seed]], values)
    assert results.measurement("raw", "unknown", "photos") is None
    assert results.table.set_index("part").loc["textures", "max_f"].isna().all()
    assert "foreground" in results.reasons["textures", "max_f"]
    assert results.note("photos") == "Photographs. Grey." and results.note("textures") == ""


def test_differences_are_paired_by_seed_and_image(results):
    slp, baseline = (results.measurement("raw", method, "photos") for method in ("slp", "baseline"))
    gap = estimate("nll", (baseline, 1), (slp, -1))
    assert gap.by_seed == {k: baseline.points["nll"][k] - slp.points["nll"][k] for k in (0, 1)}
    assert gap.value == pytest.approx(np.mean(list(gap.by_seed.values())))
    values = (baseline.values["nll"] - slp.values["nll"]).mean(axis=0)
    assert (gap.image_low, gap.image_high) == interval(gap.value, values, IMAGES)
    np.testing.assert_array_equal(gap.resampled, values)
    alone = estimate("nll", (baseline, 1))
    assert gap.image_high - gap.image_low < alone.image_high - alone.image_low  # what the images have in common cancels
    same = estimate("nll", (slp, 1), (slp, -1))
    assert (same.value, same.low, same.high, same.significant) == (0, 0, 0, False)


def test_the_effective_number_of_images_is_that_of_their_differences(results):
    """Maps are of one size: the mean over pixels is that over images, whose own values are counted anew."""
    by_image = {
        method: np.array([[((f >= 128) == y).mean() for f, y, _ in images(method, s, "photos")] for s in (0, 1)])
        for method in ("slp", "baseline")
    }
    slp, baseline = (results.measurement("raw", method, "photos") for method in by_image)
    effect = estimate("accuracy", (slp, 1), (baseline, -1))
    d = np.abs((by_image["slp"] - by_image["baseline"]).mean(axis=0))
    assert effective_units(effect, "accuracy", slp, baseline) == pytest.approx(d.sum() ** 2 / (d**2).sum(), rel=0.02)
    same = estimate("accuracy", (slp, 1), (slp, -1))
    assert effective_units(same, "accuracy", slp, slp) == pytest.approx(IMAGES)


@pytest.mark.parametrize(("changed", "expected"), [(1, 1), (3, 3), (60, 60)])
def test_the_effective_number_counts_the_images_that_differ(changed, expected):
    d = np.zeros(100)
    d[:changed] = 0.1
    left_out = [np.zeros((1, 4, 100)) + (values.sum() - values) / 99 for values in (d, 0 * d)]
    sides = [by_hand({"brier": [array.mean()]}, np.zeros(11), arrays={"left_out": array}) for array in left_out]
    effect = estimate("brier", (sides[0], 1.0), (sides[1], -1.0))
    assert effective_units(effect, "brier", *sides) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("units", "seeds", "noted"), [(56, 1, True), (56, 2, False), (100, 1, False)])
def test_few_images_of_one_seed_are_noted_with_their_number(units, seeds, noted):
    run = by_hand({"brier": [0.1] * seeds}, np.zeros(11), range(seeds), images=units)
    assert ("too narrow" in run.size) == noted


def test_an_estimate_needs_common_seeds_and_the_metric(results):
    slp, texture = (results.measurement("raw", "slp", part) for part in FACTS.splits)
    assert estimate("max_f", (slp, 1), (texture, -1)) is None
    assert estimate("ece", (slp, 1), (replace(slp, seeds=[2, 3]), -1)) is None
    assert estimate("ece", (slp, 1), (replace(slp, seeds=[1, 2]), -1)).by_seed.keys() == {1}


def test_the_pixels_of_all_seeds(files, results):
    run = results.measurement("stretched", "slp", "photos")
    of_seeds = [load(files["photos"]["slp", seed])["stretched"] for seed in (0, 1)]
    summed = of_seeds[0].histogram + of_seeds[1].histogram
    assert all(np.array_equal(getattr(run.histogram, name), getattr(summed, name)) for name in ARRAYS)


def test_the_accuracy_band_is_that_of_the_drawn_images_and_of_the_seeds(results):
    """Against the pixels of each seed in each drawn image, binned anew."""
    count, hits = np.zeros((2, 2, IMAGES, 10))
    for seed in (0, 1):
        for k, (f, y, _) in enumerate(images("slp", seed, "photos")):
            p = f / 255
            index = np.ceil(np.maximum(p, 1 - p) * 10 - 1e-9).astype(int).ravel() - 1
            count[seed, k] = np.bincount(index, minlength=10)
            hits[seed, k] = np.bincount(index, ((p >= 0.5) == y).ravel(), minlength=10)
    generator = np.random.Generator(np.random.PCG64(key_of("photos")))
    chosen = [generator.integers(0, IMAGES, IMAGES) for _ in range(RESAMPLES)]
    band = results.measurement("raw", "slp", "photos").arrays["accuracy_band"]
    assert np.isnan(band[:5]).all()  # no confidence lies below 0.5
    for k in range(5, 11):
        pixels, right = (a[..., k] if k < 10 else a.sum(axis=-1) for a in (count, hits))  # (2, IMAGES)
        value = right.sum() / pixels.sum()
        ends = interval(value, np.array([right[:, entry].sum() / pixels[:, entry].sum() for entry in chosen]), IMAGES)
        of_seeds, shares = right.sum(axis=1) / pixels.sum(axis=1), pixels.sum(axis=1) / pixels.sum()
        training = T_OF_TWO * np.std(of_seeds, ddof=1) * np.sqrt((shares**2).sum())
        expected = value - np.hypot(value - ends[0], training), value + np.hypot(value - ends[1], training)
        np.testing.assert_allclose(band[k], np.clip(expected, 0, 1), atol=1e-9)


def test_a_bin_of_few_images_or_without_pixels_of_a_seed_has_no_band():
    """Nine images of a hundred, however many pixels they have there; of two images, one; of one seed, nine or none."""
    sums = np.array([[90, 100, 80, 95], [90, 100, 81, 94]] * 20, float)  # of two bins
    few = [(100, [[9, 10]]), (2, [[1, 2]]), (100, [[90, 10], [9, 80]]), (50, [[50, 50], [0, 50]])]
    for units, filled in few:
        band = band_of_sums(sums[: len(filled)], sums, np.array(filled), units)
        assert np.isnan(band[:, 0]).tolist() == [True, False, False]


def test_methods_on_other_images_are_refused(files, tmp_path):
    save(counted(list(images("slp", 1, "photos"))[1:]), tmp_path / "fewer.npz", {})
    statistics = files["photos"] | {("slp", 1): tmp_path / "fewer.npz"}
    with pytest.raises(UserError, match=r"slp seed 1[\s\S]*photos[\s\S]*- 0000") as error:
        analyse("photos", 10, statistics, tmp_path / "out.npz")
    assert "- 0001" not in str(error.value) and not (tmp_path / "out.npz").exists()


def test_a_metric_that_one_seed_lacks_is_missing_there(tmp_path):
    paths = {("slp", seed): tmp_path / f"{seed}.npz" for seed in (0, 1)}
    for (_, seed), path in paths.items():
        save(counted(images("slp", seed, "photos"), whole=seed == 1), path, {})
    analyse("photos", 10, paths, tmp_path / "out.npz")
    run = read_measurements(tmp_path / "out.npz")[1]["raw", "slp"]
    assert np.isnan(run.points["s_measure"]).tolist() == [True, False]
    assert np.isnan(run.values["s_measure"]).all(axis=1).tolist() == [True, False]
    assert "whole maps" in run.reasons["s_measure"] and not np.isnan(run.points["ece"]).any()
    assert np.isnan(estimate("s_measure", (run, 1)).value)


def test_intervals_of_several_seeds_count_the_images_that_have_the_metric(tmp_path):
    """Images without foreground have no F: 4 of 12."""
    paths = {("slp", seed): tmp_path / f"{seed}.npz" for seed in (0, 1)}
    for (_, seed), path in paths.items():
        maps = [(f, y * (k < 8), name) for k, (f, y, name) in enumerate(images("slp", seed, "photos"))]
        save(counted(maps), path, {})
    analyse("photos", 10, paths, tmp_path / "out.npz")
    run = read_measurements(tmp_path / "out.npz")[1]["raw", "slp"]
    f = estimate("max_f", (run, 1))
    assert (f.units, estimate("nll", (run, 1)).units) == (8, 12)
    assert (f.image_low, f.image_high) == interval(f.value, run.values["max_f"].mean(axis=0), 8)


@pytest.mark.parametrize("content", [None, b"", b"no analysis", "cut off", "another"])
def test_a_file_that_is_no_analysis_is_named(results, tmp_path, content):
    path = tmp_path / "photos.npz"
    if content == "another":
        np.savez(path, values=np.zeros(3))
    elif content is not None:
        complete = results.files["photos"].read_bytes()
        path.write_bytes(complete[: len(complete) // 2] if content == "cut off" else content)
    with pytest.raises(UserError, match=r"photos\.npz[\s\S]*snakemake"):
        read_measurements(path)


def test_several_classes(tmp_path, recwarn):
    """One class of four never occurs, one is only predicted."""
    facts = Facts("made", {"baseline": MethodFacts("baseline")}, {"streets": "id"}, (0, 1), class_names=tuple("abcd"))
    statistics, paths = {}, {}
    for seed in (0, 1):
        scenes = [scene(k, classes=4, sharp=1.5 + seed) for k in range(5)]
        for p, truth in scenes:
            truth[truth >= 2] = 255
            p[3] = 0
            p /= p.sum(axis=0)
        statistics[seed] = of_scenes(scenes, 4)
        paths["baseline", seed] = tmp_path / f"{seed}.npz"
        save(statistics[seed], paths["baseline", seed], {})
    analyse("streets", 10, paths, tmp_path / "streets.npz")
    results = Results(facts, {"streets": tmp_path / "streets.npz"})
    run = results.measurement("raw", "baseline", "streets")
    assert list(results.measured("stretched", "streets")) == [] and run.histogram.top
    assert results.table["mean_iou"].tolist() == [summaries(statistics[seed])["raw"][0]["mean_iou"] for seed in (0, 1)]
    assert [str(w.message) for w in recwarn] == []
