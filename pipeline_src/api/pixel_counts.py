"""Counts of a batch of tensors, without rows per image: their size does not depend on the number of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from pipeline_src.api.arrays import array, images
from pipeline_src.counting.accumulate import FloatPass
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import COARSE, LEVELS
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import UndefinedMetricError, check_bins
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.metrics.registry import METRICS, value

OF_COUNTS = [name for name, metric in METRICS.items() if metric.input.pooled]
DEFAULT = ("ece", "oe", "accuracy", "gap")


def levels_of(names: Sequence[str], bins: int) -> int:
    """Return the number of levels (`counting.levels`) that these metrics need: few for bins of
    equal width.

    Raises:
        UserError: a metric is unknown or needs rows per image, or the bins cannot be formed
            exactly.
    """
    check_bins(bins)
    if unknown := [name for name in names if name not in OF_COUNTS]:
        raise UserError(
            f"names: {unknown[0]!r} is not a metric of counts without images",
            expected=", ".join(OF_COUNTS),
            fix=did_you_mean(unknown[0], OF_COUNTS) or "Statistic has the metrics that need images",
        )
    return (
        COARSE
        if COARSE % bins == 0 and all(METRICS[name].input.coarse for name in names)
        else LEVELS
    )


@torch.no_grad()
def counted(
    probabilities: Tensor, masks: Tensor, ignore: int | None, levels: int = LEVELS
) -> Counts:
    """Return the counts of a batch: of an object by its probability, of K classes by the top
    label's confidence.

    Args:
        probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two
            classes the second is the object.
        masks: (N, H, W) whole numbers or bool.
        ignore: as `Statistic` takes it; a batch is one mask.
        levels: LEVELS or COARSE.

    Raises:
        UserError: shapes, labels or values do not fit.
    """
    p, y, void = images(probabilities, masks, ignore)
    if p.ndim == 3:
        statistic = MapCounts({"raw": Counts.empty(rows=False, levels=levels)})
        rows = len(y), math.prod(y.shape[1:])  # a batch may be empty
        statistic.add(array(p).reshape(rows), y.reshape(rows), "the batch", ignore=void)
        return statistic.raw
    confidence, predicted = (
        array(part).ravel() for part in torch.as_tensor(p).float().max(1)
    )  # on its device
    labels = y.ravel()
    valid = labels != void
    counts = Counts.empty(rows=False, top=True, levels=levels)
    of_scores = FloatPass(counts, scores=True)
    right = (predicted == labels)[valid].astype(np.uint8)
    of_scores.add(np.ascontiguousarray(confidence[valid]), right, summed=False)
    of_scores.flush()
    return counts


def values(counts: Counts, names: Sequence[str], bins: int) -> dict[str, float]:
    """Return metrics by name; NaN where a metric is undefined, as without pixels."""
    numbers = dict.fromkeys(names, math.nan)
    for name in names:
        with suppress(UndefinedMetricError):
            numbers[name] = value(name, counts, bins)
    return numbers
