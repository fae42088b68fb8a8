"""The main numbers of an experiment on the terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
from rich.console import Console

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.cli import summary


def test_methods_and_sets_may_have_names_that_pandas_takes_for_nothing(tmp_path, monkeypatch, capsys):
    methods, parts = ("NA", "nan", "slp"), {"null": "id", "None": "ood", "scenes": "id"}
    runs = [(method, part) for method in methods for part in parts]
    rows = [("raw", *run, 0.0101 + number / 100, 0.9) for number, run in enumerate(runs)]
    pd.DataFrame(rows, columns=["protocol", "method", "part", "ece", "accuracy"]).to_csv(
        tmp_path / "main.csv", index=False
    )
    jobs = {
        name: SimpleNamespace(folder=tmp_path, paths=[], is_made=name == "tables")
        for name in ("tables", "claims", "report")
    }
    facts = SimpleNamespace(bins=10, parts=parts)
    monkeypatch.setenv("COLUMNS", "120")
    summary.print_summary(SimpleNamespace(name="mine", results=tmp_path, facts=facts, methods=methods, job=jobs.get))
    said = capsys.readouterr().out
    for number, (method, _) in enumerate(runs):
        (line,) = [line for line in said.splitlines() if line.strip("│ ").startswith(f"{method} ")]
        assert f"{number + 1.01:.2f} / 90.00" in line.replace("*", "")  # which marks the lowest


def test_the_lowest_ece_of_a_set_is_marked_where_nothing_is_bold():
    """Equal ones are all marked."""
    ece = {("slp", "a"): 0.02, ("slp", "b"): 0.03, ("ce", "a"): 0.05, ("ce", "b"): 0.03}
    rows = pd.DataFrame([("raw", *place, value, 0.9) for place, value in ece.items()])
    rows.columns = ["protocol", "method", "part", "ece", "accuracy"]
    facts = Facts("x", {"ce": MethodFacts(), "slp": MethodFacts()}, {"a": "id", "b": "ood"})
    graph = SimpleNamespace(name="x", facts=facts, methods=["ce", "slp"])
    console = Console(width=80, force_terminal=False)
    with console.capture() as shown:
        console.print(summary._table(graph, rows))
    cells = [line.split("│")[1:-1] for line in shown.get().splitlines() if "│" in line]
    found = {(name.strip(), part): cell.strip() for name, *of in cells for part, cell in zip("ab", of, strict=True)}
    assert found == {
        ("ce", "a"): "5.00 / 90.00",
        ("ce", "b"): "3.00* / 90.00",
        ("slp", "a"): "2.00* / 90.00",
        ("slp", "b"): "3.00* / 90.00",
    }
