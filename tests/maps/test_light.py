"""The commands on saved maps run where only the light core is installed."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

PIPELINE = ("torch", "torchvision", "mmseg", "mmengine", "mmcv", "snakemake", "dvc")
PLOTS = ("pandas", "matplotlib")
BLOCKED = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
sys.argv = {words!r}
from pipeline_src.__main__ import main
main()
"""


@pytest.mark.parametrize(("command", "blocked"), [("judge", PIPELINE), ("calibrate", PIPELINE + PLOTS)])
def test_a_command_runs_without_the_pipeline(tmp_path, command, blocked):
    rng = np.random.default_rng(0)
    for name in ("maps", "masks"):
        (tmp_path / name).mkdir()
    for k in range(6):
        f = rng.integers(0, 256, (12, 12), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"maps/{k}.png"), f)
        cv2.imwrite(str(tmp_path / f"masks/{k}.png"), np.uint8(255 * (f > rng.integers(0, 256, f.shape))))
    words = ["dense-calibration", command, "--pred", "maps", "--mask", "masks", "--out", "out", "--resamples", "20"]
    words += ["--apply", "maps"] if command == "calibrate" else []
    code = BLOCKED.format(blocked=blocked, words=words)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (tmp_path / "out").iterdir()}
    expected = {"metrics.json", "reliability-raw.svg"} if command == "judge" else {"calibrator.json", "maps"}
    assert expected <= written
