"""A corrupted test set from a line of params.yaml to tables, figure and claims."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml
from project import ROOT

from pipeline_src.figures import severity, style
from pipeline_src.figures.types import Sources
from pipeline_src.params.load import read
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.runner import run_job
from pipeline_src.pipeline.work import results

PARTS = ("scenes-c-gaussian_noise-1", "scenes-c-gaussian_noise-5")


@pytest.mark.slow
def test_a_corrupted_set_is_evaluated_and_drawn_and_decides_nothing(tmp_path, monkeypatch):
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tiny = content["experiments"]["tiny"] | {"methods": ["baseline", "tta"]}
    tiny["training"] |= {"epochs": 2}
    tiny["data"]["id"]["scenes-c"] = {
        **{"set": "tiny-scenes", "split": "test"},
        **{"corrupt": ["gaussian_noise"], "severity": [1, 5]},
    }
    content |= {"experiment": "tiny", "experiments": {"tiny": tiny}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    graph = build(read())
    for job in graph.of_kinds("prepare", "store", "train", "evaluate", "analyse", "tables", "claims"):
        run_job(job)

    made = tmp_path / "results/tiny"
    stores = {file.name for file in (tmp_path / "results/tiny/stores").iterdir() if file.is_dir()}
    assert stores == {"train", "val", "scenes", "textures"}
    table = pd.read_csv(made / "tables/main.csv").query("protocol == 'raw'").set_index(["part", "method"])
    assert set(table.index.get_level_values("part")) == {"val", "scenes", "textures", *PARTS}
    assert {table.loc[(part, "tta"), "role"] for part in PARTS} == {"shifted"}
    picture = next(iter(severity.pictures(graph.facts)))
    with style.house():
        drawn = severity.paint(picture, results(graph.job("tables")), Sources()).table
    ece = drawn[drawn["metric"] == "ece"].set_index(["method", "severity"])["value"]
    for method in ("baseline", "tta"):
        shown = dict(zip((0, 1, 5), ("scenes", *PARTS), strict=True))
        of_table = {k: table.loc[(part, method), "ece"] for k, part in shown.items()}
        assert {k: ece[method, k] for k in shown} == pytest.approx(of_table, rel=1e-7)
        assert len(set(ece[method])) == 3
    claims = (made / "claims.json").read_text(encoding="utf-8")
    assert json.loads(claims)["claims"] and "scenes-c" not in claims
