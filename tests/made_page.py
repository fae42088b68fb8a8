"""The page of an experiment, of which a test tells what it is about and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_src.analysis.results import Results
from pipeline_src.report.page import write_report

UNTOLD = {
    "claims": {"synthetic": False, "claims": []},
    "params": {},
    "provenance": {},
    "data": [],
    "described": {},
    "task": "",
    "command": "make it",
}


def page_of(results: Results, figures: Path, folder: Path, **told: Any) -> str:
    """The HTML that `write_report` writes into `folder`."""
    out = folder / "report.html"
    write_report(results, figures=figures, out=out, **(UNTOLD | told))
    return out.read_text(encoding="utf-8")
