"""T3: static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_src.analysis.facts import LIKE_ID
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.paper_table import PaperTable, Row, cells

GRID_METRICS = ("ece", "oe", "accuracy")
NOTE = "The strength s = 2 α β is twice the share that the expected label loses."
QUANTITIES = {**METRICS, "strength": Quantity(title="strength s")}


def static_grid(results: Results) -> PaperTable:
    """Return strength, ECE, OE and accuracy of SLP, a group per dataset and metric: rows alpha, columns beta."""
    facts = results.facts
    rows = list(_rows(results))
    below = [NOTE, *notes(results, GRID_METRICS, facts.parts_of(LIKE_ID))]
    if not rows:
        change = "add the entries “static-…” to “methods:” of the experiment"
        below = [not_run(facts.experiment, "a grid over α and β", change)]
    title = "Static label perturbation over α and β, in distribution"
    return PaperTable(title, rows, about(facts), below, QUANTITIES)


def _rows(results: Results) -> Iterator[Row]:
    facts = results.facts
    for protocol in facts.protocols:
        found: list[Row] = [
            {
                "protocol": protocol,
                "part": "",
                "method": method,
                "metric": "strength",
                "mean": strength,
            }
            for method, strength in facts.static.items()
        ]
        for part in facts.parts_of(LIKE_ID):
            for metric in GRID_METRICS:
                found += cells(results, protocol, part, metric)
        for method, (alpha, beta) in facts.static_grid.items():
            place = {"row": f"α = {alpha:.3g}", "column": f"β = {beta:.3g}"}
            for row in (row for row in found if row["method"] == method):
                group = f"{row['part']}: {QUANTITIES[row['metric']].column}".removeprefix(": ")
                yield {**row, **place, "group": group}
