"""Fixtures shared by all tests."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import sys
import urllib.error
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

# Tests run in parallel: threads of their own would wait for each other. numpy and torch read it when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.dont_write_bytecode:
    # Hundreds of processes would rewrite all tests, or compile the package, anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import numpy as np
import pytest
from filelock import FileLock
from project import call, copy, draw_quickly, make, snakemake

from pipeline_src.cli.report import summarize

# What tests write need not outlive a power cut, and small files take no time but for the wait for the disk.
os.fsync = lambda file: None

# On a loaded machine a test may take longer than hypothesis allows. The light core is tested without it.
if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("any load", deadline=None)
    settings.load_profile("any load")

# These take longest. The first keeps a worker busy while another makes `finished`.
FIRST = ("training/test_every_method", "workflow/", "faults/test_kill", "docs/test_tutorials")
FIRST += ("pipeline/test_several_classes", "training/test_posthoc", "export/")
CHROMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, then those of many tests, so that no worker starts a long one when the others have ended."""
    tests = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        return next((k for k, name in enumerate(FIRST) if name in item.nodeid), len(FIRST)), -tests[item.path]

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """All that modules have made by now stays to the end: the garbage collector need not look through it again."""
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """A command that a test has called leaves the root logger handlers whose streams were the test's and are closed."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if type(handler).__module__ == "logging"]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="module")
def browser():
    engines = pytest.importorskip("playwright.sync_api", reason="playwright (of the extra `test`) is not installed")
    program = next(filter(None, map(shutil.which, CHROMES)), None)
    if not program:
        pytest.skip(f"no browser here: none of {', '.join(CHROMES)}")
    with engines.sync_playwright() as engine:
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        yield engine.chromium.launch(executable_path=program, args=options)


@pytest.fixture(scope="session")
def downloads() -> Path:
    """The folder of downloaded archives named by ASLP_DOWNLOADS (never needed: tests that use it skip without it)."""
    folder = os.environ.get("ASLP_DOWNLOADS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ASLP_DOWNLOADS names no folder of downloaded archives")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A finished run of `tiny` in a git repository, its results pushed to a DVC remote. To be read, not changed: it is
    made once for all processes of the tests."""
    shared = tmp_path_factory.getbasetemp()
    folder = (shared if worker_id == "master" else shared.parent) / "finished"
    done = Path(f"{folder}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a run that failed
            folder.mkdir()
            copy(folder)
            call(folder, "git", "init", "--quiet")
            with pytest.MonkeyPatch.context() as patch:
                draw_quickly(patch)
                make(
                    folder, "prepare", "store", "train", "evaluate", "analyse", "tables", "figures", "gallery", "claims"
                )
            call(folder, "dvc", "remote", "add", "--default", "storage", f"{folder}-storage")
            # As `dvc repro`, which starts Snakemake for each stage.
            snakemake(folder, "--quiet", "all")
            with contextlib.chdir(folder):
                summarize()
            call(folder, "dvc", "commit", "--force", "--quiet")
            call(folder, "dvc", "push", "--quiet")
            call(folder, "git", "add", "--all")
            call(folder, "git", "commit", "--quiet", "--message", "results")
            done.touch()
    return folder


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two small stores, `train` (10 images) and `val` (6), of 32 px, made from files in the usual way."""
    import cv2

    from pipeline_src.data import catalog
    from pipeline_src.data.build import build
    from pipeline_src.data.prepare import prepare
    from pipeline_src.params.schema import Split

    root = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    for i in range(16):
        height, width = rng.integers(40, 60, 2)
        mask = np.zeros((height, width), np.uint8)
        y, x = rng.integers(5, 25, 2)
        cv2.circle(mask, (int(x), int(y)), int(rng.integers(6, 14)), 255, -1)
        image = rng.integers(0, 120, (height, width, 3)) + (mask[..., None] > 0) * rng.integers(20, 130, 3)
        for folder, picture in (("images", image.astype(np.uint8)), ("masks", mask)):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"s{i:02d}.png"), picture)
    entry = catalog.load({"small": {"images": str(root / "images"), "masks": str(root / "masks")}})["small"]
    places = {"data_root": root, "unpacked": root / "unpacked"}
    prepare(entry, **places, out=root / "manifest")
    for name, part in (("train", Split(set="small", first=10)), ("val", Split(set="small", last=6))):
        build(part, entry, **places, prepared=root / "manifest", size=32, out=root / name)
    return {"train": root / "train", "val": root / "val"}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and an empty folder for torch's downloads; returns the folder that a user can put a file into."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder
