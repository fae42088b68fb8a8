"""The metric for torchmetrics, and so for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline_src.api.batches import (
    DEFAULT,
    Objects,
    batch_histogram,
    check_objects,
    levels_of,
    values,
)
from pipeline_src.counting.counts import ARRAYS, Counts, Histogram
from pipeline_src.errors import UserError


class DenseCalibration(Metric):
    """Calibration of dense classifiers: `compute` returns a dict of metrics by name, fractions and
    not percent.

    Its state is whole numbers, 12 kB for metrics of equal-width bins and else 2.7 MB, which
    processes sum: neither the order of images nor their split changes a metric. A sampler that
    repeats images to make processes even (DistributedSampler) has them counted twice. All batches
    have the same number of classes.

    Args:
        names: of docs/reference/metrics.md; those that need images one by one are refused.
        bins: equal-width and equal-mass bins, a divisor of 66,300.
        ignore: the label of pixels that never count. Without one, 255 is the object of masks of 0
            and 255 only, as in `judge`; in other masks 255 never counts.
        volumes: whether images have three axes, (D, H, W).
        kwargs: of torchmetrics.Metric.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    # The state: the arrays of `Histogram`, and two more that `__init__` explains.
    count: Tensor
    position: Tensor
    on_edge: Tensor
    surest: Tensor
    top: Tensor
    objects: Tensor

    def __init__(
        self,
        names: Sequence[str] = DEFAULT,
        bins: int = 10,
        ignore: int | None = None,
        volumes: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.levels = levels_of(names, bins)
        self.names = tuple(names)
        self.bins = bins
        self.ignore = ignore
        self.volumes = volumes
        empty = Histogram.empty(self.levels)
        for name in ARRAYS:
            self.add_state(name, torch.from_numpy(getattr(empty, name)), dist_reduce_fx="sum")
        # `Histogram.top`: 1 for K classes.
        self.add_state("top", torch.tensor(0), dist_reduce_fx="max")
        # For each value of a mask, 1 if it is the object in a batch (`object_mask`).
        self.add_state("objects", torch.zeros(256, dtype=torch.uint8), dist_reduce_fx="max")

    def set_dtype(self, dst_type: str | torch.dtype) -> DenseCalibration:
        """Do nothing: the state stays whole numbers."""
        return self

    def update(self, probabilities: Tensor, masks: Tensor) -> None:
        """Count a batch.

        Args:
            probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two
                classes the second is the object. On any device. Volumes have (D, H, W) in place of
                (H, W). Or a list of images, which may have different sizes.
            masks: (N, H, W) whole numbers: 0 and 1, or class ids, and the ignored label; or 0 and
                255. A list where the probabilities are one.

        Raises:
            UserError: shapes, labels or values do not fit, or earlier batches were of an object and
                this one is of K classes, or the reverse.
        """
        objects = self._object_values()
        histogram = batch_histogram(
            probabilities, masks, self.ignore, self.levels, volumes=self.volumes, objects=objects
        )
        if self.count.any() and histogram.pixels and bool(self.top) != histogram.top:
            raise UserError(
                "batches of an object and of K classes in one metric", fix="a metric for each"
            )
        self.objects[list(objects)] = 1
        self.top.fill_(max(int(self.top), int(histogram.top)))
        for name in ARRAYS:
            of_batch = torch.from_numpy(getattr(histogram, name))
            getattr(self, name).add_(of_batch.to(self.device))

    def _object_values(self) -> Objects:
        """Return the values of objects in the batches so far, each with a text that names its
        origin in messages (`object_mask`).
        """
        values = torch.nonzero(self.objects).flatten().tolist()
        return dict.fromkeys(values, "an earlier batch")

    @property
    def counts(self) -> Counts:
        """The pixels that were counted; also of all processes, within `compute`."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in ARRAYS}
        return Counts(Histogram(**arrays, top=bool(self.top)))

    def compute(self) -> dict[str, Tensor]:
        """Return metrics by name, float64 scalars; NaN where a metric is undefined, as without
        pixels.

        Raises:
            UserError: the masks of one process have objects of 1, and those of another of 255.
        """
        check_objects(self._object_values())
        numbers = values(self.counts.histogram, self.names, self.bins)
        return {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
