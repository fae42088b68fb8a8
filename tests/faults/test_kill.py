"""kill -9 at three levels, in the middle of training: the resumed run ends in identical bits."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project import ENVIRONMENT, make, snakemake

from pipeline_src.files import sha256

LEVELS = {
    "train": [sys.executable, "-m", "pipeline_src", "run-job", "train/aslp_mc/seed0"],
    "snakemake": ["snakemake", "--cores", "2", "--quiet", "all", "--", "statistics"],
    "dvc": ["dvc", "repro", "--quiet"],
}
RESULTS = ("runs/*/*/model.safetensors", "runs/*/*/*.csv", "runs/*/*/run.json", "statistics/**/*.npz")


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of models, histories, alphas and counts of `tiny`, by name."""
    top = folder / "results" / "tiny"
    files = {file for pattern in RESULTS for file in top.glob(pattern)}
    return {file.relative_to(top).as_posix(): sha256(file) for file in sorted(files)}


def epochs(folder: Path) -> int:
    """The sum of the last epochs that unfinished runs have a checkpoint of."""
    last: dict[Path, int] = {}
    for file in (folder / "results/.store/unfinished").glob("*/*/epoch*.pt"):
        last[file.parent] = max(int(file.stem.removeprefix("epoch")), last.get(file.parent, 0))
    return sum(last.values())


def is_killed(folder: Path, command: list[str], when: Callable[[], bool]) -> bool:
    """Start a command, and kill it and its children as soon as `when`; False if it ended before."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=quiet, stderr=quiet, start_new_session=True)
    while not when() and process.poll() is None:
        time.sleep(0.002)
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


@pytest.mark.slow
def test_a_run_killed_at_three_levels_ends_in_identical_bits(finished: Path, tmp_path: Path):
    """A training run, Snakemake and DVC, one after the other on one run."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown if it fails
    rng, folder = random.Random(seed), tmp_path / "killed"
    ignored = shutil.ignore_patterns(".cache", "cache", "tmp", ".snakemake")
    shutil.copytree(finished, folder, symlinks=True, ignore=ignored)
    shutil.rmtree(folder / "results/tiny")
    for kind in (folder / "results/.store").iterdir():  # the training and everything after it
        if kind.name not in ("prepare", "store"):
            shutil.rmtree(kind)
    alphas = pd.read_csv(finished / "results/tiny/runs/aslp_mc/seed0/alpha.csv").iloc[:, -1]
    assert alphas.nunique() > 3, "equal alphas would hide a wrong order"
    for level, command in LEVELS.items():
        enough = epochs(folder) + rng.randint(1, 3)
        assert is_killed(folder, command, lambda enough=enough: epochs(folder) >= enough), level
    assert not list((folder / "results").rglob("train/*/manifest.json"))
    snakemake(folder, "--", "models")  # no other test lets it train to the end
    make(folder, "evaluate")
    assert results(folder) == results(finished)
