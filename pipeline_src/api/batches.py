"""Batches of images as users have them, arrays and tensors alike, and their counts without rows per
image, whose size does not depend on the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.bins import UndefinedMetricError, check_bins
from pipeline_src.counting.counts import Counts, Histogram
from pipeline_src.counting.levels import COARSE, LEVELS
from pipeline_src.counting.sample import Sample, checked
from pipeline_src.errors import UserError, check_name
from pipeline_src.metrics.registry import METRICS, value

SHAPES = (
    "(H, W), (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes; masks (N, H, W) or "
    "(H, W)"
)
OF_HISTOGRAMS = [name for name, metric in METRICS.items() if metric.input.pooled]
DEFAULT = ("ece", "oe", "accuracy", "gap")


def batch_of(probabilities: Any, masks: Any) -> tuple[Any, Any, int | None]:
    """Return a batch in one form.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch.

    Returns:
        Probabilities (N, H, W) or (N, K, H, W), masks (N, H, W), and the number of classes K > 2;
        None of an object.

    Raises:
        UserError: these are no arrays, or shapes do not fit.
    """
    for given in (probabilities, masks):
        if not hasattr(given, "ndim"):
            raise UserError(
                "these are no images",
                found=f"of type {type(given).__name__}",
                expected=f"arrays or tensors: {SHAPES}",
                fix="count images of different sizes one by one",
            )
    p = probabilities
    y = masks
    if y.ndim == 2:
        p = p[None]
        y = y[None]
    elif y.ndim == 4 and y.shape[1] == 1:
        y = y[:, 0]
    fits = y.ndim == 3 and p.ndim in (3, 4) and (*p.shape[:1], *p.shape[-2:]) == tuple(y.shape)
    if not fits or (p.ndim == 4 and not p.shape[1]):
        raise UserError(
            "probabilities and masks do not fit",
            found=f"shapes {tuple(probabilities.shape)} and {tuple(masks.shape)}",
            expected=SHAPES,
        )
    classes = p.shape[1] if p.ndim == 4 and p.shape[1] > 2 else None
    return p, y, classes


def checked_image(probability: Any, mask: Any, image_id: str, ignore: int | None) -> Sample:
    """Return `checked` of an image. A map of one or two channels is one of an object, whose
    probability is in the last channel.
    """
    if probability.ndim > mask.ndim and len(probability) <= 2:
        if len(probability) == 2:
            checked(probability, mask, image_id, ignore=ignore)
        probability = probability[-1]
    return checked(probability, mask, image_id, ignore=ignore)


def batch_histogram(
    probabilities: Any, masks: Any, ignore: int | None, levels: int = LEVELS
) -> Histogram:
    """Return the pixels of a batch: of an object by its probability, of K classes by the top
    label's confidence.

    Args:
        probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two
            classes the second is the object. Tensors of K classes are reduced on their device.
        masks: (N, H, W) whole numbers or bool.
        ignore: as `Evaluation` takes it; a batch is one mask.
        levels: LEVELS or COARSE.

    Raises:
        UserError: shapes, labels or values do not fit.
    """
    p, y, classes = batch_of(probabilities, masks)
    if p.ndim == 4:
        p = p.swapaxes(0, 1)
    accumulator = Accumulator(classes, protocols=["raw"], images=False, levels=levels)
    accumulator.add(checked_image(p, y, "the batch", ignore))
    return accumulator.counts()["raw"].histogram


def levels_of(names: Sequence[str], bins: int) -> int:
    """Return the number of levels (`counting.levels`) that these metrics need: few for bins of
    equal width.

    Raises:
        UserError: a metric is unknown or needs rows per image, or the bins cannot be formed
            exactly.
    """
    check_bins(bins)
    coarse = COARSE % bins == 0
    for name in names:
        check_name(
            name,
            OF_HISTOGRAMS,
            f"names: {name!r} is not a metric of counts without images",
            fix="Evaluation has the metrics that need images",
        )
        coarse = coarse and METRICS[name].input.coarse
    return COARSE if coarse else LEVELS


def values(histogram: Histogram, names: Sequence[str], bins: int) -> dict[str, float]:
    """Return metrics by name; NaN where a metric is undefined, as without pixels."""
    numbers = dict.fromkeys(names, math.nan)
    for name in names:
        with suppress(UndefinedMetricError):
            numbers[name] = value(name, Counts(histogram), bins)
    return numbers
