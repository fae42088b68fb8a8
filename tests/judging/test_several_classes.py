"""Maps of several classes in a folder."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
from made_statistics import of_scenes, scene, summaries

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.errors import UserError
from pipeline_src.judging.folder import judge_folder
from pipeline_src.metrics.image_inputs import PixelMeans
from pipeline_src.metrics.metric import Metric
from pipeline_src.metrics.registry import METRICS


def test_maps_of_several_classes(tmp_path):
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    statistic = MapCounts.of_classes(4)
    for k in range(4):
        rng = np.random.default_rng(k)
        z = rng.normal(0, 2, (4, 20, 30))
        p = (np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32)
        truth = rng.integers(0, 4, (20, 30)).astype(np.uint8)
        truth[:2] = 11
        np.savez_compressed(maps / f"m{k}.npz", p)
        cv2.imwrite(str(masks / f"m{k}.png"), truth)
        statistic.add(p, truth, f"m{k}", ignore=11)
    result = judge_folder(maps, masks, "four", tmp_path / "out", ignore=11, resamples=30)
    assert (result["n_classes"], result["n_pixels"]) == (4, 4 * 18 * 30)
    assert result["raw"] == summaries(statistic)["raw"][0]
    low, high = result["intervals"]["raw"]["ece"]
    assert low < result["raw"]["ece"] < high
    rows = list(csv.DictReader((tmp_path / "out" / "images.csv").open()))
    assert 0 < result["bounds"]["raw"]["ece_equal_mass"] < 0.02 and set(result["bounds"]["raw"]) == {
        "ece_equal_mass",
        "ece_sweep",
        "aurc",
        "augrc",
    }
    assert len(rows) == 4 and float(rows[0]["raw_ece"]) >= float(rows[-1]["raw_ece"]) > 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["raw"] == result["raw"]

    with pytest.raises(UserError, match=r"cannot be stretched\n +found: +--protocol stretched\n"):
        judge_folder(maps, masks, "four", tmp_path / "no", ignore=11, protocols=("stretched",))
    np.savez(maps / "m1.npz", p * 2)
    np.save(masks / "m2.npy", np.float32(truth)), (masks / "m2.png").unlink()
    with pytest.raises(UserError) as error:
        judge_folder(maps, masks, "four", tmp_path / "no", ignore=None)
    for words in ("m1.npz: values from", "m2.npy: an array", "m3"):  # without --ignore, class 11 does not exist
        assert words in str(error.value)
    assert not (tmp_path / "no").exists()


def test_softmax_maps_of_two_classes(tmp_path):
    """Two planes are judged by the predicted class; neither is the positive one."""
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    for k in range(2):
        p, truth = scene(k, classes=2)
        np.save(maps / f"{k}.npy", p)
        np.save(masks / f"{k}.npy", truth)
    result = judge_folder(maps, masks, "two", tmp_path / "out", resamples=20)
    values, _ = summaries(of_scenes([scene(0, classes=2), scene(1, classes=2)], 2))["raw"]
    assert result["n_classes"] == 2 and result["raw"] == values
    assert {"classwise_ece", "mean_iou"} <= values.keys() and not {"max_f", "positive_ece"} & values.keys()


def test_a_metric_added_to_the_registry_is_judged(tmp_path, monkeypatch):
    of = PixelMeans("nll", "entropy")
    excess = Metric(title="excess", of=of, function=np.subtract, definition="Mean NLL minus mean entropy.")
    monkeypatch.setitem(METRICS, "nll_excess", excess)
    for folder, array in (("maps", scene(0)[0]), ("masks", scene(0)[1])):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", array)
    raw = judge_folder(tmp_path / "maps", tmp_path / "masks", "more", tmp_path / "out", resamples=20)["raw"]
    assert raw["nll_excess"] == pytest.approx(raw["nll"] - raw["entropy"])
