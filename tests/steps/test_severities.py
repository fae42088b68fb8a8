"""A corrupted test set from a line of params.yaml to the report."""

from __future__ import annotations

import json

import pandas as pd
import yaml
from project import ROOT

from pipeline_src.engine.execute import execute
from pipeline_src.params.load import read
from pipeline_src.steps.build import build

PARTS = ("scenes-c-gaussian_noise-1", "scenes-c-gaussian_noise-5")


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
    for job in build(read()).jobs.values():
        execute(job)

    results = tmp_path / "results/tiny"
    stores = {file.name for file in (tmp_path / "data/tiny/stores").iterdir() if file.is_dir()}
    assert stores == {"train", "val", "scenes", "textures"}
    table = pd.read_csv(results / "tables/main.csv").query("protocol == 'raw'").set_index(["part", "method"])
    assert set(table.index.get_level_values("part")) == {"val", "scenes", "textures", *PARTS}
    assert {table.loc[(part, "tta"), "role"] for part in PARTS} == {"shifted"}
    drawn = pd.read_csv(results / "figures/severity-raw-scenes-c.csv").query("metric == 'ece'")
    ece = drawn.set_index(["method", "severity"])["value"]
    for method in ("baseline", "tta"):
        for severity, part in enumerate(("scenes", *PARTS)):
            severity = (0, 1, 5)[severity]
            assert ece[method, severity] == table.loc[(part, method), "ece"]
        assert len({ece[method, severity] for severity in (0, 1, 5)}) == 3
    claims = (results / "claims.json").read_text(encoding="utf-8")
    assert json.loads(claims)["claims"] and "scenes-c" not in claims
    assert not list((results / "figures").glob("reliability*scenes-c*"))
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "scenes-c-gaussian_noise-5" in page and "Corruptions by severity" in page
