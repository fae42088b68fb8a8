"""The commands `judge` and `calibrate`."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline_src.cli.judge import tendency
from pipeline_src.cli.main import app
from pipeline_src.maps.calibrate import calibrate_folder
from pipeline_src.maps.judge import judge_folder


@pytest.fixture
def folders(tmp_path):
    """Three float maps and their masks."""
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:40, :50]
    for k in range(3):
        disc = np.hypot(y - 20, x - 20 - k) < 10
        np.save(maps / f"a{k}.npy", np.float32(1 / (1 + np.exp(-(6 * (disc - 0.5) + rng.normal(0, 4, disc.shape))))))
        mask = np.uint8(255 * disc)
        mask[:3] = 77
        cv2.imwrite(str(masks / f"a{k}.png"), mask)
    return maps, masks


def test_what_is_typed_is_what_is_done(folders, tmp_path):
    maps, masks = folders
    words = ["--ignore", "77", "--groups", "(a.)", "--bins", "15", "--resamples", "20"]
    words += ["--pred", str(maps), "--mask", str(masks), "--out"]
    options = {"ignore": 77, "groups": "(a.)", "bins": 15, "resamples": 20}

    expected = judge_folder(*folders, "n", tmp_path / "judged", risk="fnr=0.5", **options)
    out = tmp_path / "typed"
    shown = CliRunner().invoke(app, ["judge", *words, str(out), "--name", "n", "--risk", "fnr=0.5"])
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(expected))
    for words_shown in ("n: 3 images, 5,550 pixels, 15 bins", "ECE %", "training variance", "of 255", "3 groups"):
        assert words_shown in shown.output
    for file in ("reliability-raw.svg", "metrics.json", "images.csv"):  # what is there to open
        assert f": {out / file}\n" in shown.output and (out / file).is_file()

    expected = calibrate_folder(*folders, maps, tmp_path / "fitted", method="platt", **options)
    out = tmp_path / "typed_too"
    shown = CliRunner().invoke(app, ["calibrate", *words, str(out), "--apply", str(maps), "--method", "platt"])
    assert json.loads((out / "scores.json").read_text()) == json.loads(json.dumps(expected))
    assert "each by a calibrator fitted without it" in shown.output and f"maps: {out / 'maps'}" in shown.output


@pytest.mark.parametrize(
    ("gap", "ends", "verdict"),
    [
        (0.04, (0.02, 0.06), "overconfident"),
        (-0.04, (-0.06, -0.03), "underconfident"),
        (0.04, None, "overconfident"),
        (0.04, (-0.01, 0.06), "not shown"),
        (0.0, None, "not shown"),
    ],
)
def test_a_sentence_says_whether_the_maps_are_overconfident(gap, ends, verdict):
    sentence = tendency({"accuracy": 0.9, "gap": gap}, {"gap": ends})
    assert sentence.startswith(verdict) and f"mean confidence {90 + 100 * gap:.2f} %, accuracy 90.00 %" in sentence
