"""Corruptions against hand-worked pixels and the formulas of ImageNet-C; and corrupted sets in an experiment."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
import yaml
from scipy import ndimage

from pipeline_src.analysis.facts import Corruption
from pipeline_src.data.store import Store
from pipeline_src.params.parts import CorruptionName
from pipeline_src.params.schema import Params
from pipeline_src.pipeline.job import Graph
from pipeline_src.pipeline.jobs import build
from pipeline_src.prediction.corruptions import CORRUPTIONS, CorruptedStore, corrupted
from pipeline_src.training.batches import EvaluationSamples, collate
from pipeline_src.validation import validate

GREY = np.full((64, 64, 3), 128, np.uint8)
PHOTO = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 40, 3), np.uint8), (5, 5), 0)
EVERY = list(CORRUPTIONS)


def test_the_corruptions_are_those_of_the_parameters():
    assert set(EVERY) == set(get_args(CorruptionName))
    assert all(len(of) == 5 for _, of in CORRUPTIONS.values())


@pytest.mark.parametrize("name", EVERY)
def test_a_corruption_grows_with_its_severity(name):
    clean = PHOTO.astype(float)
    change = [np.abs(corrupted(PHOTO, "a", name, k) - clean).mean() for k in range(1, 6)]
    assert change[0] > 0 and (np.diff(change) > 0).all()


@pytest.mark.parametrize(
    "other", [("set/b", "gaussian_noise", 1), ("set/a", "shot_noise", 1), ("set/a", "gaussian_noise", 2)]
)
def test_draws_are_keyed_by_image_corruption_and_severity(monkeypatch, other):
    """Noise of another key is no multiple of the same noise."""
    monkeypatch.setitem(CORRUPTIONS, "shot_noise", CORRUPTIONS["gaussian_noise"])
    one, two = (corrupted(GREY, *key).ravel() for key in (("set/a", "gaussian_noise", 1), other))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.08), (3, 0.18)])
def test_gaussian_noise_has_its_deviation(severity, deviation):
    noise = corrupted(GREY, "a", "gaussian_noise", severity) / 255 - 128 / 255
    assert abs(noise.mean()) < 4 * deviation / noise.size**0.5
    assert noise.std() == pytest.approx(deviation, rel=0.03)


def test_shot_noise_is_of_photons():
    levels = np.unique(corrupted(GREY, "a", "shot_noise", 5))
    assert levels.tolist() == [0, 85, 170, 255]  # none to three of three photons, more are cut off
    few = corrupted(GREY, "a", "shot_noise", 1) / 255
    assert few.mean() == pytest.approx(128 / 255, abs=4 * (128 / 255 / 60 / few.size) ** 0.5)
    assert few.std() == pytest.approx((128 / 255 / 60) ** 0.5, rel=0.03)


def test_blurs_spread_a_point():
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    tall = np.dstack([ndimage.gaussian_filter(255.0 * (point[..., 0] > 0), 1)] * 3)
    assert np.array_equal(corrupted(point, "a", "gaussian_blur", 1), np.rint(tall))
    disk = corrupted(255 - point, "a", "defocus_blur", 1)[..., 0] < 255
    y, x = np.mgrid[-20:21, -20:21]
    assert np.array_equal(disk, x**2 + y**2 <= 9)
    assert disk.sum() == 29


def test_contrast_and_brightness_by_hand():
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :, 0] = [0, 100, 200, 100]
    assert corrupted(image, "a", "contrast", 2)[0, :, 0].tolist() == [70, 100, 130, 100]
    assert (corrupted(image, "a", "contrast", 2)[..., 1:] == 0).all()
    image[0] = [[100, 50, 0], [0, 0, 0], [255, 51, 102], [204, 204, 204]]
    brighter = corrupted(image, "a", "brightness", 2)[0].tolist()  # 51 more of the largest channel
    assert brighter == [[151, 76, 0], [51, 51, 51], [255, 51, 102], [255, 255, 255]]


# Stores


def test_a_corrupted_store_is_the_store_but_for_its_images(stores):
    clean, noisy = Store(stores["val"]), CorruptedStore(stores["val"], "shot_noise", 4)
    assert (len(noisy), noisy.ids, noisy.size, noisy.classes) == (len(clean), clean.ids, clean.size, clean.classes)
    before = {path: path.read_bytes() for path in Path(stores["val"]).iterdir()}
    for k in (3, 0):  # in any order
        sample, as_it_is = EvaluationSamples(noisy)[k], EvaluationSamples(clean)[k]
        expected = corrupted(np.array(clean.images[k]), clean.ids[k], "shot_noise", 4)
        assert np.array_equal(sample["inputs"].permute(1, 2, 0).numpy(), expected)
        assert np.array_equal(sample["truth"], as_it_is["truth"])
    assert {path: path.read_bytes() for path in Path(stores["val"]).iterdir()} == before


def test_workers_see_the_same_corrupted_images(stores):
    noisy = CorruptedStore(stores["val"], "gaussian_noise", 2)
    other = pickle.loads(pickle.dumps(noisy))
    one, two = (collate([EvaluationSamples(of)[k] for k in range(3)])["inputs"] for of in (noisy, other))
    assert np.array_equal(one, two)


# An experiment

LINE = {"set": "tiny-scenes", "split": "test", "corrupt": ["jpeg", "contrast"], "severity": [5, 1]}


def built(**tests: dict[str, Any]) -> Graph:
    """The experiment `tiny` with further test sets by role; None takes one away."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    data = content["experiments"]["tiny"]["data"]
    for role, parts in tests.items():
        kept = data.get(role, {}) | parts
        data[role] = {name: part for name, part in kept.items() if part is not None}
    return build(validate(Params, content, "params.yaml"), "tiny")


def contracts(of: Graph) -> dict[str, str]:
    return {job.name: job.fingerprint for job in of.of_kinds("prepare", "store", "train", "evaluate", "analyse")}


def test_a_line_stands_for_a_part_of_each_corruption_and_severity():
    graph, plain = built(id={"scenes-c": LINE}), built()
    new = ["scenes-c-jpeg-5", "scenes-c-jpeg-1", "scenes-c-contrast-5", "scenes-c-contrast-1"]
    assert list(graph.facts.parts) == ["val", "scenes", *new, "textures"]
    assert {graph.facts.parts[part] for part in new} == {"shifted"}
    assert graph.facts.corrupted["scenes-c-jpeg-5"] == Corruption("scenes-c", "jpeg", 5, "scenes")
    assert graph.facts.tests == plain.facts.tests
    before, after = contracts(plain), contracts(graph)
    assert {name: after[name] for name in before} == before
    assert {name.rpartition("/")[2] for name in after.keys() - before.keys()} == set(new)
    assert len(set(after.values())) == len(after)


def test_the_images_of_a_test_set_are_stored_once():
    graph, alone = built(shifted={"scenes-c": LINE}), built(id={"scenes": None, "scenes-c": LINE})
    stored = {f"store/{part}" for part in ("train", "val", "scenes", "textures")}
    assert {job.name for job in graph.of_kinds("store")} == stored
    one, other = (of.job("evaluate/baseline/seed0/scenes-c-jpeg-1") for of in (graph, alone))
    assert one.inputs["part"] is graph.job("store/scenes")
    assert one.fingerprint == other.fingerprint
    assert alone.job("store/scenes-c").fingerprint == graph.job("store/scenes").fingerprint


def test_corrupted_textures_decide_no_claim():
    graph = built(ood={"tex-c": {"set": "tiny-textures", "corrupt": ["jpeg"], "severity": [2]}})
    assert graph.facts.parts["tex-c-jpeg-2"] == "shifted"
    assert graph.facts.textures == ["textures"]
    assert "tex-c-jpeg-2" not in graph.facts.in_paper
