"""The commands `judge` and `calibrate`."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipeline_src.cli.judge import judge, tendency
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
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
        cv2.imwrite(str(masks / f"a{k}.png"), np.uint8(255 * disc))
    return maps, masks


def test_the_main_numbers_are_shown(folders, tmp_path):
    maps, masks = folders
    alone = typer.Typer()
    alone.command()(judge)
    out = tmp_path / "out"
    shown = CliRunner().invoke(
        alone,
        [*("--pred", str(maps), "--mask", str(masks), "--out", str(out), "--protocol", "stretched"), "--no-whole-maps"],
    )
    assert shown.exit_code == 0, shown.output
    for words in ("maps: 3 images, 6,000 pixels", "ECE %", "off by at most equal mass %", "training variance"):
        assert words in shown.output
    assert "floor: the ECE that a calibrated" in shown.output
    for file in ("reliability-stretched.svg", "metrics.json", "images.csv"):  # what is there to open
        assert f": {out / file}\n" in shown.output and (out / file).is_file()
    assert all(len(line) <= 80 for line in shown.output.splitlines() if str(tmp_path) not in line), shown.output
    result = json.loads((out / "metrics.json").read_text())
    assert "raw" not in result and set(result["intervals"]) == {"stretched"}
    assert [path.stem for path in out.glob("*.svg")] == ["reliability-stretched"]
    for wrong in (["--pred", str(maps)], ["--pred", str(maps), "--mask", str(masks), "--ood"]):
        assert isinstance(CliRunner().invoke(alone, [*wrong, "--out", str(out)]).exception, UserError)
    wrong = CliRunner().invoke(alone, ["--pred", str(maps), "--ood", "--out", str(tmp_path / "no"), "--bins", "11"])
    assert isinstance(wrong.exception, UserError) and not (tmp_path / "no").exists()


def test_what_is_typed_is_what_is_done(folders, tmp_path, monkeypatch):
    maps, masks = folders
    for path in masks.iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        mask[:3] = 77
        cv2.imwrite(str(path), mask)
    words = ["--ignore", "77", "--groups", "(a.)", "--bins", "15", "--resamples", "20", "--risk", "fnr=0.5"]
    options = {"ignore": 77, "groups": "(a.)", "bins": 15, "resamples": 20, "risk": "fnr=0.5"}
    one, two = tmp_path / "judged", tmp_path / "typed"
    expected = judge_folder(*folders, "n", one, protocols=("raw",), whole_maps=False, **options)
    words += ["--pred", str(maps), "--mask", str(masks), "--out"]
    typed = [*words, str(two), "--name", "n", "--protocol", "raw", "--no-whole-maps"]
    monkeypatch.setattr("pipeline_src.figures.reliability.draw_counts", lambda *of: None)
    assert CliRunner().invoke(app, ["judge", *typed], catch_exceptions=False).exit_code == 0
    assert json.loads((two / "metrics.json").read_text()) == json.loads(json.dumps(expected))
    assert expected["n_pixels"] == 3 * 37 * 50 and "3 groups" in expected["groups"]

    one, two = tmp_path / "fitted", tmp_path / "typed_too"
    expected = calibrate_folder(*folders, maps, one, method="platt", **options)
    typed = [*words, str(two), "--apply", str(maps), "--method", "platt"]
    shown = CliRunner().invoke(app, ["calibrate", *typed], catch_exceptions=False)
    assert shown.exit_code == 0 and f"({expected['risk']['level']} of 255)" in shown.output
    assert all(len(line) <= 80 for line in shown.output.splitlines()[:12])
    assert json.loads((two / "scores.json").read_text()) == json.loads(json.dumps(expected))
    assert expected["pixels"] == 3 * 37 * 50 and "3 groups" in expected["groups"]


@pytest.mark.parametrize(
    ("gap", "ends", "verdict"),
    [
        (0.04, (0.02, 0.06), "overconfident"),
        (-0.04, (-0.06, -0.03), "underconfident"),
        (0.04, None, "overconfident"),
        (0.04, (-0.01, 0.06), "whether over- or underconfident"),
        (0.0, (-0.006, 0.004), "whether over- or underconfident"),
        (0.001, (-0.003, 0.005), "neither over- nor underconfident"),
        (0.0, None, "neither over- nor underconfident"),
    ],
)
def test_a_sentence_says_whether_the_maps_are_overconfident(gap, ends, verdict):
    sentence = tendency(0.9, gap, ends)
    assert sentence.startswith(verdict) and f"mean confidence {90 + 100 * gap:.2f} %, accuracy 90.00 %" in sentence


def test_protocols_of_equal_numbers_are_shown_once(folders, tmp_path):
    """Maps that reach from 0 to 1, and others."""
    maps, masks = folders
    options = ["--mask", str(masks), "--no-whole-maps", "--resamples", "0"]
    for path in maps.iterdir():
        of = np.load(path)
        np.save(path, (of - of.min()) / np.ptp(of))
    shown = CliRunner().invoke(app, ["judge", "--pred", str(maps), "--out", str(tmp_path / "a"), *options]).output
    assert "  stretched: the same as raw\n" in shown and shown.count("ECE %") == 1
    np.save(path, 0.2 + 0.6 * np.load(path))
    shown = CliRunner().invoke(app, ["judge", "--pred", str(maps), "--out", str(tmp_path / "b"), *options]).output
    assert "the same as" not in shown and shown.count("ECE %") == 2
