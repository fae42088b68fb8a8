"""The sufficient statistic of a set of prediction maps: one pass, mergeable by addition, saved as .npz.

    statistic = TwoClassStatistic.empty()
    for probability, truth, image_id in maps:
        statistic.add(probability, truth, image_id)
    statistic.save("U2Net-ECSSD.npz", {"set": "ECSSD"})

It holds two protocols (docs/protocol.md): `raw`, the probabilities as they are, and `stretched`, each map stretched
so that its valid pixels reach from 0 to 1, as the paper's test program does. A map of one value becomes 0 there and is
counted (column `constant` of the rows). All numbers are integers: the result does not depend on the order of images or
their split among workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS, UNIT
from pipeline_src.counting.storage import pack, read, unpack, unreadable, write
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

if TYPE_CHECKING:
    Whole = Mapping[str, Mapping[str, float]]

    from pipeline_src.counting.accumulate import FloatPass


class TwoClassStatistic:
    """Counts of both protocols; `empty`, `add`, `+`, `save`, `load`.

    A quick statistic (`empty(quick=True)`) keeps the counts of the raw protocol only, which suffice for ECE, OE and
    accuracy, in a third of the time; its `stretched` is None.

    Attributes:
        regions: statistics of parts of the same images by name (`regions.RegionStatistics`); none by default.
    """

    def __init__(self, raw: Counts, stretched: Counts | None, regions: Mapping[str, TwoClassStatistic] | None = None):
        self.regions = dict(regions or {})
        self._counts = {"raw": raw, "stretched": stretched}
        self._passes: dict[str, FloatPass] = {}
        self._ids = set() if raw.rows is None else set(raw.rows.ids)

    @classmethod
    def empty(cls, quick: bool = False) -> TwoClassStatistic:
        return cls(Counts.empty(rows=not quick), None if quick else Counts.empty())

    @property
    def raw(self) -> Counts:
        """Counts of the probabilities as they are."""
        return self._flushed("raw")

    @property
    def stretched(self) -> Counts | None:
        """Counts of the maps stretched one by one; None in a quick statistic."""
        return self._flushed("stretched")

    def _flushed(self, protocol: str) -> Counts | None:
        counts = self._counts[protocol]
        if protocol in self._passes:
            self._passes[protocol].flush()
        return counts

    def add(
        self,
        probability: np.ndarray,
        truth: np.ndarray,
        image_id: str,
        within: np.ndarray | None = None,
        whole: Whole | None = None,
        ignore: int | None = None,
    ) -> None:
        """Count one image.

        Args:
            probability: (H, W), probability of the positive class: float32 or float64 in [0, 1] (float64 is rounded to
                float32), or an integer map, uint8 meaning v / 255 and uint16 meaning v / 65535.
            truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored; or bool.
            ignore: 255 says that these pixels are ignored where a mask has no foreground: one of 0 and 255 is refused
                else, since 255 is more often the foreground.
            image_id: names the image; each image once.
            within: (H, W) bool, the pixels that count; None for all (see `regions`). The stretch is of the whole map.
            whole: measures of the whole map to keep, by protocol and name (`whole_maps`); NaN where undefined.

        Raises:
            UserError: shapes differ, a dtype or a value is not allowed, the id is taken. Nothing was counted then.
        """
        if image_id in self._ids:
            raise UserError(f"the image {image_id} was already counted", expected="every image once, under its own id")
        probability, truth = np.asarray(probability), np.asarray(truth)
        if probability.shape != truth.shape or probability.ndim != 2:
            raise UserError(
                f"map and mask of {image_id} do not fit",
                found=f"a map of shape {probability.shape}, a mask of shape {truth.shape}",
                expected="two arrays of the same shape (height, width)",
            )
        y, all_count = _labels(truth.ravel(), image_id, ignore)
        f, kept = probability.ravel(), None if within is None else within.ravel()
        if not all_count:
            valid = y != IGNORED
            f, y, kept = f[valid], y[valid], None if kept is None else kept[valid]
        add = self._add_integers if f.dtype in (np.uint8, np.uint16) else self._add_floats
        add(f, y, image_id, truth.shape, kept, whole or {})

    def _add_floats(
        self, f: np.ndarray, y: np.ndarray, image_id: str, shape: tuple[int, ...], kept: np.ndarray | None, whole: Whole
    ) -> None:
        # Compiled code is slow to import, and reading counts does without.
        from pipeline_src.counting.accumulate import FloatPass, extremes, surely_in_unit_interval

        if not np.issubdtype(f.dtype, np.floating):
            raise UserError(
                f"the map of {image_id} has an unknown type",
                found=f.dtype,
                expected="float32 or float64 in [0, 1], uint8 or uint16",
            )
        quick = self._counts["stretched"] is None
        low, high = (0, 1) if quick and surely_in_unit_interval(f) else extremes(f)
        if not (low >= 0 and high <= 1):  # also catches NaN, which min and max return
            raise UserError(
                f"the map of {image_id} holds values that are not probabilities",
                found=f"values from {low} to {high}",
                expected="probabilities in [0, 1]",
                do="apply the sigmoid to logits; save 0..255 maps as uint8",
            )
        if kept is not None:
            f, y = f[kept], y[kept]
        f = np.ascontiguousarray(f, np.float32)
        low, high = np.float32(low), np.float32(high)
        for protocol, counts in self._counts.items():
            if counts is None:
                continue
            if protocol not in self._passes:
                self._passes[protocol] = FloatPass(counts)
            row = self._passes[protocol].add(f, y, (low, high) if protocol == "stretched" else None)
            if row is not None:
                self._row(protocol, image_id, shape, f.size, high == low, whole, *row)

    def _add_integers(
        self, v: np.ndarray, y: np.ndarray, image_id: str, shape: tuple[int, ...], kept: np.ndarray | None, whole: Whole
    ) -> None:
        from pipeline_src.counting.accumulate import add_fractions, extremes, histogram

        top, whole_map = np.iinfo(v.dtype).max, v
        if kept is not None:
            v, y = v[kept], y[kept]
        value, label, number = histogram(v, y)
        low, high = map(int, value[[0, -1]] if kept is None and v.size else extremes(whole_map))
        for protocol, counts in self._counts.items():
            if counts is None:
                continue
            if protocol == "stretched":
                value, top = (value - low, high - low) if high > low else (0 * value, top)
            row = add_fractions(counts, value, label, number, top)
            if counts.rows is not None:
                self._row(protocol, image_id, shape, v.size, high == low, whole, *row)

    def _row(
        self,
        protocol: str,
        image_id: str,
        shape: tuple[int, ...],
        pixels: int,
        constant: bool,
        whole: Whole,
        sums: Mapping[str, int],
        levels: np.ndarray,
    ) -> None:
        self._ids.add(image_id)
        row = {
            "height": shape[0],
            "width": shape[1],
            "pixels": pixels,
            "constant": int(constant and pixels > 0),
            **{name: round(value * UNIT) for name, value in whole.get(protocol, {}).items() if not math.isnan(value)},
            **sums,
        }
        self._counts[protocol].rows.append(image_id, row, levels)

    def __add__(self, other: TwoClassStatistic) -> TwoClassStatistic:
        """Both together; UserError where they share images. A quick statistic and a full one cannot be added."""
        if self.regions.keys() != other.regions.keys():
            raise ValueError("a statistic with regions and one without cannot be added")
        raw = self.raw + other.raw  # refuses a quick statistic with a full one
        stretched = None if self.stretched is None else self.stretched + other.stretched
        regions = {name: of + other.regions[name] for name, of in self.regions.items()}
        return TwoClassStatistic(raw, stretched, regions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TwoClassStatistic):
            return NotImplemented
        same = self.raw == other.raw and self.stretched == other.stretched
        return same and self.regions == other.regions

    __hash__ = None

    def save(self, path: Path | str, provenance: dict) -> None:
        """Write one .npz, whole or not at all; the same counts and provenance give the same bytes.

        Args:
            provenance: anything that JSON can hold, such as model, data set and versions.
        """
        arrays = pack(self.raw, "raw")
        if self.stretched is not None:
            arrays |= pack(self.stretched, "stretched")
        for name, region in self.regions.items():
            arrays |= pack(region.raw, f"{name}_raw") | pack(region.stretched, f"{name}_stretched")
        write(path, "binary", arrays, provenance)

    @classmethod
    def load(cls, path: Path | str) -> tuple[TwoClassStatistic, dict]:
        """Read what `save` wrote: the statistic and its provenance.

        Raises:
            UserError: no such file, not a statistic, or one of another schema.
        """
        arrays, provenance = read(path, "binary")
        try:
            stretched = unpack(arrays, "stretched") if "stretched_count" in arrays else None
            names = [name.removesuffix("_raw_count") for name in arrays if name.endswith("_raw_count")]
            regions = {name: cls(*(unpack(arrays, f"{name}_{of}") for of in PROTOCOLS)) for name in names}
            return cls(unpack(arrays, "raw"), stretched, regions), provenance
        except Exception as error:  # whatever missing or damaged members make of it
            raise unreadable(path, error) from error


def _labels(truth: np.ndarray, image_id: str, ignore: int | None) -> tuple[np.ndarray, bool]:
    """`truth` as uint8, checked to hold 0, 1 and 255 only, and whether it holds no 255."""
    if truth.dtype == bool:
        return truth.view(np.uint8), True
    all_count = truth.dtype == np.uint8 and (not truth.size or truth.max() <= 1)
    if truth.dtype != np.uint8 or (not all_count and np.any((truth > 1) & (truth != IGNORED))):
        raise UserError(
            f"the mask of {image_id} has unknown labels",
            found=f"{truth.dtype} with the values {np.unique(truth)[:10].tolist()}",
            expected="uint8 with 0 background, 1 foreground, 255 ignored",
            do="threshold grey masks first: (mask > 127).astype('uint8')",
        )
    if not all_count and ignore != IGNORED and not np.any(truth == 1):
        raise UserError(
            f"the mask of {image_id} has no foreground, and 255 may be it",
            found=f"uint8 with the values {np.unique(truth).tolist()}",
            expected="1 for foreground, and 255 for pixels that are ignored",
            do="(mask > 127).astype('uint8') if 255 is the foreground; ignore=255 if it is not: Statistic(ignore=255)",
        )
    return truth, all_count
