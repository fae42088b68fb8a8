"""docs/guides/table.md, followed."""

from __future__ import annotations

import csv

import guide

CODE = """
from pathlib import Path
from made_claims import view
from pipeline_src.tables import table_files
from pipeline_src.tables.write import write_tables

write_tables(view().results, Path("tables"))
assert table_files()[-5:-2] == ("T21.csv", "T21.md", "T21.tex"), table_files()
"""


def test_the_guide(tmp_path):
    guide.follow("table.md", tmp_path)
    guide.run(tmp_path, CODE)
    text = (tmp_path / "tables/T20.md").read_text(encoding="utf-8")
    assert "|  | confidence − accuracy % | OE % | UE % |" in text and "| baseline | 5.00" in text
    with open(tmp_path / "tables/T21.csv", newline="") as file:
        rows = {(row["protocol"], row["part"], row["method"]): row for row in csv.DictReader(file)}
    assert float(rows["raw", "one", "slp"]["mean"]) == -0.05
    assert float(rows["stretched", "dots", "slp"]["high"]) < 0
