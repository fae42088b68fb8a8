"""What spans experiments reads only what is as it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.runner import run_job
from pipeline_src.pipeline.steps.overview import overview_job
from pipeline_src.tables.paper_table import PaperTable

DATA = {
    "train": {"set": "tiny-scenes", "split": "train"},
    "val": {"set": "tiny-scenes", "split": "val"},
    "id": {"scenes": {"set": "tiny-scenes", "split": "test"}},
}
NETWORKS = {"small": "tiny_fpn", "large": "resnet50_aslp"}


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
        jobs = [Job("tables", "tables", ("T1.csv", "T2.csv"), tables, view=Path("results", name, "tables"))]
        for job in [*jobs, Job("claims", "claims", ("claims.json",), claims, view=Path("results", name))]:
            vars(job)["fingerprint"] = build(read(), name).job(job.name).fingerprint
            run_job(job)
    return Path("results/small")


def test_tables_of_all_experiments_are_read(made):
    run_job(overview_job(read()))
    text = Path("results/overview/T7.md").read_text()
    assert all(f"({name})" in text for name in NETWORKS)


def test_results_of_earlier_parameters_are_not_shown(made):
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("tiny_fpn", "mit_b0_fpn"))
    run_job(overview_job(read()))
    text = Path("results/overview/T7.md").read_text()
    assert "mit_b0_fpn (small)" not in text and "experiment=small" in text and "(large)" in text
    Path("params.yaml").write_text(params.replace("tiny-scenes", "ECSSD") + "data_root: absent\n")
    assert "small/claims.json" in overview_job(read()).other_files


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("tables/T1.csv", lambda file: file.write_text("x")),
        ("claims.json", lambda file: file.write_text("[]")),
        ("tables/T1.csv", lambda file: (file.resolve().parent / "manifest.json").unlink()),
    ],
)
def test_a_damaged_file_is_named(made, file, damage):
    damage(made / file)
    with pytest.raises(UserError, match=rf"results/small/{file} is damaged(.|\n)*experiment=small"):
        run_job(overview_job(read()))
