"""The metric for torchmetrics, and so for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline_src.api.pixel_counts import DEFAULT, check, check_classes, counted, levels_for, values
from pipeline_src.counting.counts import ARRAYS, Counts
from pipeline_src.errors import UserError

try:
    from torchmetrics import Metric
except ImportError as error:
    raise UserError(
        "DenseCalibration is a metric of torchmetrics, which is not installed", fix="python -m pip install torchmetrics"
    ) from error

UNKNOWN = 2**31  # classes, before the first batch of several


class DenseCalibration(Metric):
    """Calibration of dense classifiers: `compute` returns a dict of metrics by name, fractions and not percent.

    Its state is whole numbers, which processes sum: neither the order of images nor their split changes a bit. They are
    6 KB, whatever the number of images, or 2.7 MB where a metric sorts pixels or `bins` does not divide 150. A sampler
    that repeats images to make processes even (DistributedSampler) has them counted twice.

    Args:
        names: of docs/reference/metrics.md; those that need images one by one are refused, and those of an object for K
            classes.
        bins: equal-width and equal-mass bins, a divisor of 66,300.
        ignore: the label of pixels that never count. Without one it is 255, and a batch of 0 and 255 alone is refused.
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
    classes: Tensor

    def __init__(self, names: Sequence[str] = DEFAULT, bins: int = 10, ignore: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check(names, bins, ignore)
        self.names, self.bins, self.ignore = tuple(names), bins, ignore
        self.levels = levels_for(names, bins)
        empty = Counts.empty(rows=False, levels=self.levels)
        for name in ARRAYS:
            self.add_state(name, torch.from_numpy(getattr(empty, name)), dist_reduce_fx="sum")
        self.add_state("top", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")  # batches: object, K classes
        # The most and the fewest classes of a batch, the latter negative, so that processes take the maximum of both.
        self.add_state("classes", torch.tensor([0, -UNKNOWN]), dist_reduce_fx="max")

    def set_dtype(self, dst_type: str | torch.dtype) -> DenseCalibration:
        """Nothing: the state stays whole numbers."""
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        saved = state_dict.get(prefix + "count")
        if saved is not None and saved.shape != self.count.shape:
            raise UserError(
                "the saved counts are those of a metric with other names or bins",
                found=f"counts of the shape {tuple(saved.shape)}",
                expected=f"{tuple(self.count.shape)}, for names={list(self.names)} and bins={self.bins}",
                fix="make the metric with the names and bins that it was saved with",
            )
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def update(self, probabilities: Tensor, masks: Tensor) -> None:
        """Count a batch.

        Args:
            probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two classes the second
                is the object. On any device.
            masks: (N, H, W) whole numbers: 0 and 1, or class ids, and the ignored label.
        """
        self._batch = counts = counted(probabilities, masks, self.ignore, self.levels)
        check_classes(self.names, counts)
        top = self.top.clone()
        top[int(counts.top)] += 1
        number = int(probabilities.shape[-3]) if counts.top else 0
        classes = torch.maximum(self.classes, self.classes.new_tensor([number, -number or -UNKNOWN]))
        _check_same(top, classes)
        self.top, self.classes = top, classes
        for name in ARRAYS:
            getattr(self, name).add_(torch.from_numpy(getattr(counts, name)).to(self.device))

    def forward(self, probabilities: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Count a batch, and return the metrics of the batch; what is counted is not changed by a refused one."""
        self.update(probabilities, masks)
        numbers = self._tensors(self._batch)
        self._forward_cache: Any = numbers  # where Lightning's `log` looks
        return numbers

    @property
    def counts(self) -> Counts:
        """The pixels that were counted; also of all processes, within `compute`."""
        _check_same(self.top, self.classes)
        arrays = {name: getattr(self, name).cpu().numpy() for name in ARRAYS}
        return Counts(**arrays, rows=None, top=bool(self.top[1]))

    def plot(self, *_: Any, **__: Any) -> Any:
        """Nothing: NotImplementedError says what draws it."""
        raise NotImplementedError(
            "DenseCalibration has several numbers, of which compute() gives a dict: "
            "pipeline_src.api.reliability_diagram(metric) draws its diagram"
        )

    def compute(self) -> dict[str, Tensor]:
        """Metrics by name, float64 scalars; NaN where one is undefined, as without pixels."""
        return self._tensors(self.counts)

    def _tensors(self, counts: Counts) -> dict[str, Tensor]:
        numbers = values(counts, self.names, self.bins)
        return {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}


def _check_same(top: Tensor, classes: Tensor) -> None:
    """UserError where batches have different numbers of classes; (2,) the state of `DenseCalibration`."""
    if top.all():
        raise UserError("one metric was given maps of an object and of several classes", fix="a metric for each")
    most, fewest = classes.tolist()
    if most and most != -fewest:
        raise UserError(
            "batches of one metric have different numbers of classes",
            found=f"{-fewest} and {most}",
            expected="the same number in all batches, of all processes",
            fix="a metric for each",
        )
