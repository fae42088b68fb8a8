"""Counts of anybody's probabilities and masks, every metric of them, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.analysis.resampling import SEED, resample_counts
from pipeline_src.api.arrays import array, images
from pipeline_src.counting.counts import Counts, ImageRows, image_rows
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.errors import UserError
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS, summary
from pipeline_src.text_tables import aligned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline_src.api.torch_metric import DenseCalibration


class CalibrationReport(dict[str, float]):
    """Metrics by their names in docs/reference/metrics.md, as fractions, not percent. `print` shows
    a table.

    Attributes:
        intervals: metric -> limits of its 95 % interval over images or groups of them; empty unless
            it was asked for.
        undefined: metric -> why it has no value.
        images, pixels: that count.
        bins: of the metrics that have bins.
    """

    images: int
    pixels: int
    bins: int
    intervals: Mapping[str, tuple[float, float]]
    undefined: Mapping[str, str]

    def __init__(self, numbers: Mapping[str, float], **about: Any):
        super().__init__(numbers)
        vars(self).update(about)

    def __missing__(self, name: str) -> float:
        raise KeyError(
            f"{name} is undefined: {self.undefined.get(name, 'there is no such metric')}"
        )

    def __str__(self) -> str:
        rows = [
            (METRICS[name].column, with_ends(METRICS[name], self[name], self.intervals.get(name)))
            for name in self
        ]
        return "\n".join(
            [f"{self.images:,} images, {self.pixels:,} pixels, {self.bins} bins", *aligned(rows)]
        )


class Statistic:
    """All pixels of any number of images, counted in integers: `update`, `merge`, `compute`.

    Neither the order of images nor their split among statistics that are merged changes a bit of a
    metric of all pixels. Metrics that compare images, such as `image_ece`, and intervals are sums
    in the order of the images. Memory is about 3 MB, with K classes 3 MB for each, and 2 KB per
    image and class.

    Args:
        ignore: the label of pixels that never count. Without one it is 255, and a mask of only 0
            and 255 is refused: its 255 is more often the object.
    """

    def __init__(self, ignore: int | None = None):
        self.ignore = ignore
        self._statistic: MapCounts | None = None  # the number of classes is that of the first image

    def update(self, probabilities: Any, masks: Any) -> Statistic:
        """Count images, and return the statistic itself.

        Args:
            probabilities: of an object, (H, W), (N, H, W) or (N, 1, H, W): floats in [0, 1], uint8
                of v / 255 or uint16 of v / 65535. Of K classes, (N, K, H, W), or (K, H, W) with one
                mask: floats that sum to 1. Of two classes the second is the object. Arrays or
                tensors.
            masks: (N, H, W) or (H, W): 0, 1 and the ignored label, or bool; class ids for K
                classes.

        Raises:
            UserError: shapes, labels or values do not fit. The images before the one at fault are
                counted.
        """
        p, y, void = images(probabilities, masks, self.ignore)
        statistic = self._with_classes(p.shape[1] if p.ndim == 4 else 2)
        for number, (f, truth) in enumerate(zip(array(p), y, strict=True), len(self)):
            statistic.add(f, truth, _name(number), ignore=void)
        return self

    def _with_classes(self, classes: int) -> MapCounts:
        if self._statistic is None or not len(self):  # the first images may have been refused
            # Of an object the raw protocol only: the stretched one is the paper's, and takes as
            # long again.
            self._statistic = (
                MapCounts.of_classes(classes) if classes > 2 else MapCounts({"raw": Counts.empty()})
            )
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
        """Return the number of images."""
        return len(image_rows(self.counts))

    def merge(self, other: Statistic) -> Statistic:
        """Add the images of another statistic, as of another process, and return this one.

        Raises:
            UserError: the classes differ.
        """
        if other._statistic is not None and len(other):
            self._statistic = self._with_classes(other.classes) + _renumbered(
                other._statistic, len(self)
            )
        return self

    def compute(
        self, bins: int = 10, intervals: bool = False, groups: Sequence[Hashable] | None = None
    ) -> CalibrationReport:
        """Return every metric that is defined (docs/reference/metrics.md).

        Args:
            bins: equal-width and equal-mass bins, a divisor of 66,300 such as 10, 15, 20 or 100.
            intervals: also 95 % intervals, by 1,000 resamples of the images.
            groups: the group of each image, in the order of adding, where images are not
                independent, such as frames of a video: resamples are of groups then.

        Raises:
            UserError: `bins` cannot be formed, or `groups` do not fit the images.
        """
        check_bins(bins)
        units = None if groups is None else _numbered(groups, len(self))
        run = ProtocolCounts(
            self._statistic or MapCounts({"raw": Counts.empty()}), self.counts, units=units
        )
        values, reasons = summary(run, bins)
        defined = {name: value for name, value in values.items() if value is not None}
        ends = resample_counts(run, bins, SEED).intervals() if intervals and defined else {}
        about = {
            "images": len(self),
            "pixels": self.counts.pixels,
            "bins": bins,
            "undefined": reasons,
        }
        both = {name: interval for name, interval in ends.items() if interval}
        return CalibrationReport(defined, intervals=both, **about)


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


def reliability_diagram(
    statistic: Statistic | DenseCalibration, bins: int = 10, ax: Axes | None = None
) -> Axes:
    """Draw accuracy of the top label against its confidence.

    Args:
        statistic: the counted pixels.
        bins: equal-width bins of confidence, a divisor of 66,300; of 300 for a `DenseCalibration`
            of binned metrics.
        ax: where to draw; a new figure of pyplot by default.

    Raises:
        UserError: no pixel was counted, or the number of bins cannot be formed exactly.
    """
    from pipeline_src.figures import bin_tables, style  # which need matplotlib
    from pipeline_src.figures.reliability import draw_accuracy

    counts = statistic.counts
    if not counts.pixels:
        raise UserError(
            "there is nothing to draw",
            found="no pixel that counts",
            fix="`update` with images first",
        )
    check_bins(bins, counts.levels)
    table = bin_tables.reliability_table(counts, bins)
    with style.house():
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=(style.WIDTH, style.WIDTH), layout="constrained")[1]
        draw_accuracy(ax, table)
    return ax


def _numbered(groups: Sequence[Hashable], images: int) -> np.ndarray:
    """Return the number of each image's group, (N,), from 0; UserError where `groups` do not fit the images."""
    given = list(
        getattr(groups, "tolist", lambda: groups)()
    )  # elements of a tensor are never equal
    if len(given) != images:
        found = f"{len(given)} for {images} images"
        raise UserError(
            "groups do not fit the images", found=found, expected="the group of each image"
        )
    numbers = {group: k for k, group in enumerate(dict.fromkeys(given))}
    return np.array([numbers[group] for group in given], np.int64)


def _name(number: int) -> str:
    return f"image {number:09d}"  # in the order of numbers


def _renumbered(statistic: MapCounts, start: int) -> MapCounts:
    """Return the statistic with images numbered from `start`."""
    counts = {}
    for name, part in statistic.counts.items():
        rows = image_rows(part)
        ids = [_name(start + k) for k in range(len(rows))]
        counts[name] = replace(part, rows=ImageRows(ids, rows.table, rows.levels))
    return MapCounts(counts, statistic.confusion)
