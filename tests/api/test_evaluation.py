"""`Evaluation`: the counts of the pipeline for anybody's arrays, whatever their form, order and split."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from project import ROOT

from pipeline_src.analysis.resampling import SEED, measure_protocols
from pipeline_src.api import DenseCalibration, Evaluation, UserError, calibration_report, reliability_diagram
from pipeline_src.api.batches import batch_histogram
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.counting.storage import equal_counts
from pipeline_src.figures.bin_tables import reliability_table
from pipeline_src.maps.judge import judge_folder
from pipeline_src.metrics.registry import summary

RNG = np.random.default_rng(0)
MAPS = RNG.random((6, 13, 11)).astype(np.float32)
MASKS = (RNG.random(MAPS.shape) < MAPS**2).astype(np.uint8)
MASKS[2, :3] = 255
CLASSES = RNG.dirichlet(np.ones(4), (5, 8, 9)).transpose(0, 3, 1, 2)
IDS = RNG.integers(0, 4, (5, 8, 9))
WHOLE = Evaluation().update(MAPS, MASKS)


def counts_of(maps: np.ndarray, masks: np.ndarray) -> dict[str, Counts]:
    """The pipeline's counts of unnormalized maps."""
    accumulator = Accumulator(maps.shape[1] if maps.ndim == 4 else None, protocols=["raw"])
    for k, (f, y) in enumerate(zip(maps, masks, strict=True)):
        accumulator.add(checked(f, y, f"image {k:09d}", ignore=255))
    return accumulator.counts()


def same(left: Counts, right: Counts) -> bool:
    return equal_counts({"raw": left}, {"raw": right})


@pytest.mark.parametrize(("maps", "masks", "classes"), [(MAPS, MASKS, 2), (CLASSES, IDS, 4)], ids=["object", "classes"])
def test_counts_and_metrics_are_the_pipelines(maps, masks, classes):
    ours = counts_of(maps, masks)["raw"]
    evaluation = Evaluation().update(maps, masks)
    assert same(evaluation.counts, ours) and evaluation.classes == classes
    values, reasons = summary(ours, 15)
    report = evaluation.compute(bins=15)
    assert dict(report) == values and report.undefined == reasons
    assert (report.images, report.pixels) == (len(maps), ours.pixels)


@pytest.mark.parametrize(
    ("maps", "masks"),
    [
        (MAPS[:, None], MASKS[:, None]),
        (np.stack([1 - MAPS, MAPS], 1), MASKS),
        (torch.from_numpy(MAPS).requires_grad_(), torch.from_numpy(MASKS).long()),
        (MAPS.astype(np.float64), MASKS.astype(np.int64)),
        (MAPS, MASKS.astype(np.float32)),
        (torch.from_numpy(MAPS), torch.from_numpy(MASKS).half()),
        (MAPS.repeat(3).reshape(*MAPS.shape, 3)[..., 0], MASKS.repeat(2).reshape(*MASKS.shape, 2)[..., 0]),
    ],
    ids=["one channel", "two channels", "tensors", "other types", "masks of floats", "half precision", "views"],
)
def test_forms_of_the_same_maps_are_one(maps, masks):
    assert same(Evaluation().update(maps, masks).counts, WHOLE.counts)


@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy])
def test_rounding_outside_of_0_and_1_is_put_right(form):
    """Bilinear interpolation of float32 gives 1.0000001."""
    low, high = np.float32(-1e-7), np.nextafter(np.float32(1), np.float32(2))
    inside, outside = (np.where(MAPS < 0.1, a, np.where(MAPS > 0.9, b, MAPS)) for a, b in ((0, 1), (low, high)))
    assert same(Evaluation().update(form(outside), form(MASKS)).counts, Evaluation().update(inside, MASKS).counts)
    classes = np.float32([1, 0, 0])[:, None, None] * np.where(IDS[0] > 0, high, np.float32(1))
    assert Evaluation().update(form(classes), form(IDS[0] % 3)).compute()["gap"] >= 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda evaluation: pickle.loads(pickle.dumps(evaluation))])
@pytest.mark.parametrize(("maps", "masks"), [(MAPS, MASKS), (CLASSES, IDS)], ids=["object", "classes"])
def test_copies_count_on_and_parts_merge(copied, maps, masks):
    total = Evaluation().update(maps, masks)
    first = copied(Evaluation().update(maps[:2], masks[:2])).update(maps[2:3], masks[2:3])
    rest = copied(Evaluation()).merge(Evaluation().update(maps[3:], masks[3:]))
    assert same(copied(first.merge(rest)).counts, total.counts)
    assert dict(first.compute(intervals=True).intervals) == dict(total.compute(intervals=True).intervals)


def test_images_of_a_group_are_resampled_together():
    """Groups by any name, in any order, give the intervals of the pipeline's resamples of groups."""
    units = np.array([0, 1, 0, 2, 1, 2])
    expected = measure_protocols(counts_of(MAPS, MASKS), 10, SEED, groups=units)["raw"].intervals()
    both = {name: ends for name, ends in expected.items() if ends}
    report = WHOLE.compute(intervals=True, groups=["b", "a", "b", "c", "a", "c"])
    assert report.intervals == both and "ece" in both
    assert report.intervals["ece"] != WHOLE.compute(intervals=True).intervals["ece"]


def volumes_of_classes() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three volumes of four classes and other depths."""
    p = [RNG.dirichlet(np.ones(4), (depth, 5, 6)).transpose(3, 0, 1, 2).astype(np.float32) for depth in (2, 3, 4)]
    return p, [RNG.integers(0, 4, f.shape[1:]).astype(np.uint8) for f in p]


def sizes() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Five 8-bit maps of other sizes; masks of 0 and 255, the first without an object."""
    f = [RNG.integers(0, 256, (6 + k, 9)).astype(np.uint8) for k in range(5)]
    return f, [np.uint8(255 * (k > 0) * (RNG.integers(0, 256, m.shape) < m)) for k, m in enumerate(f)]


@pytest.mark.parametrize(
    ("maps", "masks", "volumes"),
    [
        (*sizes(), False),
        ([*CLASSES.astype(np.float32)], [*IDS.astype(np.uint8)], False),
        ([MAPS[:4], MAPS[4:], MAPS[1:4]], [np.uint8(255 * (m == 1)) for m in (MASKS[:4], MASKS[4:], MASKS[1:4])], True),
        (*volumes_of_classes(), True),
    ],
    ids=["sizes and 0/255", "classes", "volumes", "volumes of classes"],
)
def test_lists_of_images_are_read_as_judge_reads_their_files(tmp_path, maps, masks, volumes):
    for folder, arrays in (("maps", maps), ("masks", masks)):
        (tmp_path / folder).mkdir()
        for k, array in enumerate(arrays):
            np.save(tmp_path / folder / f"{k}.npy", array)
    judged = judge_folder(tmp_path / "maps", tmp_path / "masks", "net", tmp_path / "out", resamples=1000)
    evaluation = Evaluation(volumes=volumes).update(maps, masks)
    report = evaluation.compute(intervals=True)
    assert report.images == judged["n_images"] and report.pixels == judged["n_pixels"] and len(report) > 15
    assert report.items() <= judged["raw"].items()
    assert all(report.intervals[name] == judged["intervals"]["raw"][name] for name in report.intervals)
    assert dict(calibration_report(maps, masks, volumes=volumes)) == report
    # Its file is that of `judge`, and the other way round.
    loaded = Evaluation.load(tmp_path / "out/counts.npz", volumes=volumes)
    assert loaded.ids == [str(k) for k in range(len(maps))] and loaded.classes == evaluation.classes
    assert loaded.compute().items() >= report.items()
    evaluation.save(tmp_path / "counts.npz", "net")
    assert same(Evaluation.load(tmp_path / "counts.npz").counts, evaluation.counts)
    assert len(loaded.update(maps[:1], masks[:1])) == len(maps) + 1
    metric = DenseCalibration(("ece", "accuracy"), volumes=volumes)
    metric.update([torch.from_numpy(f) for f in maps], [torch.from_numpy(y) for y in masks])
    values = {name: value.item() for name, value in metric.compute().items()}
    assert values == pytest.approx({name: report[name] for name in values}, abs=1e-9)


@pytest.mark.parametrize("slices", [2, 3])
def test_a_binary_volume_is_never_one_of_classes(slices):
    volume, mask = MAPS[:slices], (MASKS[:slices] == 1)
    evaluation = Evaluation(volumes=True).update(volume, mask)
    assert len(evaluation) == 1 and evaluation.classes == 2
    for p, y in [
        (volume[None], mask[None]),
        (volume[None, None], mask[None, None]),
        (torch.from_numpy(np.stack([1 - volume, volume])), torch.from_numpy(mask)),
    ]:
        assert same(Evaluation(volumes=True).update(p, y).counts, evaluation.counts)


def test_objects_of_masks_with_other_labels_are_ones():
    """255 never counts beside 1, and 0 and 255 are the object's only where no mask has a 1."""
    ones, ignored = MASKS % 255, np.where(MASKS == 1, 0, MASKS)
    counts = Evaluation(ignore=255).update(MAPS, ignored).counts
    assert counts.pixels == np.count_nonzero(ignored == 0) and not counts.histogram.count[:, :, 1].any()
    assert same(Evaluation().update(MAPS, 255 * ones).counts, Evaluation().update(MAPS, ones).counts)
    assert Evaluation().update(MAPS[0], ones[0] * 0).update(MAPS[1], 255 * ones[1]).compute()["max_f"] > 0


def test_an_empty_evaluation_is_saved(tmp_path):
    Evaluation().save(tmp_path / "counts.npz")
    assert len(Evaluation.load(tmp_path / "counts.npz").update(MAPS, MASKS)) == len(MAPS)


def test_a_loaded_evaluation_knows_what_is_an_object(tmp_path):
    p = np.full((4, 4), 0.5, np.float32)
    mask = np.zeros((4, 4), np.uint8)
    mask[0] = 1
    Evaluation().update(p, mask).save(tmp_path / "counts.npz")
    loaded = Evaluation.load(tmp_path / "counts.npz")
    with pytest.raises(UserError, match="255"):
        loaded.update(p, 255 * mask)


def test_a_masked_array_is_refused():
    p = np.ma.array(np.full((4, 4), 0.5, np.float32), mask=np.eye(4, dtype=bool))
    with pytest.raises(UserError, match="masked"):
        Evaluation().update(p, np.zeros((4, 4), np.uint8))
    assert Evaluation().update(np.ma.array(p.data), np.zeros((4, 4), np.uint8)).compute().pixels == 16


def test_one_hot_masks_of_classes_are_no_images():
    one_hot = (IDS[0] == np.arange(4)[:, None, None]).astype(np.uint8)
    with pytest.raises(UserError, match="argmax"):
        Evaluation().update(CLASSES[0], one_hot)
    assert Evaluation().update(1 - CLASSES[0], one_hot).compute().pixels == one_hot.size


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        Evaluation.load(tmp_path / "missing.npz")


def test_nothing_counted_is_nothing_known():
    report = Evaluation().compute(intervals=True)
    assert not report and report.undefined["ece"] == "no pixel counts" and len(str(report).splitlines()) == 1
    with pytest.raises(KeyError, match="ece is undefined: no pixel counts"):
        report["ece"]
    assert "ece" not in report and report.get("ece") is None


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ignore", [None, 9])
def test_sums_count_where_pixels_do(classes, ignore):
    """As in `judge`: maps are 0 where nothing counts, as where a crop is padded."""
    rng, void = np.random.default_rng(0), 255 if ignore is None else ignore
    p = rng.dirichlet(np.ones(classes), (2, 6, 7)).transpose(0, 3, 1, 2)
    y = rng.integers(0, classes, (2, 6, 7))
    y[:, :2] = void
    padded = p.copy()
    padded[:, :, :2] = 0
    assert Evaluation(ignore=ignore).update(padded, y).compute() == Evaluation(ignore=ignore).update(p, y).compute()
    for maps in (padded, torch.as_tensor(padded)):
        of_padded = batch_histogram(maps, torch.as_tensor(y), ignore, objects={})
        assert np.array_equal(of_padded.count, batch_histogram(p, y, ignore, objects={}).count)
    padded[0, :, 4, 4] = 0
    with pytest.raises(UserError, match="up to 1 off 1"):
        Evaluation(ignore=ignore).update(padded, y)


def test_the_diagram_is_drawn_in_the_given_axes():
    left, right = Figure().subplots(1, 2)
    assert reliability_diagram(WHOLE, bins=20, ax=right) is right and not left.lines
    accuracies = {float(line.get_ydata()[0]) for line in right.lines}
    filled = [a for a in reliability_table(WHOLE.counts.histogram, 20)["accuracy"][:-1] if a == a]
    assert len(filled) == 10 and set(filled) <= accuracies


def test_arrays_need_neither_torch_nor_pandas_nor_matplotlib():
    """What does names the extra."""
    code = """
import sys
for name in ("torch", "pandas", "matplotlib", "mmengine"):
    sys.modules[name] = None
import numpy as np
from pipeline_src import api
print(api.calibration_report(np.full((2, 4, 4), 0.25), np.zeros((2, 4, 4), int))["ece"])
for name in ("DenseCalibration", "ASLP", "SCBCE"):
    try:
        getattr(api, name)
    except api.UserError as error:
        assert 'install -e ".[pipeline,torchmetrics]"' in str(error) and name in str(error), error
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["0.25", "DenseCalibration", "ASLP", "SCBCE"]
