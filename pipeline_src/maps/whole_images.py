"""S-measure, E-measure and weighted F of every image, computed by several processes."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.intervals import interval
from pipeline_src.analysis.resampling import image_means
from pipeline_src.counting.counts import parts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.whole_maps import MEASURES, whole_map_measures
from pipeline_src.maps.counts import read_binary
from pipeline_src.maps.masks import Meaning
from pipeline_src.maps.pairs import Pair, Pairs
from pipeline_src.metrics.metric import FRACTION

EACH = 15_000_000  # pixels per process, at least: a process starts in a second, in which another one measures as many
MISSING = "no image has it: it needs masks without ignored pixels, weighted F also foreground"


@dataclass(frozen=True)
class WholeImages:
    """Measures of whole maps in one protocol.

    Attributes:
        table: (N, len(MEASURES)), in the order of the stems; NaN where undefined.
    """

    table: np.ndarray

    @property
    def means(self) -> dict[str, float | None]:
        """Mean over the images that have a value; None without any."""
        columns = zip(MEASURES, self.table.T, strict=True)
        return {
            name: None if np.isnan(values).all() else float(values[~np.isnan(values)].mean())
            for name, values in columns
        }

    def intervals(
        self, key: int, resamples: int, groups: np.ndarray | None = None
    ) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals of the means, on the same draws as all other intervals."""
        resampled = image_means(self.table, key, resamples, groups)
        units = self.present(groups)
        pairs = zip(self.means.items(), resampled.T, strict=True)
        return {n: None if mean is None else interval(mean, means, units[n], FRACTION) for (n, mean), means in pairs}

    def present(self, groups: np.ndarray | None) -> dict[str, int]:
        """Return the number of images, or of groups, that have each measure."""
        units = np.arange(len(self.table)) if groups is None else groups
        columns = zip(MEASURES, ~np.isnan(self.table.T), strict=True)
        return {name: len(np.unique(units[defined])) for name, defined in columns}


def whole_images(pairs: Pairs, meaning: Meaning, pixels: int) -> dict[str, WholeImages]:
    """Measures of all images, which have so many `pixels` in total, by protocol."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, len(pairs), pixels // EACH)
    values = np.empty((len(PROTOCOLS), len(pairs), len(MEASURES)))
    with processes.pool(workers) if workers > 1 else nullcontext() as pool:
        for part in parts(len(pairs), 1024):  # `map` submits all its jobs at once
            jobs = [(pairs[k], meaning) for k in range(part.start, part.stop)]
            done = pool.map(_measure, jobs, chunksize=8) if pool else map(_measure, jobs)
            values[:, part] = np.swapaxes(list(done), 0, 1)
    return {protocol: WholeImages(table) for protocol, table in zip(PROTOCOLS, values, strict=True)}


def _measure(job: tuple[Pair, Meaning]) -> list[list[float]]:
    pair, meaning = job
    probability, truth, _, _ = read_binary(pair, meaning)
    values = whole_map_measures(probability, truth)
    return [[values[protocol][name] for name in MEASURES] for protocol in PROTOCOLS]
