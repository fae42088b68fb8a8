"""T3: static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_src.analysis.facts import LIKE_ID, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.paper_table import PaperTable, Row, cells

GRID_METRICS = ("ece", "oe", "accuracy")
TITLE = "Static label perturbation over α and β, in distribution"
NOTE = "The strength s = 2 α β is twice the share that the expected label loses."
QUANTITIES = {**METRICS, "strength": Quantity(title="s")}


def static_grid(results: Results) -> PaperTable:
    """Return ECE, OE and accuracy of SLP, a group per dataset and metric: rows alpha, columns beta."""
    facts = results.facts
    grid = facts.static_grid
    if not grid:
        change = "add the entries “static-…” to “methods:” of the experiment"
        return PaperTable(TITLE, [], about(facts), [not_run(facts.experiment, "a grid over α and β", change)])
    below = [NOTE, *notes(results, GRID_METRICS, facts.parts_of(LIKE_ID))]
    return PaperTable(TITLE, list(_rows(results, grid)), about(facts), below, QUANTITIES)


def _rows(results: Results, grid: list[str]) -> Iterator[Row]:
    facts = results.facts
    for protocol in facts.protocols:
        for method in grid:
            strength = facts.methods[method].strength(facts.classes)
            place = {"protocol": protocol, "group": "strength s", **_place(method, facts.methods[method])}
            yield {**place, "method": method, "metric": "strength", "mean": strength}
        for part in facts.parts_of(LIKE_ID):
            for metric in GRID_METRICS:
                by_method = {cell["method"]: cell for cell in cells(results, protocol, part, metric)}
                for method in (name for name in grid if name in by_method):
                    place = {"group": f"{part}: {METRICS[metric].column}", **_place(method, facts.methods[method])}
                    yield {**by_method[method], **place}


def _place(name: str, method: MethodFacts) -> dict[str, str]:
    """Return row and column of an entry; other noise has a row of its own."""
    noise = method.parameters.get("noise")
    row = f"α = {method.parameters['alpha']:.3g}" + (f" ({name})" if noise else "")
    return {"row": row, "column": f"β = {method.parameters['beta']:.3g}"}
