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
from pipeline_src.api import Evaluation, UserError, reliability_diagram
from pipeline_src.api.batches import batch_histogram
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.counting.storage import equal_counts
from pipeline_src.figures.bin_tables import reliability_table
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
    ],
    ids=["one channel", "two channels", "tensors", "other types", "masks of floats", "masks of half precision"],
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
        of_padded = batch_histogram(maps, torch.as_tensor(y), ignore)
        assert np.array_equal(of_padded.count, batch_histogram(p, y, ignore).count)
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
