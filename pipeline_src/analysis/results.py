"""What an experiment has left to show: where its statistics lie, and the numbers read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from pipeline_src.counting.either import by_protocol, load, summaries
from pipeline_src.counting.statistic import PROTOCOLS, protocols

ROLES = {"val": "validation", "id": "in distribution", "shifted": "under shift", "ood": "out of distribution"}
LIKE_ID = ("id", "shifted")  # objects of the training task: the same metrics and claims for both
# Both are measured on the same pixels and never mixed (docs/protocol.md).
MEANING = {
    "raw": "probabilities as the model gives them",
    "stretched": "each map stretched to [0, 1] first, as the released test program does",
}


@dataclass(frozen=True)
class Results:
    """An experiment's statistic files and what captions say about it.

    Args:
        experiment: its name.
        statistics: (method, seed, part) -> statistic file. The order of methods is the order in which they are shown.
        parts: part -> role (a key of `ROLES`), in the order in which they are shown.
        bins: equal-width bins of ECE and OE on [0, 1].
        epochs: epochs each model was trained for.
        labels: method -> printed name, where it differs from the method's own.
        synthetic: whether all images are generated, so that the numbers say nothing about photographs.
        of_all_seeds: methods whose one run is made of the networks of all seeds.
        remarks: part -> what its reader has to know of the data set.
        classes: 2 for one object class, else K.
    """

    experiment: str
    statistics: Mapping[tuple[str, int, str], Path]
    parts: Mapping[str, str]
    bins: int
    epochs: int
    labels: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    of_all_seeds: Sequence[str] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)
    classes: int = 2

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those in which it is measured."""
        return protocols(self.classes)

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(method for method, _, _ in self.statistics))

    def label(self, method: str) -> str:
        return self.labels.get(method, method)

    def seeds(self, method: str, part: str) -> list[int]:
        """Seeds of which there is a statistic, ascending."""
        return sorted(seed for name, seed, where in self.statistics if (name, where) == (method, part))


@dataclass(frozen=True)
class Numbers:
    """All numbers of an experiment, one row per protocol, part, method and seed.

    Attributes:
        table: columns `protocol, part, role, method, seed, images, pixels`, then one per metric (not a number where
            the metric is undefined). Errors, accuracy and F are in [0, 1]; entropy and NLL in nats per pixel.
        reasons: (part, metric) -> why it is undefined there.
    """

    table: pd.DataFrame
    reasons: Mapping[tuple[str, str], str]

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Mean over seeds, indexed by (protocol, part, method)."""
        return self._over_seeds().mean()

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Sample standard deviation over seeds, indexed as `mean`; not a number for a single seed."""
        return self._over_seeds().std(ddof=1)

    def _over_seeds(self):
        values = self.table.drop(columns=["role", "seed", "images", "pixels"])
        return values.groupby(["protocol", "part", "method"], sort=False)


def read(results: Results) -> Numbers:
    """All numbers of an experiment, from its statistic files.

    Raises:
        UserError: a file is missing or is no statistic.
    """
    rows, reasons = [], {}
    for part, role in results.parts.items():
        for method in results.methods:
            for seed in results.seeds(method, part):
                statistic = load(results.statistics[method, seed, part])
                found = summaries(statistic, results.bins)
                for protocol, counts in by_protocol(statistic).items():
                    values, why = found[protocol]
                    reasons |= {(part, name): reason for name, reason in why.items()}
                    named = {"protocol": protocol, "part": part, "role": role, "method": method, "seed": seed}
                    rows.append(named | {"images": len(counts.rows), "pixels": counts.pixels} | values)
    table = pd.DataFrame(rows)
    # Stable: within a protocol the order stays that of parts, methods and seeds.
    order = table["protocol"].map(PROTOCOLS.index).sort_values(kind="stable").index
    table = table.loc[order].reset_index(drop=True)
    metrics = list(table.columns[7:])
    return Numbers(table.astype(dict.fromkeys(metrics, float)), reasons)
