"""The results of an experiment as tables, figures, claims and the report read them.

Protocols are `raw`, the probabilities as they are, and for maps of one object `stretched`, each map
min-max normalized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.analysis.estimate import UNDEFINED_ESTIMATE, Estimate, estimate
from pipeline_src.analysis.facts import Facts, Run
from pipeline_src.analysis.intervals import groups_note
from pipeline_src.analysis.measurement import Measured, Measurement, read_measurements
from pipeline_src.files import Content
from pipeline_src.metrics.registry import METRICS, metric_names

if TYPE_CHECKING:
    import pandas as pd

# The first columns of `Results.table`; `part` is the dataset.
KEYS = ("protocol", "part", "role", "method", "seed", "images", "pixels")


@dataclass(frozen=True)
class RunCost:
    """What a run cost on its machine; NaN where it is not known.

    Attributes:
        training: seconds of its training or fit.
        prediction: seconds of its evaluation on all datasets.
        parameters: number of parameters of the networks that predict.
    """

    training: float
    prediction: float
    parameters: float


@dataclass(frozen=True, eq=False)
class Results:
    """An experiment and the analyses of its datasets.

    Args:
        facts: methods, datasets and seeds of the experiment.
        files: dataset -> file that `analyse` wrote.
        costs: (method, seed) -> what the run cost, of the runs that recorded it.
    """

    facts: Facts
    files: Mapping[str, Path]
    costs: Mapping[Run, RunCost] = field(default_factory=dict, kw_only=True)

    @cached_property
    def _analyses(self) -> dict[str, tuple[Content, Measured]]:
        """The content of each dataset's analysis (`read_measurements`), by dataset."""
        return {split: read_measurements(self.files[split]) for split in self.facts.splits}

    def measured(self, protocol: str, split: str) -> dict[str, Measurement]:
        """Return method -> its measurement on a dataset, in the order of the experiment."""
        _, measured = self._analyses[split]
        found = {}
        for name, method in self.facts.methods.items():
            run = measured.get((protocol, name))
            if run:
                found[name] = replace(run, of_all_seeds=method.of_all_seeds)
        return found

    def measurement(self, protocol: str, method: str, split: str) -> Measurement | None:
        """Return the measurement of a method on a dataset; None where it was not run."""
        return self.measured(protocol, split).get(method)

    def estimate(self, metric: str, protocol: str, method: str, split: str) -> Estimate:
        """Return a metric of a method that was run on a dataset; NaN where it is undefined."""
        return estimate(metric, (self.measured(protocol, split)[method], 1.0)) or UNDEFINED_ESTIMATE

    def note(self, split: str) -> str:
        """Return the note on a dataset for readers of its numbers: the catalog's, that of its
        analysis, and that on groups of images; empty if there is none.
        """
        header, measured = self._analyses[split]
        texts = [self.facts.captions.get(split, ""), header["note"]]
        run = next(iter(measured.values()), None)  # all methods have the same images
        if run and run.groups is not None:
            texts.append(groups_note(run.units))
        return " ".join(filter(None, texts))

    @cached_property
    def table(self) -> pd.DataFrame:
        """All metrics without resampling: columns `KEYS`, then one per metric.

        There is a row per protocol, dataset, method and seed. Errors, accuracy and F are in [0, 1],
        entropy and NLL are in nats. A metric is NaN where it is undefined.
        """
        import pandas as pd  # takes 0.3 s, for which a list of the tables' names need not wait

        rows: list[dict[str, object]] = []
        for protocol in self.facts.protocols:
            for split, role in self.facts.splits.items():
                for method, run in self.measured(protocol, split).items():
                    for k, seed in enumerate(run.seeds):
                        keys = (protocol, split, role, method, seed, run.images, run.pixels)
                        row: dict[str, object] = dict(zip(KEYS, keys, strict=True))
                        row |= {name: by_seed[k] for name, by_seed in run.points.items()}
                        rows.append(row)
        measured = {name for row in rows for name in row}
        metrics = []
        for name in metric_names(self.facts.classes):
            # Without a value, a slow metric was not asked for; any other metric is undefined.
            if name in measured or not METRICS[name].on_request:
                metrics.append(name)
        return pd.DataFrame(rows, columns=[*KEYS, *metrics]).astype(dict.fromkeys(metrics, float))

    @cached_property
    def reasons(self) -> dict[tuple[str, str], str]:
        """(dataset, metric) -> why it is undefined there, for the notes of tables."""
        found = {}
        for protocol in self.facts.protocols:
            for split in self.facts.splits:
                for run in self.measured(protocol, split).values():
                    for name, reason in run.reasons.items():
                        found[split, name] = reason
        return found
