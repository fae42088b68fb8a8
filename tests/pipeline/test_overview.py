"""What spans experiments reads only what is as it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.params.load import read
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.report import overview_job
from pipeline_src.pipeline.runner import run_job
from pipeline_src.tables.paper_table import PaperTable

DATA = {
    "train": {"set": "tiny-scenes", "split": "train"},
    "val": {"set": "tiny-scenes", "split": "val"},
    "id": {"scenes": {"set": "tiny-scenes", "split": "test"}},
}
NETWORKS = {"small": "tiny_fpn", "large": "resnet50_fpn"}


def tables(job: Job, folder: Path) -> None:
    for name, metric in {"T1": "ece", "T2": "accuracy"}.items():
        cells = {"protocol": "raw", "group": "g", "part": "scenes", "role": "id", "mean": 0.5, "low": 0.4, "high": 0.6}
        cells |= {"row": "a", "method": "a", "column": metric, "metric": metric, "seeds": "0", "images": 8}
        PaperTable(name, [cells]).write(name, folder)


def claims(job: Job, folder: Path) -> None:
    (folder / "claims.json").write_text(json.dumps({"synthetic": True, "claims": []}))


@pytest.fixture
def made(tmp_path, monkeypatch) -> Path:
    """The tables and claims of two networks on the same data, with stamps; the folder of the one."""
    monkeypatch.chdir(tmp_path)
    experiments = {
        name: {"data": DATA, "model": {"config": config, "pretrained": False}, "methods": ["baseline"]}
        for name, config in NETWORKS.items()
    }
    content = {"experiment": "small", "methods": {"baseline": {}}, "experiments": experiments}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for name in NETWORKS:
        view = Path("results") / name
        parameters = {"name": name}
        run_job(Job("tables", "t", ("T1.csv", "T2.csv"), tables, parameters, view=view / "tables"))
        run_job(Job("claims", "c", ("claims.json",), claims, parameters, view=view))
    return Path("results/small")


def overview_of_all() -> str:
    assert CliRunner().invoke(app, ["run-job", "overview"]).exit_code == 0
    return Path("results/overview/T7.md").read_text()


def test_results_that_are_as_they_were_made_are_read(made):
    text = overview_of_all()
    assert all(f"({name})" in text for name in NETWORKS) and "is not read" not in text


def remove_manifest(file: Path) -> None:
    (file.resolve().parent / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("file", "damage", "why"),
    [
        ("tables/T1.csv", lambda file: file.write_text("x"), "T1.csv is damaged"),
        ("tables/T2.csv", lambda file: file.resolve().unlink(), "T2.csv is missing"),
        ("claims.json", lambda file: file.write_text("[]"), "claims.json is damaged"),
        ("tables/T1.csv", remove_manifest, "no manifest vouches for"),
    ],
)
def test_an_experiment_that_is_damaged_is_named_and_not_read(made, file, damage, why):
    before = overview_job(read()).fingerprint
    damage(made / file)
    assert overview_job(read()).fingerprint != before
    text = overview_of_all()
    assert "(large)" in text and "(small)" not in text
    assert "small is not read" in text and why in text.replace("\\_", "_")
