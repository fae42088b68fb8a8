"""Metrics of an experiment's methods with spread, interval and marks: what tables of methods are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_src.analysis.bootstrap import percentiles
from pipeline_src.analysis.results import Numbers, Results
from pipeline_src.analysis.samples import CLASSES, CURVES, PIXELS, SORTING, WHOLE, Sampled, combined, sample, shared
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.tables.sheet import BEST, TIED


@dataclass(frozen=True)
class Measured:
    """What an experiment measured: its names, and every method's metrics on resamples of the test images."""

    results: Results
    samples: dict[tuple[str, str, str], Sampled]

    @classmethod
    def of(cls, results: Results, numbers: Numbers) -> Measured:
        """Points are those of `numbers`; the resamples vary around them."""
        samples = {}
        by_run = numbers.table.set_index(["protocol", "method", "part"]).sort_index()
        for key, sampled in sample(results, families=(PIXELS, CURVES, WHOLE, SORTING, CLASSES)).items():
            table = by_run.loc[[key]].set_index("seed").loc[list(sampled.seeds)]
            samples[key] = sampled.moved({m: table[m].to_numpy() for m in ALL_METRICS if m in table})
        return cls(results, samples)

    def parts(self, roles: Sequence[str]) -> list[str]:
        return [part for part, role in self.results.parts.items() if role in roles]

    def cells(self, protocol: str, part: str, metric: str, methods: Sequence[str] | None = None) -> list[dict]:
        """A row of a `Sheet` for each of some methods that were run, all by default, marked among themselves."""
        found = {
            method: self.samples[protocol, method, part]
            for method in methods or self.results.methods
            if (protocol, method, part) in self.samples
        }
        marked, rows = marks(metric, found), []
        for method, sampled in found.items():
            points, images = sampled.points.get(metric), sampled.images
            if points is None:
                continue
            values = sampled.values.get(metric, np.full((1, 1), np.nan))
            low, high = percentiles(values.mean(axis=0)) or (np.nan, np.nan)
            rows.append(
                {
                    "protocol": protocol,
                    "part": part,
                    "role": self.results.parts[part],
                    "method": method,
                    "metric": metric,
                    "mean": points.mean(),
                    "sd": points.std(ddof=1) if len(points) > 1 else np.nan,
                    "low": low,
                    "high": high,
                    "seeds": " ".join(map(str, sampled.seeds)),
                    "images": images,
                    "mark": marked.get(method, ""),
                }
            )
        return rows


def marks(metric: str, found: dict[str, Sampled]) -> dict[str, str]:
    """method -> BEST or TIED, for one metric on one data set.

    The best is the one of the best mean. Methods whose paired difference to it is not significant, or not to be had for
    want of a seed that both have, are tied with it. One alone is no best.
    """
    points = {method: s.points[metric].mean() for method, s in found.items() if metric in s.values}
    points = {method: value for method, value in points.items() if not np.isnan(value)}
    if len(points) < 2:
        return {}
    best = max(points, key=lambda method: ALL_METRICS[metric].better * points[method])
    tied = [method for method in points if method != best and not _differ(metric, found[best], found[method])]
    return dict.fromkeys([best, *tied], TIED) if tied else {best: BEST}


def _differ(metric: str, one: Sampled, other: Sampled) -> bool:
    if not shared([one, other]):
        return False
    _, _, values = combined(metric, [(one, 1.0), (other, -1.0)])
    low, high = percentiles(values.mean(axis=0)) or (np.nan, np.nan)
    return low > 0 or high < 0
