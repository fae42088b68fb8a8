"""Results in the repository: published from a finished run, rebuilt in a clone without data."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
from project import ROOT, call, draw_quickly, snakemake
from typer.testing import CliRunner

from pipeline_src import processes
from pipeline_src.cli.main import app
from pipeline_src.pipeline.manifest import processor, stored
from pipeline_src.publishing import publish, rebuild
from pipeline_src.publishing.published import Publication

PUBLISHED, REBUILT = Path("results/published/tiny"), Path("results/published-rebuilt/tiny")
PAGE = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")


class Here(Executor):
    """Instead of processes, which would import torch again."""

    def __init__(self, *_, **__):
        pass

    def submit(self, function, *values):
        done = Future()
        done.set_result(function(*values))
        return done


def said_by(*words: str) -> str:
    """What a command prints, called in this process."""
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_published_results_are_rebuilt_without_data(clone: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(clone)
    draw_quickly(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "ProcessPoolExecutor", Here)
        patch.setattr(publish, "changed_code", lambda: [])  # of the tests' own clone
        said_by("publish")
        said_by("rebuild", "--report")
    made = Publication.read(PUBLISHED).made
    seconds = sum(manifest.made["seconds"] for kind in ("train", "fit") for _, manifest in stored(kind))
    assert made["machine"] == processor()
    assert seconds > 0
    assert made[publish.MINUTES] == f"{seconds / 60:.1f} min"
    assert (REBUILT / "report.html").is_file()
    (line,) = [line for line in PAGE.splitlines() if line.startswith("dense-calibration compare")]
    _, *words = line.split("#")[0].split()
    said = said_by(*(word.replace("mini_seeds", "tiny") for word in words), "--cores", "1")
    assert "0 different" in said
    assert "lacks" not in said
    call(clone, "git", "add", "results")
    call(clone, "git", "commit", "--quiet", "--message", "tiny is published")
    bare = tmp_path / "bare"
    call(tmp_path, "git", "clone", "--quiet", str(clone), str(bare))
    assert not (bare / "data/tiny").exists()
    assert not (bare / "results/tiny").exists()

    snakemake(bare, "published")
    assert rebuild.differing(bare / PUBLISHED, bare / REBUILT) == []
    assert not call(bare, "git", "status", "--porcelain")
