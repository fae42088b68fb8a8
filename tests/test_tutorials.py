"""The tutorials of docs/, followed to the letter."""

from __future__ import annotations

import json

from tutorial import follow


def test_your_method(tmp_path, monkeypatch):
    follow("docs/your-method.md", tmp_path, monkeypatch)
    assert "my_margin" in (tmp_path / "results/trial/tables/main.csv").read_text()


def test_your_model(tmp_path, monkeypatch):
    follow("docs/your-model.md", tmp_path, monkeypatch)
    facts = json.loads((tmp_path / "results/trial/runs/baseline/seed0/run.json").read_text())
    assert facts["parameters"] == 3 * 16 * 9 + 16 + 2 * 16 + 16 * 9 + 1  # of my_net.py


def test_judge(tmp_path, monkeypatch):
    follow("docs/judge.md", tmp_path, monkeypatch)
    told = {p.parts[-3]: json.loads(p.read_text()) for p in (tmp_path / "results/judged").rglob("metrics.json")}
    assert told["parts"]["n_classes"] == 3
    assert told["textures"]["raw"]["accuracy"] == 1.0  # no probability above 0.25
