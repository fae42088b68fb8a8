"""What figures are drawn from: the statistics of a data set, read once, with intervals over its images."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline_src.analysis.bootstrap import over_images, percentiles
from pipeline_src.analysis.results import Results
from pipeline_src.analysis.samples import RESAMPLES, SUMS, Run, by_class, metrics, per_image
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.either import load
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.multiclass import of_classes
from pipeline_src.counting.views import reliability_bins
from pipeline_src.figures.catalogue import CLASS_METRICS

SHOWN = ("ece", "oe", "accuracy")


@dataclass(frozen=True)
class Measured:
    """A method on a data set in one protocol.

    Attributes:
        counts: the pixels of all seeds in one, without rows.
        sums: (S, N, C) sums over the pixels of each of N images for each of S seeds, as `samples.per_image`.
        resampled: (S, R, C) the same, summed over R resamples of the images.
        bins: number of bins.
        by_class: of several classes, (S, 1 + R, C) sums over all images and over the resamples, as `samples.by_class`.
    """

    counts: Counts
    sums: np.ndarray
    resampled: np.ndarray
    bins: int
    by_class: np.ndarray | None = None

    @property
    def images(self) -> int:
        return self.sums.shape[1]

    @property
    def pixels(self) -> int:
        """Of one seed."""
        return self.counts.pixels // len(self.sums)

    @cached_property
    def metrics(self) -> dict[str, tuple[float, float, float]]:
        """By name: the mean over seeds and its 95 % interval (NaN where a resample leaves it undefined)."""
        points = metrics(self.sums.sum(axis=1), self.bins)
        values = metrics(self.resampled, self.bins)
        nothing = (np.nan, np.nan)
        return {
            name: (float(points[name].mean()), *(percentiles(values[name].mean(axis=0)) or nothing)) for name in SHOWN
        }

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """As `reliability_table`, with the band; none where a resample leaves a bin empty."""
        together = self.resampled.sum(axis=0)
        count, hits = together[:, : self.bins], together[:, self.bins : 2 * self.bins]
        whole = [a.sum(axis=1, keepdims=True) for a in (count, hits)]
        with np.errstate(invalid="ignore", divide="ignore"):
            accuracy = np.concatenate([hits / count, whole[1] / whole[0]], axis=1)
        ends = [percentiles(values) or (np.nan, np.nan) for values in accuracy.T]
        low, high = np.transpose(ends)
        return reliability_table(self.counts, self.bins).assign(low=low, high=high)

    def classes(self, names: Sequence[str]) -> pd.DataFrame:
        """A row per class: `class`, its pixels' `ece` and `iou` as means over seeds, and the ends of their intervals
        (`ece_low`...; NaN where a resample lacks the class)."""
        table = pd.DataFrame({"class": list(names)})
        for metric, values in zip(CLASS_METRICS, of_classes(self.by_class, self.bins), strict=True):
            mean = values.mean(axis=0)
            table[metric] = mean[0]
            ends = [percentiles(of) or (np.nan, np.nan) for of in mean[1:].T]
            table[f"{metric}_low"], table[f"{metric}_high"] = np.transpose(ends)
        return table

    def of_images(self, name: str) -> np.ndarray:
        """(S N,) mean of one of `samples.SUMS` over the pixels of each image; without images that have no pixel."""
        columns = self.sums[:, :, 3 * self.bins :].reshape(-1, len(SUMS))
        columns = columns[columns[:, 0] > 0]
        return columns[:, SUMS.index(name)] / columns[:, 0] / (1 if name == "correct" else UNIT)


def reliability_table(counts: Counts, bins: int) -> pd.DataFrame:
    """A row per bin: `lower`, `upper`, `pixels`, `share`, mean `confidence` and `accuracy`, `gap` (positive where
    over-confident), NaN where it is empty; `low` and `high`, the ends of the accuracy's band, NaN as it is not known
    here. A last row named "all" in column `bin` has all pixels together.
    """
    tables = []
    for number in (bins, 1):
        found = reliability_bins(counts, number)
        table = pd.DataFrame({"lower": found.lower, "upper": found.upper, "pixels": found.count})
        table["share"] = found.count / max(int(found.count.sum()), 1)
        table["confidence"], table["accuracy"] = found.confidence, found.accuracy
        table["gap"] = table["confidence"] - table["accuracy"]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "bin", [*map(str, range(1, bins + 1)), "all"])
    return table.assign(low=np.nan, high=np.nan)


def measure(results: Results, part: str) -> Mapping[tuple[str, str], Measured]:
    """All methods on a data set, by (protocol, method)."""
    return {
        (protocol, method): measured
        for method in results.methods
        for protocol, measured in _of_method(results, method, part).items()
    }


def _of_method(results: Results, method: str, part: str) -> dict[str, Measured]:
    """Resamples are those of the tables: keyed by the set's name, the same for all methods and seeds."""
    of_seeds = [Run.by_protocol(load(results.statistics[method, seed, part])) for seed in results.seeds(method, part)]
    found = {}
    for protocol in results.protocols:
        runs = [run[protocol] for run in of_seeds]
        sums, resampled = _summed([per_image(run, results.bins) for run in runs], part)
        classes = None
        if results.classes > 2:
            of_image, drawn = _summed([by_class(run, results.bins) for run in runs], part)
            classes = np.concatenate([of_image.sum(axis=1, keepdims=True), drawn], axis=1)
        first, *rest = (replace(run.counts, rows=None) for run in runs)
        found[protocol] = Measured(sum(rest, first), sums, resampled, results.bins, classes)
    return found


def _summed(sums: Sequence[np.ndarray], part: str) -> tuple[np.ndarray, np.ndarray]:
    """(S, N, C) sums over the pixels of each image, from those of each seed, and (S, R, C) over resampled images."""
    return np.stack(sums), np.stack([over_images(of, RESAMPLES, zlib.crc32(part.encode())) for of in sums])
