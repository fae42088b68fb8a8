"""Counts of anybody's probabilities and masks, and every metric of them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline_src.analysis.resampling import SEED, resample_counts
from pipeline_src.api.arrays import array, binary, check_sums, class_ids, images
from pipeline_src.counting.counts import Counts, ImageRows, image_rows
from pipeline_src.counting.image_pixels import check_range
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import summary
from pipeline_src.text_tables import aligned

NUMBERED = re.compile(r"image \d{9}")  # the name of an image that was given none
Groups = Sequence[Hashable] | Mapping[str, Hashable]  # of images


class CalibrationReport(dict[str, float]):
    """Metrics by their names in docs/reference/metrics.md, as fractions, not percent. `print` shows a table.

    Attributes:
        intervals: metric -> limits of its 95 % interval over images or groups of them; empty unless it was asked for.
        undefined: metric -> why it has no value.
        images, pixels: that count.
        bins: of the metrics that have bins.
    """

    def __init__(
        self,
        numbers: Mapping[str, float],
        images: int,
        pixels: int,
        bins: int,
        intervals: Mapping[str, tuple[float, float]],
        undefined: Mapping[str, str],
    ):
        super().__init__(numbers)
        self.images, self.pixels, self.bins = images, pixels, bins
        self.intervals, self.undefined = intervals, undefined

    def __missing__(self, name: str) -> float:
        raise KeyError(f"{name} is undefined: {self.undefined.get(name, 'there is no such metric')}")

    def __str__(self) -> str:
        rows = [(METRICS[name].column, with_ends(METRICS[name], self[name], self.intervals.get(name))) for name in self]
        return "\n".join([f"{self.images:,} images, {self.pixels:,} pixels, {self.bins} bins", *aligned(rows)])


class Statistic:
    """All pixels of any number of images, counted in integers: `update`, `merge`, `compute`.

    Neither the order of images nor their split among statistics that are merged changes a bit of a metric of all
    pixels. Metrics that compare images, such as `image_ece` and `ece_debiased`, and intervals are summed in the order
    of names; images without names are numbered as they come, and there their order matters. Memory is
    about 3 MB, with K classes 3 MB for each, and 2 KB per image and class.

    Args:
        ignore: the label of pixels that never count. Without one it is 255, and a mask of only 0 and 255 is refused:
            its 255 is more often the object.
    """

    def __init__(self, ignore: int | None = None):
        self.ignore = ignore
        self._statistic: MapCounts | None = None  # the number of classes is that of the first image
        self._highest: dict[str, int] = {}  # value of integer maps, by type

    def update(self, probabilities: Any, masks: Any, names: Sequence[str] | None = None) -> Statistic:
        """Count images, and return the statistic itself.

        Args:
            probabilities: of an object, (H, W), (N, H, W) or (N, 1, H, W): floats in [0, 1], uint8 of v / 255 or uint16
                of v / 65535. Of K classes, (N, K, H, W), or (K, H, W) with one mask: floats that sum to 1. Of two
                classes the second is the object. Arrays or tensors; or a list of those of single images, whose sizes
                may differ.
            masks: (N, H, W) or (H, W): 0, 1 and the ignored label, or bool; class ids for K classes. A list for a list.
            names: N names of the images, each once; by default they are numbered.

        Raises:
            UserError: shapes, labels, values or names do not fit. The images before the one at fault are counted.
        """
        if _is_list_of_images(probabilities) or _is_list_of_images(masks):
            names_of_each = [None] * len(masks) if names is None else [[name] for name in names]
            if not len(probabilities) == len(masks) == len(names_of_each):
                raise UserError(
                    "lists of images do not fit",
                    found=f"{len(probabilities)} maps, {len(masks)} masks, {len(names_of_each)} names",
                    expected="a mask, and a name where there are names, for each map",
                )
            for image in zip(probabilities, masks, names_of_each, strict=True):
                self.update(*image)
            return self
        p, y = images(array(probabilities), array(masks), self.ignore)
        classes = p.shape[1] if p.ndim == 4 else 2
        statistic = self._with_classes(classes)
        first = len(self)
        names = [f"image {first + k:09d}" for k in range(len(y))] if names is None else list(map(str, names))
        if len(names) != len(y):
            raise UserError("names do not fit the images", found=f"{len(names)} for {len(y)}", expected="one for each")
        ignore = self.ignore
        if classes > 2:
            check_sums(p, y, ignore)
            ignore = IGNORED if ignore is None else ignore
            y = class_ids(y, classes, ignore)
        else:
            y = binary(y, ignore)
            ignore = None if ignore is None else IGNORED
        for image in zip(p, y, names, strict=True):
            statistic.add(*image, ignore=ignore)
        if p.dtype.kind == "u" and p.size:
            self._note({str(p.dtype): int(p.max())})
        return self

    def _note(self, highest: Mapping[str, int]) -> None:
        for kind, value in highest.items():
            self._highest[kind] = max(self._highest.get(kind, 0), value)

    def _with_classes(self, classes: int) -> MapCounts:
        if self._statistic is None or not len(self):  # the first images may have been refused
            # Of an object the raw protocol only: the stretched one is the paper's, and takes as long again.
            self._statistic = MapCounts.of_classes(classes) if classes > 2 else MapCounts({"raw": Counts.empty()})
        if self.classes != classes:
            raise UserError(
                "images of one statistic have different numbers of classes",
                found=f"{classes} after {self.classes}",
                fix="a Statistic for each",
            )
        return self._statistic

    @property
    def classes(self) -> int:
        """The number of classes; 2 for an object."""
        return len(self._statistic.classes) or 2 if self._statistic else 2

    @property
    def counts(self) -> Counts:
        """The pixels by predicted class, label and probability; of K classes by the top one and its probability."""
        return self._statistic.raw if self._statistic else Counts.empty()

    def __len__(self) -> int:
        """The number of images."""
        rows = self.counts.rows
        return 0 if rows is None else len(rows)

    def merge(self, other: Statistic) -> Statistic:
        """Add the images of another statistic, as of another process, and return this one. Images without names are
        numbered on.

        Raises:
            UserError: the classes differ, or an image has a name that is taken.
        """
        if other._statistic is not None and len(other):
            this, that = self._with_classes(other.classes), _renumbered(other._statistic, len(self))
            self._statistic = this + that
            self._note(other._highest)
        return self

    def compute(self, bins: int = 10, intervals: bool = False, groups: Groups | None = None) -> CalibrationReport:
        """Every metric that is defined (docs/reference/metrics.md).

        Args:
            bins: equal-width and equal-mass bins, a divisor of 66,300 such as 10, 15, 20 or 100.
            intervals: also 95 % intervals, by 1,000 resamples of the images.
            groups: the group of each image, where images are not independent, such as frames of a video: resamples are
                of groups then, and what noise adds to an error is reckoned over them. By the names of the images, or in
                the order of these names: that of adding where they were given none.

        Raises:
            UserError: `groups` do not fit the images, or all integer maps have such small values that they are no
                probabilities, such as 8-bit values in uint16.
        """
        check_bins(bins)
        check_range(self._highest, "maps")
        statistic = self._statistic or MapCounts({"raw": Counts.empty()})
        rows = self.counts.rows
        units = None if groups is None else _numbered(groups, [] if rows is None else rows.ids)
        run = ProtocolCounts(statistic, self.counts, units=units)
        values, reasons = summary(run, bins)
        defined = {name: value for name, value in values.items() if value is not None}
        ends = resample_counts(run, bins, SEED).intervals() if intervals and defined else {}
        both = {name: interval for name, interval in ends.items() if interval}
        return CalibrationReport(defined, len(self), self.counts.pixels, bins, both, reasons)


def calibration_report(
    probabilities: Any,
    masks: Any,
    bins: int = 10,
    intervals: bool = True,
    ignore: int | None = None,
    groups: Sequence[Hashable] | None = None,
) -> CalibrationReport:
    """Return every metric of some images with its confidence interval; arguments are those of `Statistic`."""
    return Statistic(ignore).update(probabilities, masks).compute(bins, intervals, groups)


def _is_list_of_images(values: Any) -> bool:
    return isinstance(values, list | tuple) and len(values) > 0 and all(getattr(v, "ndim", 0) > 1 for v in values)


def _numbered(groups: Groups, names: Sequence[str]) -> np.ndarray:
    """(N,) the number of the group of each image, from 0; UserError where `groups` do not fit the images."""
    of_images = [groups[name] for name in names] if isinstance(groups, Mapping) else groups
    given = list(getattr(of_images, "tolist", lambda: of_images)())  # elements of a tensor are never equal
    if len(given) != len(names):
        found = f"{len(given)} for {len(names)} images"
        raise UserError("groups do not fit the images", found=found, expected="the group of each image")
    numbers = {group: k for k, group in enumerate(dict.fromkeys(given))}
    return np.array([numbers[group] for group in given], np.int64)


def _renumbered(statistic: MapCounts, start: int) -> MapCounts:
    """Return the statistic with unnamed images numbered from `start`."""

    def counts(part: Counts) -> Counts:
        rows = image_rows(part)
        ids = [f"image {start + int(i[6:]):09d}" if NUMBERED.fullmatch(i) else i for i in rows.ids]
        return replace(part, rows=ImageRows(ids, rows.table, rows.levels))

    return MapCounts({name: counts(part) for name, part in statistic.counts.items()}, statistic.confusion)
