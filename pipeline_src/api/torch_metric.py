"""The metric for torchmetrics, and so for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline_src.api.batches import DEFAULT, batch_histogram, levels_of, values
from pipeline_src.counting.counts import ARRAYS, Counts, Histogram


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
        ignore: the label of pixels that never count. Without one it is 255, and a batch of only 0
            and 255 is refused.
        kwargs: of torchmetrics.Metric.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    count: Tensor
    position: Tensor
    on_edge: Tensor
    surest: Tensor
    top: Tensor

    def __init__(
        self,
        names: Sequence[str] = DEFAULT,
        bins: int = 10,
        ignore: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.levels = levels_of(names, bins)
        self.names = tuple(names)
        self.bins = bins
        self.ignore = ignore
        empty = Histogram.empty(self.levels)
        for name in ARRAYS:
            self.add_state(name, torch.from_numpy(getattr(empty, name)), dist_reduce_fx="sum")
        # `Histogram.top`: 1 for K classes.
        self.add_state("top", torch.tensor(0), dist_reduce_fx="max")

    def set_dtype(self, dst_type: str | torch.dtype) -> DenseCalibration:
        """Do nothing: the state stays whole numbers."""
        return self

    def update(self, probabilities: Tensor, masks: Tensor) -> None:
        """Count a batch.

        Args:
            probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two
                classes the second is the object. On any device.
            masks: (N, H, W) whole numbers: 0 and 1, or class ids, and the ignored label.
        """
        histogram = batch_histogram(probabilities, masks, self.ignore, self.levels)
        self.top.fill_(int(histogram.top))
        for name in ARRAYS:
            of_batch = torch.from_numpy(getattr(histogram, name))
            getattr(self, name).add_(of_batch.to(self.device))

    @property
    def counts(self) -> Counts:
        """The pixels that were counted; also of all processes, within `compute`."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in ARRAYS}
        return Counts(Histogram(**arrays, top=bool(self.top)))

    def compute(self) -> dict[str, Tensor]:
        """Return metrics by name, float64 scalars; NaN where a metric is undefined, as without
        pixels.
        """
        numbers = values(self.counts.histogram, self.names, self.bins)
        return {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
