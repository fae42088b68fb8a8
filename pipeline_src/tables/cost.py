"""T9: what runs cost. The numbers depend on the machine, and another run gives others."""

from __future__ import annotations

import math

import numpy as np

from pipeline_src.analysis.estimate import sample_sd
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import HIGH, Quantity
from pipeline_src.tables.captions import about, not_run
from pipeline_src.tables.paper_table import PaperTable

QUANTITIES = {  # the fields of a `RunCost`
    "training": Quantity(title="training, min", factor=1 / 60, digits=1),
    "images_per_second": Quantity(title="images/s", digits=1, better=HIGH),
    "memory": Quantity(title="peak memory, MB", digits=0),
    "evaluation": Quantity(title="evaluation, s", digits=1),
    "parameters": Quantity(title="parameters, million", factor=1e-6, digits=2),
}
NOTES = (
    "Training time includes validation; images/s counts training only; memory is the largest resident set of the "
    "training process; evaluation is the time of all datasets. All depend on the machine and its load.",
    "A dash: the method trains nothing.",
)


def cost(results: Results) -> PaperTable:
    """Time, speed and memory by method, over seeds."""
    facts, rows = results.facts, []
    for method in dict.fromkeys(method for method, _ in results.costs):
        by_seed = {seed: run._asdict() for (name, seed), run in results.costs.items() if name == method}
        for name, quantity in QUANTITIES.items():
            measured = {seed: run[name] for seed, run in by_seed.items() if not math.isnan(run[name])}
            values = np.array(list(measured.values()))
            rows.append(
                {
                    "row": method,
                    "column": quantity.column,
                    "method": method,
                    "metric": name,
                    "mean": values.mean() if measured else math.nan,
                    "sd": math.nan if name == "parameters" else sample_sd(values),  # seeds share a network
                    "seeds": " ".join(map(str, measured)),
                }
            )
    notes = NOTES if rows else [not_run(facts.experiment, "all runs")]
    return PaperTable("Cost", rows, about(facts, binned=False), notes, quantities=QUANTITIES)
