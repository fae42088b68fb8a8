"""T3: static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline_src.analysis.facts import LIKE_ID, Perturbation
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import SYNTHETIC, about, not_run, titled
from pipeline_src.tables.paper_table import PaperTable, Row, cells

GRID_METRICS = ("ece", "oe", "accuracy")
FEWEST = 4  # methods that make a grid
NOTE = "s is the share of the uniform label in the expected label."
QUANTITIES = METRICS | {"s": Quantity(title="s")}


def static_grid(results: Results) -> PaperTable:
    """ECE, OE and accuracy in distribution; rows alpha, columns beta, and above them s."""
    facts = results.facts
    static = dict(sorted(facts.static.items(), key=lambda item: (item[1].alpha, item[1].variant, item[1].beta)))
    labels, rows = _labels(static), []
    for cell in _cells(results, static) if static else ():
        method = cell["method"]
        strength = {name: getattr(static[method], name) for name in ("alpha", "beta", "s")}
        rows.append({**cell, "row": labels[method], "column": _column(static[method]), **strength})
    change = "add the sweep “static” to “methods:” of the experiment"
    missing = [not_run(facts.experiment, "a grid over α and β", change)] if len(static) < FEWEST else []
    return PaperTable(
        titled("Static label perturbation over α and β, in distribution", facts.parts.values()),
        rows,
        about(facts),
        [NOTE, *missing, *[SYNTHETIC] * bool(facts.synthetic and static)],
        list(dict.fromkeys(map(_column, sorted(static.values(), key=lambda perturbation: perturbation.beta)))),
        QUANTITIES,
    )


def _cells(results: Results, static: Mapping[str, Perturbation]) -> Iterator[Row]:
    """Each number with the heading of its group."""
    for protocol in results.facts.protocols:
        for method, perturbation in static.items():
            s = {"metric": "s", "mean": perturbation.s}
            yield {"protocol": protocol, "method": method, "group": "s = 2 α β", **s}
        for part in results.facts.parts_of(LIKE_ID):
            for metric in GRID_METRICS:
                for cell in cells(results, protocol, part, metric, list(static)):
                    yield {**cell, "group": f"{part}: {METRICS[metric].column}"}


def _labels(static: Mapping[str, Perturbation]) -> dict[str, str]:
    """Method -> its row; methods in the same row and column get a row each."""
    labels: dict[str, str] = {}
    taken = set()
    for method, perturbation in static.items():
        row = f"α = {perturbation.alpha:.3g}" + f", {perturbation.variant}" * bool(perturbation.variant)
        position = (row, _column(perturbation))
        labels[method] = f"{row} ({method})" if position in taken else row
        taken.add(position)
    return labels


def _column(perturbation: Perturbation) -> str:
    return f"β = {perturbation.beta:.3g}"
