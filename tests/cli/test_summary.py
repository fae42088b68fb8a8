"""The main numbers of an experiment on the terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from pipeline_src.cli import summary


def test_every_method_has_a_row_and_the_lowest_ece_is_marked(tmp_path, monkeypatch, capsys):
    """Names may be those of missing values in pandas; equal numbers are all marked."""
    parts, rows = {"null": "id", "None": "ood"}, {"NA": (0.02, 0.03), "slp": (0.05, 0.03)}
    table = [
        ("raw", name, part, value, 0.9) for name, row in rows.items() for part, value in zip(parts, row, strict=True)
    ]
    columns = ["protocol", "method", "part", "ece", "accuracy"]
    pd.DataFrame(table, columns=columns).to_csv(tmp_path / "main.csv", index=False)
    jobs = {name: SimpleNamespace(folder=tmp_path, is_made=name == "tables") for name in ("tables", "claims")}
    monkeypatch.setenv("COLUMNS", "120")
    facts = SimpleNamespace(bins=10, parts=parts)
    summary.print_summary(SimpleNamespace(name="mine", facts=facts, methods=rows, job=jobs.get))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert ["NA", "2.00* / 90.00", "3.00* / 90.00"] in cells and ["slp", "5.00 / 90.00", "3.00* / 90.00"] in cells
