"""The main numbers of an experiment on the terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from pipeline_src.cli import summary


def test_methods_and_sets_may_have_names_that_pandas_takes_for_nothing(tmp_path, monkeypatch, capsys):
    methods, parts = ("NA", "nan", "slp"), {"null": "id", "None": "ood", "scenes": "id"}
    runs = [(method, part) for method in methods for part in parts]
    rows = [("raw", *run, 0.0101 + number / 100, 0.9) for number, run in enumerate(runs)]
    pd.DataFrame(rows, columns=["protocol", "method", "part", "ece", "accuracy"]).to_csv(
        tmp_path / "main.csv", index=False
    )
    jobs = {name: SimpleNamespace(folder=tmp_path, current=name == "tables") for name in ("tables", "claims", "report")}
    facts = SimpleNamespace(bins=10, parts=parts)
    monkeypatch.setenv("COLUMNS", "120")
    summary.show(SimpleNamespace(name="mine", results=tmp_path, facts=facts, methods=methods, job=jobs.get))
    said = capsys.readouterr().out
    for number, (method, _) in enumerate(runs):
        (line,) = [line for line in said.splitlines() if line.strip("│ ").startswith(f"{method} ")]
        assert f"{number + 1.01:.2f} / 90.00" in line
