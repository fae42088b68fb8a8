"""T9: what runs cost on the machine that made them."""

from __future__ import annotations

import math

import numpy as np

from pipeline_src.analysis.estimate import sample_sd
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import NEITHER, Quantity
from pipeline_src.tables.captions import about
from pipeline_src.tables.paper_table import PaperTable, Row

# Field of a `RunCost` -> how it is printed. Its times are seconds, which are printed as minutes.
QUANTITIES = {
    "training": Quantity(title="training, min", factor=1 / 60, digits=1),
    "prediction": Quantity(title="prediction, min", factor=1 / 60, digits=1),
    "parameters": Quantity(title="parameters, million", factor=1e-6, digits=2, better=NEITHER),
}
NOTES = (
    "Training includes validation after each epoch; of a post-hoc method it is the fit, without "
    "its networks. A training that was interrupted counts from its last resumption. Prediction is "
    "of all evaluated datasets, with reading and counting. Minutes depend on the machine and its "
    "load.",
    "Parameters are those of the networks that predict.",
    "A dash: not recorded. Published experiments hold no minutes of single runs.",
)


def cost(results: Results) -> PaperTable:
    """Return T9: minutes and number of parameters of each method, means over seeds."""
    rows: list[Row] = []
    for method in results.facts.methods:
        seeds = [seed for name, seed in results.costs if name == method]
        for name, quantity in QUANTITIES.items():
            values = [getattr(results.costs[method, seed], name) for seed in seeds]
            row = {
                "row": method,
                "column": quantity.column,
                "method": method,
                "metric": name,
                "mean": np.mean(values) if seeds else math.nan,
                # The networks of all seeds have the same number of parameters.
                "sd": math.nan if name == "parameters" else sample_sd(values),
                "seeds": " ".join(map(str, seeds)),
            }
            rows.append(row)
    return PaperTable("Cost", rows, about=about(results.facts), notes=NOTES, quantities=QUANTITIES)
