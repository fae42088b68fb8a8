"""The commands `judge` and `calibrate`."""

from __future__ import annotations

import json
import shlex
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline_src.cli.judge import answer, summary_text
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.maps import classes
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

    out = tmp_path / "chosen"
    words[words.index("--groups") + 1] = "(.+)"
    refused = CliRunner().invoke(app, ["calibrate", *words, str(out), "--apply", str(maps), "--method", "all"])
    assert isinstance(refused.exception, UserError) and "10" in str(refused.exception)  # of three images
    for file in [*maps.iterdir(), *masks.iterdir()]:
        for k in range(3):
            shutil.copy(file, file.with_stem(f"{file.stem}{k}"))
    shown = CliRunner().invoke(app, ["calibrate", *words, str(out), "--apply", str(maps), "--method", "all"])
    lines = [line.split() for line in shown.output.splitlines()]
    for name, entry in json.loads((out / "scores.json").read_text())["calibrators"].items():
        assert next(line[-1] for line in lines if line[:1] == [name]) == entry["outcome"].split()[-1]


@pytest.mark.parametrize(
    ("verdict", "ece", "gap", "shown"),
    [
        ("detected", (0.02, 0.06), (0.01, 0.05), ["about 4.00 points", " overconfident"]),
        ("detected", (0.0, 0.06), (-0.05, -0.01), ["about 3.00 points", " underconfident"]),
        ("detected", (0.02, 0.06), (-0.01, 0.05), ["about 4.00 points", "not shown"]),
        ("not detected", (0.0, 0.004), (-0.01, 0.01), ["no miscalibration", "0.40 %"]),
        ("inconclusive", (0.0, 0.06), (-0.01, 0.05), ["0.00 to 6.00 %"]),
        ("inconclusive", None, None, ["0.00 to 100.00 %"]),
    ],
)
def test_the_answer_shows_what_the_intervals_hold(verdict, ece, gap, shown):
    intervals = {"raw": {"ece": ece, "gap": gap}} if ece else {}
    values = {"accuracy": 0.9, "ece": 0.04, "gap": 0.03}
    sentence = answer({"raw": values, "intervals": intervals, "miscalibration": {"raw": verdict}})
    assert [text for text in shown if text not in sentence] == []


@pytest.mark.parametrize("kind", ["masks", "empty masks", "no object"])
def test_the_next_step_is_a_command_that_runs(kind, tmp_path):
    """Of miscalibrated maps it calibrates them, with the options of `judge`; of others there is none."""
    maps, masks = tmp_path / "my maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    rng = np.random.default_rng(0)
    for k in range(12):
        z = rng.normal(-1, 3, (30, 40))
        np.save(maps / f"a{k}.npy", z)
        truth = np.uint8(255 * (rng.random(z.shape) < 1 / (1 + np.exp(-z / 3))))
        truth[:3] = 7
        if kind == "empty masks":
            truth[truth == 255] = 0
        cv2.imwrite(str(masks / f"a{k}.png"), truth)
    mask = ["--mask", str(masks), "--ignore", "7"] if kind != "no object" else ["--no-object"]
    common = ["--pred", str(maps), "--logits", "--bins", "20", "--resamples", "50", "--groups", "(a.+)"]
    judged = CliRunner().invoke(app, ["judge", *common, *mask, "--gallery", "--out", str(tmp_path / "out")])
    lines = [line.strip() for line in judged.output.splitlines()]
    assert f"gallery: {tmp_path / 'out/gallery.png'}" in lines
    assert any(line.endswith("docs/reading-results.md") for line in lines)
    program, *words = shlex.split(lines[-1])
    given = dict(zip(words[1:-1:2], words[2:-1:2], strict=True))
    expected = {"--pred": "MAPS", "--mask": "MASKS"}
    if kind == "masks":
        expected = {"--pred": str(maps), "--mask": str(masks)}
    if kind != "no object":
        expected["--ignore"] = "7"
    expected |= {"--apply": str(maps), "--out": f"{tmp_path / 'out'}-calibrated", "--bins": "20", "--groups": "(a.+)"}
    assert (program, words[0], words[-1], given) == ("dense-calibration", "calibrate", "--logits", expected)
    if kind == "masks":
        assert CliRunner().invoke(app, [*words, "--resamples", "0"]).exit_code == 0
        scores = json.loads((tmp_path / "out-calibrated/scores.json").read_text())
        assert (scores["scored_on"], scores["scored_images"]) == ("cross-validation", 12)


def test_without_miscalibration_no_command_follows(tmp_path):
    result = {"name": "n", "n_images": 50, "n_pixels": 100, "bins": 10, "raw": {"ece": 0.001, "gap": 0.0}}
    result |= {"intervals": {"raw": {"ece": (0.0, 0.002), "gap": (-0.001, 0.001)}}, "undefined": {"raw": {}}}
    result |= {"clamp": {}, "warnings": []}
    for verdict in ("not detected", "inconclusive", "detected"):
        shown = summary_text(result | {"miscalibration": {"raw": verdict}}, tmp_path, "a command")
        assert ("a command" in shown) == (verdict == "detected")


def test_legends_name_what_is_printed(folders, tmp_path):
    """Without resamples there are no brackets, and no difference is lower or higher."""
    maps, masks = map(str, folders)
    common = ["--pred", maps, "--mask", masks, "--ignore", "77", "--out"]
    for resamples, expected in ((0, False), (20, True)):
        options = ["--resamples", str(resamples)]
        judged = CliRunner().invoke(app, ["judge", *common, str(tmp_path / "judged"), *options]).output
        out = tmp_path / f"fitted{resamples}"
        fitted = CliRunner().invoke(app, ["calibrate", *common, str(out), "--apply", maps, *options]).output
        for text in (judged, fitted):
            assert ("95 %" in text) == expected and "1/10000000 (float maps)" in text
        assert ("lower: " in fitted) == ("] lower" in fitted) and "higher: " not in fitted
        assert "confidence − accuracy %" in judged and "unnormalized" in judged and "stretched  " not in judged


def test_classes_are_printed_worst_first():
    """At most 20 of them; one without a pixel has no accuracy."""
    shown = []
    for k in range(25):
        accuracy = 0.5 if k else None
        shown.append({"class": k, "ece": k / 100, "interval": (0, 0.3), "accuracy": accuracy, "share": 0.04})
    lines = classes.summary_text(shown)
    assert [line.split()[0] for line in lines[1:21]] == [str(k) for k in range(24, 4, -1)] and "25" in lines[21]
    assert lines[1].split() == ["24", "24.00", "[0.00,", "30.00]", "50.00", "4.00"]
    assert classes.summary_text(shown[:1])[1].split() == ["0", "0.00", "[0.00,", "30.00]", "–", "4.00"]
