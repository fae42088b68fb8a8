"""What spans experiments reads only what is as it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.engine.execute import execute
from pipeline_src.engine.job import Job
from pipeline_src.files import write_text
from pipeline_src.params.load import read
from pipeline_src.steps import overview
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
        of = Path("results") / name
        execute(Job("tables", "t", of / "tables", "tables", ("T1.csv", "T2.csv"), tables, stamps_in=of / "stamps"))
        execute(Job("claims", "c", of, "claims", ("claims.json",), claims, stamps_in=of / "stamps"))
    return Path("results/small")


def test_what_is_as_it_was_made_is_read(made):
    said = CliRunner().invoke(app, ["overview"])
    assert said.exit_code == 0
    text = Path("results/overview/T7.md").read_text()
    assert all(f"({name})" in text for name in NETWORKS) and "is not read" not in text
    told = list(overview.remarks(read()))
    assert [line.partition(" is read as it was made, and is not current: ")[0] for line in told] == list(NETWORKS)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("tables/T1.csv", "\0", "T1.csv was changed since its tables were made"),
        ("tables/T2.csv", None, "T2.csv is missing since its tables were made"),
        ("claims.json", "[]", "claims.json was changed since its claims were made"),
        ("claims.json", '{"claims": [', "claims.json was changed since its claims were made"),
        ("stamps", None, "no stamp vouches for its tables"),
    ],
)
def test_an_experiment_that_was_altered_is_named_and_not_read(made, file, text, why):
    before = overview.job(read()).contract
    if text is None:
        (made / file).rename("elsewhere")
    else:
        write_text(made / file, text)
    assert overview.job(read()).contract != before
    assert next(overview.remarks(read())) == f"small is not read: {why}"
    assert CliRunner().invoke(app, ["overview"]).exit_code == 0
    table = Path("results/overview/T7.md").read_text()
    assert "(large)" in table and "(small)" not in table
    assert f"small is not read: {why}. To get it, run: snakemake" in table.replace("\\_", "_")


def test_verify_reads_the_overview_again(made):
    CliRunner().invoke(app, ["overview"])
    write_text(Path("results/overview/T7.csv"), "mine")
    said = CliRunner().invoke(app, ["verify", "-e", "small"])
    assert said.exit_code == 1 and "altered: results/overview/T7.csv (overview)" in said.output
    assert "snakemake --cores all overview makes the overview again" in said.output
