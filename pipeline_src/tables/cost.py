"""T9: what runs cost. These numbers are of the machine: no contract holds them, and another run gives others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_src.analysis.results import Results
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.tables.captions import not_run
from pipeline_src.tables.sheet import Sheet, frame

ABOUT = (
    "Training time is that of all epochs with their validation; images/s those of training alone; memory the largest "
    "resident set of the training process; evaluation the time of all data sets, start of the program included. They "
    "are of the machine that ran them and of what else it did."
)


@dataclass(frozen=True)
class Run:
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
    def read(cls, folder: Path, training: Path, evaluations: Sequence[Path]) -> Run:
        """From a run's folder, and Snakemake's benchmark files of its training and evaluations, where they are."""
        timing, facts = folder / "timing.csv", folder / "run.json"
        known = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
        seconds = speed = math.nan
        if timing.is_file():
            table = pd.read_csv(timing)
            seconds = float(table["seconds"].sum())
            speed = len(table) / float((1 / table["images_per_second"]).sum())  # epochs have the same images
        times = [_measured(path, "s") for path in evaluations]
        evaluation = float(np.sum(times)) if times else math.nan
        return cls(seconds, speed, _measured(training, "max_rss"), evaluation, known.get("parameters", math.nan))


def _measured(file: Path, column: str) -> float:
    if not file.is_file():
        return math.nan
    return float(pd.to_numeric(pd.read_csv(file, sep="\t")[column], errors="coerce").iloc[-1])


def cost(results: Results, runs: Mapping[tuple[str, int], Run]) -> Sheet:
    """Time, speed and memory by method, over seeds."""
    rows = []
    for method in dict.fromkeys(method for method, _ in runs):
        by_seed = {seed: asdict(run) for (name, seed), run in runs.items() if name == method}
        for metric in asdict(Run()):
            known = {seed: values[metric] for seed, values in by_seed.items() if not math.isnan(values[metric])}
            values = np.array(list(known.values()))
            rows.append(
                {
                    "row": results.label(method),
                    "column": ALL_METRICS[metric].heading,
                    "method": method,
                    "metric": metric,
                    "mean": values.mean() if len(values) else math.nan,
                    "sd": values.std(ddof=1) if len(values) > 1 else math.nan,
                    "seeds": " ".join(map(str, known)),
                }
            )
    about = f"Experiment {results.experiment}, {results.epochs} epochs. {ABOUT}"
    blank = (
        "A dash: the method trains nothing, or the step was not run by Snakemake, which measures memory and the time "
        "of evaluation."
    )
    return Sheet("T9", "Cost", frame(rows), about, [blank] if rows else [not_run(results.experiment, "all runs")])
