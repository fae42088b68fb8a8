"""Measurements of the methods on a dataset, in one .npz: the member `header` (JSON) lists the other
members.
"""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.intervals import (
    ENOUGH,
    FEW_GROUPS,
    Groups,
    Limits,
    error_interval,
    interval,
    within,
)
from pipeline_src.counting.counts import Histogram
from pipeline_src.counting.storage import histogram_from
from pipeline_src.errors import UserError
from pipeline_src.files import Content, atomic
from pipeline_src.metrics.registry import METRICS

# The metrics of the table of all differences of methods (T14).
COMPARED = ("ece", "brier", "nll", "accuracy")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Measurement:
    """The metrics of a method on a dataset in one protocol: S seeds, N images, R resamples, K
    classes.

    Attributes:
        seeds: the seeds of the method's runs, ascending.
        images: number of images, N.
        units: how many images, or groups of them, are resampled.
        points: metric -> (S,) exact values.
        values: metric -> (S, R) values on resamples of the images, the same resamples for all
            methods and seeds; NaN where a resample leaves it undefined.
        pixels: number of pixels that count, in one run.
        reasons: metric -> why it is undefined.
        present: metric -> number of units that have it, where some do not.
        of_all_seeds: whether its single run uses the networks of all seeds and is compared with
            each seed of others.
        arrays: further arrays:
            `accuracy_band` (bins + 1, 2): confidence limits of the accuracy in each bin and over
            all pixels; `groups` (N,): the group of each image; `image_means` (2, S, N): mean
            confidence and accuracy of each image, NaN without a pixel that counts; `left_out` (S,
            M, U): the metrics `COMPARED` without each of the units; and the pooled histogram of all
            seeds as arrays to store (`storage.histogram_arrays`), with `top`. Of a single run:
            `bin_sums` (C,) and `resampled_bin_sums` (R, C), the sums of `metrics.inputs.Binned`
            over its units.
    """

    seeds: Sequence[int]
    images: int
    units: int
    points: Arrays
    values: Arrays
    pixels: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)
    present: Mapping[str, int] = field(default_factory=dict)
    of_all_seeds: bool = False
    arrays: Arrays = field(default_factory=dict)

    @classmethod
    def of_runs(
        cls,
        seeds: Sequence[int],
        runs: Sequence[Measurement],
        arrays: Arrays | None = None,
    ) -> Measurement:
        """Return the measurement of the runs of all seeds; NaN where a seed lacks a metric.

        Args:
            seeds: of the runs.
            runs: the measurement of each run, of one seed.
            arrays: of the result; those of single runs are left out.
        """
        points: dict[str, np.ndarray] = {}
        values: dict[str, np.ndarray] = {}
        reasons: dict[str, str] = {}
        present: dict[str, int] = {}
        # Each metric that a run has -> (1, R), the shape of its values on resamples.
        shapes = {name: of_run.shape for run in runs for name, of_run in run.values.items()}
        for name, shape in shapes.items():
            undefined = np.full(shape, np.nan)
            points[name] = np.concatenate([run.points.get(name, undefined[:, 0]) for run in runs])
            values[name] = np.concatenate([run.values.get(name, undefined) for run in runs])
        for run in runs:
            reasons |= run.reasons
            present |= run.present
        return cls(
            seeds=seeds,
            images=runs[0].images,
            units=runs[0].units,
            points=points,
            values=values,
            pixels=runs[0].pixels,
            reasons=reasons,
            present=present,
            arrays=arrays or {},
        )

    def of_seeds(self, numbers: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Return the rows of `numbers` that belong to `seeds`, to be paired with those of another
        method.

        Args:
            numbers: (S, ...), a row for each of this measurement's seeds.
            seeds: some of these seeds; of a single run of all seeds, any seeds.
        """
        if self.of_all_seeds:  # its single row is compared with each seed
            return np.repeat(numbers, len(seeds), axis=0)
        return numbers[[list(self.seeds).index(seed) for seed in seeds]]

    def numbers(self) -> dict[str, float | None]:
        """Return the exact value of every metric of a single run; None where it is undefined."""
        names = [name for name in METRICS if name in self.points or name in self.reasons]
        values: dict[str, float | None] = dict.fromkeys(names)
        for name, by_seed in self.points.items():
            values[name] = float(by_seed[0])
        return values

    def intervals(self) -> dict[str, Limits | None]:
        """Return metric -> the 95 % interval over images, for a single run.

        The interval is None where a resample leaves the metric undefined.
        """
        by_percentiles = {}
        for name, values in self.values.items():
            units = self.present.get(name, self.units)
            by_percentiles[name] = interval(float(self.points[name][0]), values[0], units)
        limits: dict[str, Limits | None] = {}
        for name, ends in by_percentiles.items():
            metric = METRICS[name]
            square = by_percentiles.get(metric.decided_by)
            if ends and square:  # an error, whose interval is too narrow near 0
                ends = error_interval(float(self.points[name][0]), ends, square)
            limits[name] = ends and within(ends, metric.range)
        return limits

    @property
    def histogram(self) -> Histogram:
        """The histogram of the pixels of all seeds together."""
        return histogram_from(self.arrays, "all", top=bool(self.arrays["top"]))

    @property
    def groups(self) -> Groups:
        """The group of each image, (N,) from 0; None where images are independent.

        Groups are resampled as a whole.
        """
        return self.arrays.get("groups")

    @property
    def size(self) -> str:
        """The number of images, and of their groups, as text; few get a note on their intervals.

        Between `FEW_GROUPS` and `ENOUGH` of them only intervals of a single seed get the note.
        """
        few = ""
        if self.units == 1:
            few = " (no intervals)"
        elif self.units < FEW_GROUPS:
            few = " (few: rough intervals)"
        elif self.units < ENOUGH and len(self.seeds) == 1:
            few = " (few: intervals can be too narrow)"
        plural = "s" * (self.units != 1)
        if self.groups is None:
            return f"{self.units:,} image{plural}{few}"
        return f"{self.images:,} images in {self.units:,} group{plural}{few}"


Measured = dict[tuple[str, str], Measurement]  # (protocol, method) -> measurement


def write(path: Path, header: Mapping[str, Any], measured: Measured) -> None:
    """Write the measurements of a dataset to the file `path`.

    Args:
        header: facts of the dataset, in JSON's types.
    """
    entries = []
    members: dict[str, Any] = {}
    for (protocol, method), run in measured.items():
        entry = {
            "images": run.images,
            "units": run.units,
            "pixels": run.pixels,
            "protocol": protocol,
            "method": method,
            "seeds": list(run.seeds),
            "reasons": dict(run.reasons),
            "present": dict(run.present),
            "points": {name: by_seed.tolist() for name, by_seed in run.points.items()},
            "values": list(run.values),
            "arrays": list(run.arrays),
        }
        entries.append(entry)
        for folder, arrays in (("values", run.values), ("arrays", run.arrays)):
            for name, array in arrays.items():
                members[f"{protocol}/{method}/{folder}/{name}"] = array
    text = json.dumps({**header, "entries": entries}, ensure_ascii=False)
    with atomic(path) as temporary:
        np.savez(temporary, header=np.frombuffer(text.encode(), np.uint8), **members)


def read_measurements(path: Path) -> tuple[Content, Measured]:
    """Return the header of a file that `write` wrote, and its measurements, whose arrays are read
    when they are used.

    Raises:
        UserError: the file is missing or is not an analysis.
    """
    measured = {}
    try:
        file = np.load(path, allow_pickle=False)
        header = json.loads(file["header"].tobytes())
        for entry in header["entries"]:
            pair = entry.pop("protocol"), entry.pop("method")
            for name, by_seed in entry["points"].items():
                entry["points"][name] = np.array(by_seed)
            for folder in ("values", "arrays"):  # of which the entry has the names of the arrays
                entry[folder] = _Lazy(file, "/".join([*pair, folder]), entry[folder])
            measured[pair] = Measurement(**entry)
    except Exception as error:  # whatever a broken file makes numpy, zip or json raise
        raise UserError(
            f"{path} is not the analysis of a dataset",
            found=error,
            fix="recompute it: `snakemake --cores all`",
        ) from None
    return header, measured


class _Lazy(UserDict[str, Any]):
    """The arrays in one folder of an .npz file, by their names in this folder; read on use, because
    values on resamples are large and many readers need only a few.
    """

    def __init__(self, file: Arrays, folder: str, names: Collection[str]):
        """Take the open file, a folder in it, and the names of the arrays in this folder."""
        super().__init__({name: f"{folder}/{name}" for name in names})
        self._file = file

    def __getitem__(self, name: str) -> np.ndarray:
        """Read and return the array `name` of the folder; KeyError if there is none."""
        return self._file[super().__getitem__(name)]
