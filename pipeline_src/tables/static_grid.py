"""T3: static label perturbation over alpha and beta."""

from __future__ import annotations

from pipeline_src.analysis.facts import LIKE_ID
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.paper_table import PaperTable, Row, cells

GRID_METRICS = ("ece", "oe", "accuracy")
NOTE = "The strength s = 2 α β is twice the share that the expected label loses."
STRENGTH = Quantity(title="strength s")


def static_grid(results: Results) -> PaperTable:
    """Return T3: strength, ECE, OE and accuracy of SLP (static label perturbation).

    There is a group per dataset and metric, with a row per alpha and a column per beta: SLP
    perturbs the mask of an image with probability alpha, with the strength beta.
    """
    facts = results.facts
    splits = facts.splits_of(LIKE_ID)
    numbers = list(cells(results, splits, GRID_METRICS))  # of all methods, a row for each method
    rows: list[Row] = []
    for protocol in facts.protocols:
        for method, (alpha, beta) in facts.static_grid.items():
            # Where a number is printed: not in a row of its method, but by alpha and beta.
            place = {"protocol": protocol, "row": f"α = {alpha:.3g}", "column": f"β = {beta:.3g}"}
            strength = {"method": method, "metric": "strength", "mean": facts.static[method]}
            rows.append(place | strength | {"group": STRENGTH.column, "part": ""})
            for number in numbers:
                if number["protocol"] == protocol and number["method"] == method:
                    group = f"{number['part']}: {number['column']}"
                    rows.append(number | place | {"group": group})
    below = notes(results, GRID_METRICS, splits)
    below.insert(0, NOTE)
    if not rows:
        change = "add the entries “static-…” to “methods:” of the experiment"
        below = [not_run(facts.experiment, "a grid over α and β", change)]
    title = "Static label perturbation over α and β, on images of the task"
    quantities = METRICS | {"strength": STRENGTH}
    return PaperTable(title, rows, about=about(facts), notes=below, quantities=quantities)
