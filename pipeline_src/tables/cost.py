"""T9: what runs cost. These numbers are of the machine: no contract holds them, and another run gives others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline_src.analysis.results import Results
from pipeline_src.metrics.metric import HIGH, Quantity
from pipeline_src.tables.captions import not_run
from pipeline_src.tables.paper_table import PaperTable

QUANTITIES = {  # the fields of a `RunCost`
    "training": Quantity(title="training, min", factor=1 / 60, digits=1),
    "images_per_second": Quantity(title="images/s", digits=1, better=HIGH),
    "memory": Quantity(title="peak memory, MB", digits=0),
    "evaluation": Quantity(title="evaluation, s", digits=1),
    "parameters": Quantity(title="parameters, million", factor=1e-6, digits=2),
}
ABOUT = (
    "Training time is that of all epochs with their validation; images/s those of training alone; memory the largest "
    "resident set of the training process; evaluation the time of all data sets, loading of libraries included. They "
    "depend on the machine and on what else it did."
)
BLANK = "A dash: the method trains nothing."


@dataclass(frozen=True)
class RunCost:
    """What a run cost; NaN where it was not measured.

    Attributes:
        training: seconds.
        images_per_second: of training.
        memory: MB.
        evaluation: seconds.
        parameters: of the network.
    """

    training: float = math.nan
    images_per_second: float = math.nan
    memory: float = math.nan
    evaluation: float = math.nan
    parameters: float = math.nan

    @classmethod
    def read(cls, folder: Path, memory: float, evaluation: float) -> RunCost:
        """From a run's folder, and what its jobs have measured."""
        import pandas as pd

        timing, facts = folder / "timing.csv", folder / "run.json"
        content = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
        seconds = speed = math.nan
        if timing.is_file():
            table = pd.read_csv(timing)
            seconds = float(table["seconds"].sum())
            speed = len(table) / float((1 / table["images_per_second"]).sum())  # epochs have the same images
        return cls(seconds, speed, memory, evaluation, content.get("parameters", math.nan))


Costs = Mapping[tuple[str, int], RunCost]  # by (method, seed)


def cost(results: Results, costs: Costs) -> PaperTable:
    """Time, speed and memory by method, over seeds."""
    facts, rows = results.facts, []
    for method in dict.fromkeys(method for method, _ in costs):
        by_seed = {seed: asdict(run) for (name, seed), run in costs.items() if name == method}
        for name, quantity in QUANTITIES.items():
            measured = {seed: of[name] for seed, of in by_seed.items() if not math.isnan(of[name])}
            values = np.array(list(measured.values()))
            rows.append(
                {
                    "row": method,
                    "column": quantity.column,
                    "method": method,
                    "metric": name,
                    "mean": values.mean() if measured else math.nan,
                    "sd": values.std(ddof=1) if len(measured) > 1 else math.nan,
                    "seeds": " ".join(map(str, measured)),
                }
            )
    notes = [BLANK] if rows else [not_run(facts.experiment, "all runs")]
    about = f"Experiment {facts.experiment}, {facts.epochs} epochs. {ABOUT}"
    return PaperTable("Cost", rows, about, notes, quantities=QUANTITIES)
