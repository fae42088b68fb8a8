"""The evaluation of arrays and tensors: counts, every metric, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src import __version__
from pipeline_src.analysis.intervals import Limits
from pipeline_src.analysis.resampling import RESAMPLES, SEED, measure
from pipeline_src.api.batches import Objects, batches_of, check_objects, checked_image, object_mask
from pipeline_src.calibrators.pixels import least_probability
from pipeline_src.counting import storage
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.bins import check_bins
from pipeline_src.counting.counts import Counts, grouped
from pipeline_src.errors import UserError
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import aligned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipeline_src.api.torch_metric import DenseCalibration


class CalibrationReport(dict[str, float]):
    """Metrics by their names in docs/reference/metrics.md, as fractions and not in percent.

    `print` shows a table; a name without a value raises a KeyError that says why.

    Attributes:
        intervals: metric -> limits of its 95 % interval over images or groups of them; empty unless
            it was asked for.
        undefined: metric -> why it has no value.
        images, pixels: that count.
        bins: of the metrics that have bins.
    """

    def __init__(
        self,
        numbers: Mapping[str, float],
        *,
        images: int,
        pixels: int,
        bins: int,
        intervals: Mapping[str, Limits],
        undefined: Mapping[str, str],
    ):
        super().__init__(numbers)
        self.images = images
        self.pixels = pixels
        self.bins = bins
        self.intervals = intervals
        self.undefined = undefined

    def __missing__(self, name: str) -> float:
        """Raise a KeyError that says why the metric `name` has no value."""
        raise KeyError(
            f"{name} is undefined: {self.undefined.get(name, 'there is no such metric')}"
        )

    def __str__(self) -> str:
        """Return a table: a row per metric, with its confidence interval where it is known."""
        rows = []
        for name, number in self.items():
            metric = METRICS[name]
            rows.append((metric.column, with_ends(metric, number, self.intervals.get(name))))
        title = f"{self.images:,} images, {self.pixels:,} pixels, {self.bins} bins"
        return "\n".join([title, *aligned(rows)])


class Evaluation:
    """All pixels of any number of images, counted in integers: `update`, `merge`, `compute`.

    Neither the order of images nor their split among evaluations that are merged changes a bit of a
    metric of all pixels. Metrics that compare images, such as `image_ece`, and intervals are sums
    in the order of the images. Memory is about 3 MB, with K classes 3 MB for each, and 2 KB per
    image and class.

    Args:
        ignore: the label of pixels that never count. Without one, 255 is the object of masks that
            have 0 and 255 only, as in `judge`; in other masks 255 never counts.
        volumes: whether images have three axes, (D, H, W). A volume is one sampling unit, as an
            image is.
    """

    def __init__(self, ignore: int | None = None, *, volumes: bool = False):
        self.ignore = ignore
        self.volumes = volumes
        # The value of the object in the masks so far, 1 or 255 -> the first image that has it.
        self._objects: Objects = {}
        # Of an object only the unnormalized maps: to count min-max normalized ones as well, as the
        # paper does, takes twice as long.
        self._accumulator = Accumulator(protocols=["raw"])

    def update(self, probabilities: Any, masks: Any) -> Evaluation:
        """Count images, and return the evaluation itself.

        Args:
            probabilities: of an object, (H, W), (N, H, W) or (N, 1, H, W): floats in [0, 1], uint8
                of v / 255 or uint16 of v / 65535. Of K classes, (N, K, H, W), or (K, H, W) with one
                mask: floats that sum to 1. Of two classes the second is the object. Volumes have
                (D, H, W) in place of (H, W), and need `volumes=True`: (N, H, W) is a batch of
                images without it. Arrays or tensors; or a list of images, which may have different
                sizes.
            masks: (N, H, W) or (H, W): 0, 1 and the ignored label, 0 and 255, or bool; class ids
                for K classes. A list where the probabilities are one.

        Raises:
            UserError: shapes, labels or values do not fit, or some masks have objects of 1 and
                others of 255. The images before the one at fault are counted.
        """
        for p, y, classes in batches_of(probabilities, masks, volumes=self.volumes):
            self._set_classes(classes)
            for probability, mask in zip(p, y, strict=True):
                self._add(probability, mask, _image_id(len(self)))
        return self

    def _add(self, probability: Any, mask: Any, image_id: str) -> None:
        """Count one image, (H, W) or (K, H, W), and its mask (H, W)."""
        if self._accumulator.classes:
            self._accumulator.add(checked_image(probability, mask, image_id, self.ignore))
            return
        mask = object_mask(mask, self.ignore, image_id, self._objects)
        sample = checked_image(probability, mask, image_id, self.ignore)
        # NLL takes the logarithm of no smaller probability: integer maps have wider steps.
        self._accumulator.add(sample, least_probability(sample.probability.dtype))

    def _set_classes(self, classes: int | None) -> None:
        """Set the number of classes, which is that of the first image."""
        if classes == self._accumulator.classes:
            return
        if len(self):
            kinds = []
            for number in (self._accumulator.classes, classes):
                kinds.append(f"{number} classes" if number else "an object")
            raise UserError(
                "images of one evaluation have different classes",
                found=", then ".join(kinds),
                fix="an Evaluation for each",
            )
        self._accumulator = Accumulator(classes, protocols=["raw"])

    @property
    def classes(self) -> int:
        """The number of classes; 2 for an object."""
        return self._accumulator.classes or 2

    @property
    def counts(self) -> Counts:
        """The pixels by predicted class, label and probability; of K classes by the top one and its
        probability.
        """
        return self._accumulator.counts()["raw"]

    @property
    def ids(self) -> Sequence[str]:
        """The names of the images, sorted: those of a loaded file, and of added ones their numbers
        in the order of adding.
        """
        return self.counts.images.ids

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._accumulator)

    def merge(self, other: Evaluation) -> Evaluation:
        """Add the images of another evaluation, as of another process, and return this one.

        Raises:
            UserError: the classes differ, or the masks of one have objects of 1 and those of the
                other have objects of 255.
        """
        objects = other._objects | self._objects
        check_objects(objects)
        if len(other):
            self._set_classes(other._accumulator.classes)
            self._accumulator.include({"raw": _renumbered(other.counts, len(self))})
            self._objects = objects
        return self

    def save(self, path: Path | str, name: str = "") -> None:
        """Write the counts to a file (.npz), as the `counts.npz` of `judge`.

        Args:
            name: of the model, which the file holds.
        """
        # JSON makes texts of the labels, which `load` reads.
        provenance = {"name": name, "version": __version__, "objects": self._objects}
        storage.save({"raw": self.counts}, path, provenance)

    @classmethod
    def load(
        cls, path: Path | str, ignore: int | None = None, *, volumes: bool = False
    ) -> Evaluation:
        """Return the evaluation that is saved in a file of `save`, or in `counts.npz` of `judge`.

        Of maps of an object it holds the unnormalized ones, `raw`.

        Args:
            ignore, volumes: of the images that are added to it.

        Raises:
            UserError: there is no such file, or another content in it.
        """
        counts = storage.load(path)["raw"]
        evaluation = cls(ignore, volumes=volumes)
        evaluation._set_classes(len(counts.classes) or None)
        evaluation._accumulator.include({"raw": counts})
        # `judge` writes none: it decides for all masks together.
        objects = storage.provenance(path).get("objects", {})
        evaluation._objects = {int(label): image for label, image in objects.items()}
        return evaluation

    def compute(
        self, bins: int = 10, intervals: bool = False, groups: Sequence[Hashable] | None = None
    ) -> CalibrationReport:
        """Return every metric that is defined (docs/reference/metrics.md).

        Args:
            bins: equal-width and equal-mass bins, a divisor of 66,300 such as 10, 15, 20 or 100.
            intervals: also 95 % intervals, by 1,000 resamples of the images.
            groups: the group of each image, in the order of `ids`, where images are not
                independent, such as frames of a video: resamples are of groups then.

        Raises:
            UserError: `bins` cannot be formed, or `groups` do not fit the images.
        """
        check_bins(bins)
        units = None if groups is None else _numbered(groups, len(self))
        counts = grouped({"raw": self.counts}, units)["raw"]
        measured = measure(counts, bins, SEED, RESAMPLES if intervals else 0)
        return CalibrationReport(
            {name: float(point[0]) for name, point in measured.points.items()},
            images=len(self),
            pixels=measured.pixels,
            bins=bins,
            intervals={name: ends for name, ends in measured.intervals().items() if ends},
            undefined=measured.reasons,
        )


Statistic = Evaluation  # its name before version 3, kept for one release


def calibration_report(
    probabilities: Any,
    masks: Any,
    bins: int = 10,
    intervals: bool = True,
    ignore: int | None = None,
    groups: Sequence[Hashable] | None = None,
    *,
    volumes: bool = False,
) -> CalibrationReport:
    """Return every metric of some images with its confidence interval.

    Arguments are those of `Evaluation`, `Evaluation.update` and `Evaluation.compute`.
    """
    evaluation = Evaluation(ignore, volumes=volumes).update(probabilities, masks)
    return evaluation.compute(bins, intervals, groups)


def reliability_diagram(
    evaluation: Evaluation | DenseCalibration, bins: int = 10, ax: Axes | None = None
) -> Axes:
    """Draw accuracy of the top label against its confidence.

    Args:
        evaluation: the counted pixels.
        bins: equal-width bins of confidence, a divisor of 66,300; of 300 for a `DenseCalibration`
            of binned metrics.
        ax: where to draw; a new figure of pyplot by default.

    Raises:
        UserError: no pixel was counted, or the number of bins cannot be formed exactly.
    """
    from pipeline_src.figures import bin_tables, style  # which need matplotlib
    from pipeline_src.figures.reliability import draw_accuracy

    histogram = evaluation.counts.histogram
    if not histogram.pixels:
        raise UserError(
            "there is nothing to draw",
            found="no pixel that counts",
            fix="`update` with images first",
        )
    table = bin_tables.reliability_table(histogram, bins)
    with style.house():
        if ax is None:
            from matplotlib import pyplot

            size = (style.WIDTH, style.WIDTH)
            ax = pyplot.subplots(figsize=size, layout="constrained")[1]
        draw_accuracy(ax, table)
    return ax


def _numbered(groups: Sequence[Hashable], images: int) -> np.ndarray:
    """Return the number of each image's group, (N,), from 0.

    Args:
        groups: the group of each image, anything hashable.
        images: the number N of images.

    Raises:
        UserError: there are more or fewer groups than images.
    """
    # A list of numbers, because elements of a tensor are never equal to each other.
    given = list(groups.tolist() if hasattr(groups, "tolist") else groups)
    if len(given) != images:
        raise UserError(
            "groups do not fit the images",
            found=f"{len(given)} for {images} images",
            expected="the group of each image",
        )
    numbers = {group: k for k, group in enumerate(dict.fromkeys(given))}
    return np.array([numbers[group] for group in given], np.int64)


def _image_id(number: int) -> str:
    """Return the id of an image; leading zeros make ids sort in the order of the numbers."""
    return f"image {number:09d}"


def _renumbered(counts: Counts, start: int) -> Counts:
    """Return the counts with new ids of the images, numbered from `start`."""
    ids = [_image_id(start + k) for k in range(len(counts.images))]
    return replace(
        counts,
        images=replace(counts.images, ids=ids),
        classes=[_renumbered(of_class, start) for of_class in counts.classes],
    )
