"""The results of an experiment as tables, figures, claims and the report read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.estimate import UNDEFINED_ESTIMATE, Estimate, estimate
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.intervals import groups_in_words
from pipeline_src.analysis.measurement import Measurement, Reader
from pipeline_src.analysis.run_cost import RunCost
from pipeline_src.metrics.summary import defined

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("protocol", "part", "role", "method", "seed", "images", "pixels")


@dataclass(frozen=True, eq=False)
class Results:
    """An experiment and the analyses of its data sets.

    Args:
        facts: what the experiment consists of.
        files: data set -> file that `analyse` wrote.
        costs: (method, seed) -> what the run cost, where that is shown.
    """

    facts: Facts
    files: Mapping[str, Path]
    costs: Mapping[tuple[str, int], RunCost] = field(default_factory=dict, kw_only=True)

    def __reduce__(self):  # another process opens the files itself
        return type(self), (self.facts, self.files)

    @cached_property
    def _readers(self) -> dict[str, Reader]:
        return {part: Reader(self.files[part]) for part in self.facts.parts}

    def measured(self, protocol: str, part: str) -> dict[str, Measurement]:
        """The methods that were run on a data set, in the order of the experiment."""
        reader, methods = self._readers[part], self.facts.methods
        return {
            name: reader.measurement(protocol, name, methods[name].of_all_seeds)
            for name in methods
            if (protocol, name) in reader
        }

    def measurement(self, protocol: str, method: str, part: str) -> Measurement | None:
        """One method on one data set; None where it was not run."""
        return self.measured(protocol, part).get(method)

    def estimate(self, metric: str, protocol: str, method: str, part: str) -> Estimate:
        """A metric of a method that was run on a data set; NaN where it is undefined."""
        return estimate(metric, (self.measured(protocol, part)[method], 1.0)) or UNDEFINED_ESTIMATE

    def note(self, part: str) -> str:
        """What readers of its numbers have to know of a data set."""
        groups = groups_in_words(self.groups(part))
        return " ".join(filter(None, (self.facts.captions.get(part, ""), self.own_note(part), groups)))

    def groups(self, part: str) -> np.ndarray | None:
        """(N,) the group of each image, where images are not independent."""
        first = next(iter(self.measured("raw", part).values()), None)
        return first.groups if first else None

    def own_note(self, part: str) -> str:
        """The part of `note` that was found out when the data set was analysed."""
        return self._readers[part].header["note"]

    @cached_property
    def numbers(self) -> Numbers:
        """The values of all metrics on the images themselves, without resampling."""
        import pandas as pd  # 0.3 s: who asks for the names of tables must not wait for it

        rows: list[dict[str, object]] = []
        reasons: dict[tuple[str, str], str] = {}
        for protocol in self.facts.protocols:
            for part, role in self.facts.parts.items():
                for method, measurement in self.measured(protocol, part).items():
                    reasons |= {(part, name): reason for name, reason in measurement.reasons.items()}
                    for k, seed in enumerate(measurement.seeds):
                        place = (protocol, part, role, method, seed, measurement.images, measurement.pixels)
                        values = {name: by_seed[k] for name, by_seed in measurement.points.items()}
                        rows.append(dict(zip(KEYS, place, strict=True)) | values)
        columns = [*KEYS, *defined(self.facts.classes)]
        table = pd.DataFrame(rows, columns=columns)
        return Numbers(table.astype(dict.fromkeys(columns[len(KEYS) :], float)), reasons)


@dataclass(frozen=True)
class Numbers:
    """All numbers of an experiment, one row per protocol, data set, method and seed.

    Attributes:
        table: columns `KEYS`, then one per metric (NaN where it is undefined). Errors, accuracy and F are in [0, 1];
            entropy and NLL in nats per pixel.
        reasons: (data set, metric) -> why it is undefined there.
    """

    table: pd.DataFrame
    reasons: Mapping[tuple[str, str], str]

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Mean over seeds, indexed by (protocol, part, method)."""
        return self._over_seeds().mean()

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Sample standard deviation over seeds, indexed as `mean`; NaN for a single seed."""
        return self._over_seeds().std(ddof=1)

    def _over_seeds(self):
        values = self.table.drop(columns=["role", "seed", "images", "pixels"])
        return values.groupby(["protocol", "part", "method"], sort=False)
