"""The table that a finished run prints."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
from rich.console import Console

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.cli.summary import _table


def test_the_lowest_ece_of_a_set_is_marked_where_nothing_is_bold():
    """Equal ones are all marked."""
    ece = {("slp", "a"): 0.02, ("slp", "b"): 0.03, ("ce", "a"): 0.05, ("ce", "b"): 0.03}
    rows = pd.DataFrame([("raw", *place, value, 0.9) for place, value in ece.items()])
    rows.columns = ["protocol", "method", "part", "ece", "accuracy"]
    facts = Facts("x", {"ce": MethodFacts(), "slp": MethodFacts()}, {"a": "id", "b": "ood"})
    graph = SimpleNamespace(name="x", facts=facts, methods=["ce", "slp"])
    console = Console(width=80, force_terminal=False)
    with console.capture() as shown:
        console.print(_table(graph, rows))
    cells = [line.split("│")[1:-1] for line in shown.get().splitlines() if "│" in line]
    found = {(name.strip(), part): cell.strip() for name, *of in cells for part, cell in zip("ab", of, strict=True)}
    assert found == {
        ("ce", "a"): "5.00 / 90.00",
        ("ce", "b"): "3.00* / 90.00",
        ("slp", "a"): "2.00* / 90.00",
        ("slp", "b"): "3.00* / 90.00",
    }
