"""Saved maps are evaluated and calibrated, and published reports opened, where only the core is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import ROOT
from tutorial import blocks

EXTRAS = ("torch", "torchvision", "mmseg", "mmengine", "mmcv", "snakemake", "dvc", "cv2", "pandas")
BLOCKED = f"""
import sys
for name in {EXTRAS!r}:
    sys.modules[name] = None
from pipeline_src.__main__ import main
sys.argv[0] = "dense-calibration"
main()
"""
MAPS = ("--pred", "maps", "--mask", "masks", "--out", "out", "--resamples", "20")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Maps of one object with masks, maps of three classes, and the published experiments."""
    rng = np.random.default_rng(0)
    for name in ("maps", "masks", "classes", "labels", "results"):
        (tmp_path / name).mkdir(parents=True)
    for k in range(9):
        probability = rng.integers(0, 256, (12, 12), dtype=np.uint8)
        Image.fromarray(probability).save(tmp_path / f"maps/{k}.png")
        mask = np.uint8(255 * (probability > rng.integers(0, 256, probability.shape)))
        Image.fromarray(mask).save(tmp_path / f"masks/{k}.png")
        np.save(tmp_path / f"classes/{k}.npy", rng.dirichlet(np.ones(3), (12, 12)).transpose(2, 0, 1))
        Image.fromarray(rng.integers(0, 3, (12, 12), dtype=np.uint8)).save(tmp_path / f"labels/{k}.png")
    (tmp_path / "results/published").symlink_to(ROOT / "results/published")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (("judge", *MAPS), ["metrics.json", "images.csv", "reliability-raw.svg"]),
        (("judge", *MAPS, "--risk", "fnr=0.1"), ["metrics.json"]),
        (("judge", "--pred", "classes", "--mask", "labels", "--out", "out"), ["metrics.json"]),
        (("calibrate", *MAPS, "--apply", "maps"), ["calibrator.json", "maps/0.png"]),
        (("compare", "maps", "maps", "--mask", "masks", "--out", "out"), ["comparison.json", "reliability.svg"]),
        (("report", "--experiment", "evidence"), []),
        (("report", "--list"), []),
    ],
    ids=lambda words: words[0] if words else "",
)
def test_a_command_runs_without_the_extras(folder, words, written):
    done = subprocess.run([sys.executable, "-c", BLOCKED, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [name for name in written if not (folder / "out" / name).is_file()] == []


def test_the_tutorial_imports_no_extra():
    imported = set()
    for language, code in blocks((ROOT / "docs/tutorials/saved-maps.md").read_text(encoding="utf-8")):
        if language == "python":
            imported |= set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    assert "PIL" in imported and not imported & {*EXTRAS}


def test_what_needs_an_extra_names_it(folder):
    words = [sys.executable, "-c", BLOCKED, "predict", "--run", "demo/baseline/seed0", "--images", ".", "--out", "o"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2 and ".[pipeline]" in done.stderr
