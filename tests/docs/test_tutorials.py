"""The tutorials of docs/, followed to the letter."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from tutorial import ROOT, blocks, command, follow

from pipeline_src.analysis.measurement import Reader
from pipeline_src.data import catalog
from pipeline_src.params.load import read
from pipeline_src.pipeline.jobs import build


@pytest.mark.slow
def test_your_data(tmp_path, monkeypatch, capsys):
    shown = [text for language, text in blocks((ROOT / "docs/your-data.md").read_text()) if language == "yaml"]
    follow("docs/your-data.md", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert "leaves (given): in order; 40 samples" in said and "walls (given): in order; 5 samples" in said
    assert (tmp_path / "results/leaves/report.html").is_file()
    for line in shown[0].splitlines()[1:]:  # the page says that `data add` wrote it
        assert line in said.splitlines()
    params = read()
    assert set(yaml.safe_load(shown[-1])["datasets"]) <= set(catalog.load(params.datasets))
    assert list(build(params, "leaves").settings.data.shifted) == ["garden"]


@pytest.mark.slow
def test_your_method(tmp_path, monkeypatch):
    follow("docs/your-method.md", tmp_path, monkeypatch)
    assert "my_margin" in (tmp_path / "results/trial/tables/main.csv").read_text()


@pytest.mark.slow
def test_a_post_hoc_method(tmp_path, monkeypatch):
    follow("docs/guides/posthoc.md", tmp_path, monkeypatch)
    table = pd.read_csv(tmp_path / "results/tiny/tables/main.csv")
    mean = table[table["protocol"] == "raw"].set_index(["part", "method"])["entropy"].unstack()
    assert (mean["shrinkage"] > mean["baseline"]).all()


@pytest.mark.slow
def test_your_model(tmp_path, monkeypatch):
    follow("docs/your-model.md", tmp_path, monkeypatch)
    facts = json.loads((tmp_path / "results/trial/runs/baseline/seed0/run.json").read_text())
    assert facts["parameters"] == 3 * 16 * 9 + 16 + 2 * 16 + 16 * 9 + 1  # of my_net.py


def test_calibrate(tmp_path, monkeypatch, capsys):
    follow("docs/calibrate.md", tmp_path, monkeypatch)
    assert "chosen by the NLL of images that were held out" in capsys.readouterr().out
    chosen = json.loads((tmp_path / "chosen/scores.json").read_text())
    assert chosen["scored_on"] == "cross-validation"
    names = [path.name for path in sorted((tmp_path / "calibrated/maps").iterdir())]
    assert names == [path.name for path in sorted((tmp_path / "test/maps").iterdir())]


def test_conformal(tmp_path, monkeypatch, capsys):
    follow("docs/conformal.md", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert "FNR ≤ 10 %: a mask of the pixels of probability " in said and "delivered, on test/maps: FNR % " in said


@pytest.mark.slow
def test_use_a_model(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    follow("docs/use-a-model.md", tmp_path, monkeypatch)
    card = ModelCard.load(tmp_path / "exported/README.md", ignore_metadata_errors=False)
    told = {of.metric_type: of for of in card.data.eval_results}
    measured = Reader(tmp_path / "results/trial/analysis/scenes.npz").measurement("raw", "temperature")
    assert told["ece"].metric_value == pytest.approx(measured.points["ece"][0], rel=1e-5)
    low, high = told["ece"].metric_args["interval_95"]
    assert low <= told["ece"].metric_value <= high and told["ece"].dataset_name == "scenes"
    assert "free of any rights" in card.text and "opset 18" in card.text
    facts = yaml.safe_load((tmp_path / "exported/config.yaml").read_text())
    assert facts["experiment"]["image_size"] == 32 and facts["method"]["parameters"] == {"of": "baseline"}


@pytest.mark.slow
def test_judge(tmp_path, monkeypatch):
    follow("docs/judge.md", tmp_path, monkeypatch)
    told = {p.parts[-3]: json.loads(p.read_text()) for p in (tmp_path / "results/judged").rglob("metrics.json")}
    assert told["parts"]["n_classes"] == 3
    assert told["textures"]["raw"]["accuracy"] == 1.0  # no probability above 0.25


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("--config experiment=tiny results/tiny/tables/main.csv", "Unparsable value: 'results/tiny/tables/main.csv'"),
        ("--config experiment=tiny -- results/tiny/analysis/scenes.npz", "no files that a rule of Snakemake makes"),
    ],
)
def test_a_line_that_snakemake_refuses_fails_its_page(words, fault, tmp_path, monkeypatch):
    monkeypatch.setattr("tutorial.run_job", lambda job: None)
    monkeypatch.chdir(ROOT)
    command(tmp_path, ["snakemake", "--cores", "all", "results/tiny/tables/main.csv", "--config", "experiment=tiny"])
    with pytest.raises(ValueError, match=fault):
        command(tmp_path, f"snakemake --cores all {words}".split())
