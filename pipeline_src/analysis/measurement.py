"""Measurements of the methods on a dataset, in one .npz: the member `header` (JSON) lists the other members."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.intervals import ENOUGH, FEW_GROUPS
from pipeline_src.analysis.resampling import Resampled
from pipeline_src.counting.counts import Counts
from pipeline_src.errors import UserError
from pipeline_src.files import atomic

COMPARED = (
    "ece",
    "brier",
    "nll",
    "accuracy",
)  # metrics of which differences of all methods are shown (T14)


@dataclass(frozen=True)
class Measurement:
    """The metrics of a method on a dataset in one protocol: S seeds, N images, R resamples, K
    classes.

    Attributes:
        seeds: of its runs, ascending.
        images: their number, N.
        units: how many images, or groups of them, are resampled.
        points: metric -> (S,), its exact values.
        values: metric -> (S, R), its values on resamples of the images, the same draws for all
            methods and seeds.
        pixels: number of pixels that count, in one run.
        reasons: metric -> why it is undefined.
        of_all_seeds: whether its single run uses the networks of all seeds and is compared with
            each seed of others.
        arrays: further arrays:
            `accuracy_band` (bins + 1, 2): confidence limits of the accuracy in each bin and over
            all pixels; `groups` (N,): the group of each image; `image_means` (2, S, N): mean
            confidence and accuracy of each image, NaN without a pixel that counts; `left_out` (S,
            M, U): the metrics `COMPARED` without each of the units; and the pooled counts of all
            seeds, as `Counts.arrays`, with `top`.
    """

    seeds: Sequence[int]
    images: int
    units: int
    points: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    pixels: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)
    of_all_seeds: bool = False
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of_runs(
        cls, seeds: Sequence[int], runs: Sequence[Resampled], images: int = 0, **facts: Any
    ) -> Measurement:
        """Return the measurement of the runs of all seeds; NaN where a seed lacks a metric."""
        values = {name: entry for run in runs for name, entry in run.values.items()}
        return cls(
            seeds,
            images,
            runs[0].units,
            {name: np.array([run.points.get(name, np.nan) for run in runs]) for name in values},
            {
                name: np.stack([run.values.get(name, np.full_like(entry, np.nan)) for run in runs])
                for name, entry in values.items()
            },
            reasons={name: reason for run in runs for name, reason in run.reasons.items()},
            **facts,
        )

    def of_seeds(self, numbers: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Return the rows of `numbers` (S, ...) that belong to `seeds`."""
        if self.of_all_seeds:
            return np.repeat(numbers, len(seeds), axis=0)
        return numbers[[list(self.seeds).index(seed) for seed in seeds]]

    @property
    def counts(self) -> Counts:
        """The pixels of all seeds in one, without rows per image."""
        return replace(Counts.of_arrays(self.arrays, "all", ids=None), top=bool(self.arrays["top"]))

    @property
    def groups(self) -> np.ndarray | None:
        """(N,) the group of each image, from 0, where images are not independent; they are resampled by it."""
        return self.arrays.get("groups")

    @property
    def size(self) -> str:
        """The number of its images, and of their groups, as text."""
        of_images = "" if self.groups is None else f"{self.images:,} images in "
        few = ""
        if self.units == 1:
            few = " (no intervals)"
        elif self.units < FEW_GROUPS:
            few = " (few: rough intervals)"
        elif self.units < ENOUGH and len(self.seeds) == 1:
            few = " (few: intervals can be too narrow)"
        return f"{of_images}{self.units:,} {'image' if self.groups is None else 'group'}{'s' * (self.units != 1)}{few}"


def write(
    path: Path, header: Mapping[str, Any], measured: Mapping[tuple[str, str], Measurement]
) -> None:
    """Write the measurements of a dataset, by (protocol, method), and a header, as JSON can hold it."""
    entries, members = [], dict[str, Any]()
    for (protocol, method), run in measured.items():
        facts = {name: getattr(run, name) for name in ("images", "units", "pixels")}
        facts |= {
            "protocol": protocol,
            "method": method,
            "seeds": list(run.seeds),
            "reasons": dict(run.reasons),
        }
        facts["points"] = {name: by_seed.tolist() for name, by_seed in run.points.items()}
        for kind in ("values", "arrays"):
            facts[kind] = list(getattr(run, kind))
            members |= {
                f"{protocol}/{method}/{kind}/{name}": array
                for name, array in getattr(run, kind).items()
            }
        entries.append(facts)
    text = json.dumps({**header, "entries": entries}, ensure_ascii=False)
    with atomic(path) as temporary:
        np.savez(temporary, header=np.frombuffer(text.encode(), np.uint8), **members)


class Reader:
    """The measurements in a file; an array is read when it is used. UserError if the file is no analysis."""

    def __init__(self, path: Path):
        try:
            self._file = np.load(path, allow_pickle=False)
            self.header = json.loads(self._file["header"].tobytes())
            self._entries = {
                (entry.pop("protocol"), entry.pop("method")): entry
                for entry in self.header["entries"]
            }
            for entry in self._entries.values():
                entry["points"] = {
                    name: np.array(by_seed) for name, by_seed in entry["points"].items()
                }
        except (
            Exception
        ) as error:  # whatever a missing, foreign or broken file makes numpy, zip or json raise
            raise UserError(
                f"{path} is not the analysis of a dataset",
                found=error,
                fix="recompute it: `snakemake --cores all`",
            ) from None

    def __contains__(self, pair: object) -> bool:
        """Return whether there is a (protocol, method)."""
        return pair in self._entries

    def measurement(self, protocol: str, method: str, of_all_seeds: bool = False) -> Measurement:
        """Return the measurement of a method in one protocol; its arrays are read lazily."""
        entry, place = self._entries[protocol, method], f"{protocol}/{method}"
        lazy = {
            kind: _Lazy(self._file, f"{place}/{kind}", entry[kind]) for kind in ("values", "arrays")
        }
        return Measurement(**(entry | lazy), of_all_seeds=of_all_seeds)


class _Lazy(Mapping[str, np.ndarray]):
    """Arrays of a file by short names, those in one folder of it."""

    def __init__(self, file: Mapping[str, np.ndarray], folder: str, names: Collection[str]):
        self._file, self._folder, self._names = file, folder, names

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        return self._file[f"{self._folder}/{name}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
