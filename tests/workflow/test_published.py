"""Results in the repository: published from a finished run, made again in a clone that has nothing else."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
from project import ROOT, call, draw_quickly, edit, snakemake
from typer.testing import CliRunner

from pipeline_src import processes
from pipeline_src.cli.main import app
from pipeline_src.publishing import rebuild

PUBLISHED, REBUILT = Path("results/published/tiny"), Path("results/published-rebuilt/tiny")
PAGE = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")


class Here(Executor):
    """In the place of processes, each of which imports torch anew: Snakemake starts them below."""

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
def test_published_results_are_made_again_without_data(clone: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(clone)
    draw_quickly(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "ProcessPoolExecutor", Here)
        said_by("publish")
    (line,) = [line for line in PAGE.splitlines() if line.startswith("dense-calibration compare")]
    _, *words = line.split("#")[0].split()
    said = said_by(*(word.replace("mini_seeds", "tiny") for word in words), "--cores", "1")
    assert "0 different" in said
    assert "lacks" not in said
    call(clone, "git", "add", "results")
    call(clone, "git", "commit", "--quiet", "--message", "tiny is published")
    bare = tmp_path / "bare"
    call(tmp_path, "git", "clone", "--quiet", str(clone), str(bare))
    assert not (bare / "data" / "tiny").exists() and not (bare / "results" / "tiny").exists()

    assert "all numbers are equal" in snakemake(bare, "published")
    assert rebuild.differing(bare / PUBLISHED, bare / REBUILT) == []
    assert (bare / REBUILT / "report.html").is_file()
    assert not call(bare, "git", "status", "--porcelain")


def test_what_is_not_finished_is_not_published(clone: Path):
    edit(clone / "params.yaml", "training: {epochs: 7, batch_size: 4}", "training: {epochs: 8, batch_size: 4}")
    said = call(clone, "python", "-m", "pipeline_src", "publish", check=False)
    assert "tiny cannot be published" in said and "train/aslp_mc/seed0" in said
    assert not (clone / "results" / "published").exists()
