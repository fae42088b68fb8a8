"""kill -9 at three levels, in the middle of training: the run that goes on ends in the same bits."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import kill
import pytest
from project import make, snakemake


@pytest.mark.slow
def test_a_run_killed_at_three_levels_ends_in_the_same_bits(finished: Path, tmp_path: Path):
    """A training run, Snakemake and DVC, one after the other on one run. `kill.py` kills at any moment."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown if it fails
    rng, folder = random.Random(seed), tmp_path / "killed"
    ignored = shutil.ignore_patterns(".cache", "cache", "tmp", ".snakemake")
    shutil.copytree(finished, folder, symlinks=True, ignore=ignored)
    shutil.rmtree(folder / "results/tiny")
    for result in (folder / "results/.store").iterdir():  # the training and all that follows
        if not result.name.startswith(("prepare-", "store-")):
            shutil.rmtree(result)
    (of,) = kill.alphas(finished).values()
    assert len(set(of)) > 3, "alphas that are all alike would hide a wrong order"
    for level in kill.LEVELS:
        enough = kill.epochs(folder) + rng.randint(1, 3)
        assert kill.kill(kill.start(folder, level), lambda enough=enough: kill.epochs(folder) >= enough), level
    assert not list((folder / "results").rglob("train-*/manifest.json"))
    snakemake(folder, "--", "models")  # no other test lets it train to the end
    make(folder, "evaluate")
    wanted = {name: of for name, of in kill.results(finished).items() if not name.startswith("tables/")}
    assert kill.results(folder) == wanted
