"""Users' batches of images, arrays and tensors alike, in one form, and their pixel counts.

The counts have no rows per image, so their size does not depend on the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.bins import check_bins
from pipeline_src.counting.counts import Counts, Histogram
from pipeline_src.counting.levels import COARSE, LEVELS, SUM_SLACK
from pipeline_src.counting.masks import foreground, is_one_hot, object_unclear
from pipeline_src.counting.sample import Sample, checked, numpy_array
from pipeline_src.errors import UserError, check_name
from pipeline_src.labels import IGNORED
from pipeline_src.metrics.registry import METRICS, summary

IMAGES = (
    "(H, W), (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes; masks (N, H, W)"
)
VOLUMES = IMAGES.replace("H, W", "D, H, W")  # both: the shapes that messages name
# Metrics that need the histogram of all pixels only, without rows per image.
OF_HISTOGRAMS = [name for name, metric in METRICS.items() if metric.input.pooled]
DEFAULT = ("ece", "oe", "accuracy", "gap")  # the metrics that are computed by default
# Value of the object in masks, 1 or 255 -> the first image that has it.
Objects = dict[int, str]
Batch = tuple[Any, Any, int | None]  # probabilities, masks, classes, as `batches_of` returns them


def batches_of(probabilities: Any, masks: Any, *, volumes: bool = False) -> list[Batch]:
    """Return batches in one form: one batch for arrays, and one per image for lists.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch; or two lists of images,
            which may have different sizes.
        volumes: whether images have three axes. A volume (D, H, W) gets the shape (D H, W), its
            slices one below the other: its pixels are counted as those of an image.

    Returns:
        Probabilities (N, H, W) or (N, K, H, W), masks (N, H, W), and the number of classes K > 2;
        None of an object.

    Raises:
        UserError: these are no arrays, or shapes do not fit.
    """
    if not (isinstance(probabilities, list | tuple) and isinstance(masks, list | tuple)):
        return [_batch_of(probabilities, masks, volumes)]
    if len(probabilities) != len(masks):
        raise UserError(
            "probabilities and masks do not fit",
            found=f"lists of {len(probabilities)} and {len(masks)}",
            expected="a mask for each image",
        )
    axes = 3 if volumes else 2
    batches = []
    for probability, mask in zip(probabilities, masks, strict=True):
        batch = _batch_of(probability, mask, volumes)
        if mask.ndim > axes:
            raise UserError(
                "an element of the lists is no single image",
                found=f"a mask of shape {tuple(mask.shape)}",
                expected=f"masks of {axes} axes",
                fix="batches without a list around them; volumes=True for volumes: "
                "Evaluation(volumes=True)",
            )
        batches.append(batch)
    return batches


def _batch_of(probabilities: Any, masks: Any, volumes: bool) -> Batch:
    """Return probabilities, masks and the number of classes of a batch, in the form that
    `batches_of` returns.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch.

    Raises:
        UserError: these are no arrays, or shapes do not fit.
    """
    for given in (probabilities, masks):
        if not hasattr(given, "ndim"):
            raise UserError(
                "these are no images",
                found=f"of type {type(given).__name__}",
                expected=f"arrays or tensors: {VOLUMES if volumes else IMAGES}; or a list of "
                "images and one of masks",
            )
    axes = 3 if volumes else 2
    shapes = f"shapes {tuple(probabilities.shape)} and {tuple(masks.shape)}"
    batch = _with_batch_axis(probabilities, masks, axes)
    if batch is None:
        fix = None
        if not volumes and _with_batch_axis(probabilities, masks, 3):
            fix = "volumes=True if these are volumes: Evaluation(volumes=True)"
        raise UserError(
            "probabilities and masks do not fit",
            found=shapes,
            expected=VOLUMES if volumes else IMAGES,
            fix=fix,
        )
    p, y = batch
    # Different images of an object do not exclude each other at each pixel; classes do.
    if p.ndim == y.ndim and is_one_hot(y) and bool((abs(p.sum(0) - 1) < SUM_SLACK).all()):
        raise UserError(
            "probabilities and masks of K classes with their classes as images",
            found=f"{shapes}: at each pixel one 1 among the masks",
            expected="probabilities (1, K, H, W), masks of class ids (1, H, W)",
            fix="probabilities[None], masks.argmax(0)[None]",
        )
    classes = None
    if p.ndim == axes + 2 and p.shape[1] > 2:
        classes = p.shape[1]
    if volumes:
        width = y.shape[-1]
        rows = math.prod(y.shape[1:3])
        p = p.reshape(*p.shape[:-3], rows, width)
        y = y.reshape(len(y), rows, width)
    return p, y, classes


def _with_batch_axis(p: Any, y: Any, axes: int) -> tuple[Any, Any] | None:
    """Return probabilities (N, *S) or (N, K, *S) and masks (N, *S); None if shapes do not fit.

    Args:
        p, y: probabilities and masks, arrays or tensors, of one image or of a batch.
        axes: the number of axes of an image, 2, or 3 of a volume.
    """
    if y.ndim == axes:
        p = p[None]
        y = y[None]
    elif y.ndim == axes + 2 and y.shape[1] == 1:  # a channel
        y = y[:, 0]
    if y.ndim != axes + 1 or p.ndim not in (axes + 1, axes + 2):
        return None
    if p.ndim == axes + 2 and not p.shape[1]:
        return None
    if (*p.shape[:1], *p.shape[-axes:]) != tuple(y.shape):
        return None
    return p, y


def object_mask(mask: Any, ignore: int | None, image_id: str, objects: Objects) -> Any:
    """Return the mask of an object with the labels that `checked` expects: 1 for the object.

    Without `ignore`, 255 is the object of a mask of 0 and 255, as in files. In a mask with
    a 1 it is the label of pixels that never count.

    Args:
        mask: (*S) or (N, *S), array or tensor.
        ignore: the label of pixels that never count, if the user named one.
        objects: the value of the object in the masks so far, 1 or 255 -> the first image that has
            it. The value of this mask is added.

    Raises:
        UserError: with these masks it is unclear which value is the object.
    """
    labels = numpy_array(mask)
    if ignore is not None or labels.dtype == bool or not labels.size:
        return labels
    top = labels.max()
    if top == IGNORED and not (labels == 1).any():
        if not np.isin(labels, (0, IGNORED)).all():
            return labels  # which `checked` refuses
        labels = foreground(labels)
    elif top == IGNORED:
        top = 1
    if top in (1, IGNORED):
        found = {int(top): image_id} | objects
        check_objects(found)
        objects.update(found)
    return labels


def check_objects(objects: Objects) -> None:
    """Raise a UserError if some masks have objects of 1 and others have objects of 255.

    Args:
        objects: the value of the object -> the first image that has it, as in `object_mask`.
    """
    if object_unclear(objects):
        raise UserError(
            "the masks do not show what is an object",
            found=f"1 in the mask of {objects[1]}, 0 and 255 only in the mask of "
            f"{objects[IGNORED]}",
            expected="0 and 1 in all masks, or 0 and 255",
            fix="ignore=255 if 255 marks ignored pixels: Evaluation(ignore=255); mask > 127 if it "
            "is the object",
        )


def checked_image(probability: Any, mask: Any, image_id: str, ignore: int | None) -> Sample:
    """Return an image to be counted, after the checks of `counting.sample.checked`.

    A map of one or two channels is that of an object, whose probability is in the last channel.

    Args:
        probability: (*S) or (C, *S), array or tensor.
        mask: (*S).
        ignore: the label of pixels that never count.
    """
    if probability.ndim > mask.ndim and len(probability) <= 2:
        if len(probability) == 2:  # the two classes of a pixel must sum to 1
            checked(probability, mask, image_id, ignore=ignore)
        probability = probability[-1]
    return checked(probability, mask, image_id, ignore=ignore)


def batch_histogram(
    probabilities: Any,
    masks: Any,
    ignore: int | None,
    levels: int = LEVELS,
    *,
    volumes: bool = False,
    objects: Objects,
) -> Histogram:
    """Return the histogram of the pixels of a batch: of an object by its probability, of K classes
    by the confidence in the top label.

    Args:
        probabilities: (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes. Of two
            classes the second is the object. Tensors of K classes are reduced on their device.
        masks: (N, H, W) whole numbers or bool.
        ignore: the label of pixels that never count. Without one, 255 is the object of a mask of
            0 and 255 only.
        levels: LEVELS or COARSE.
        volumes: whether images have three axes (`batches_of`).
        objects: the values of the object in earlier batches (`object_mask`); None if they do not
            matter.

    Raises:
        UserError: shapes, labels or values do not fit.
    """
    batches = batches_of(probabilities, masks, volumes=volumes)
    classes = batches[0][-1] if batches else None
    accumulator = Accumulator(classes, protocols=["raw"], images=False, levels=levels)
    for p, y, of_classes in batches:
        if p.ndim == 4:  # (N, K, H, W) -> (K, N, H, W): the batch is counted as one volume
            p = p.swapaxes(0, 1)
        if of_classes is None:
            masks_of_batch = [object_mask(mask, ignore, "the batch", objects) for mask in y]
            y = np.stack(masks_of_batch) if masks_of_batch else y
        accumulator.add(checked_image(p, y, "the batch", ignore))
    return accumulator.counts()["raw"].histogram


def levels_of(names: Sequence[str], bins: int) -> int:
    """Return the number of levels (`counting.levels`) that some metrics need: COARSE if bins of
    equal width suffice for all, else LEVELS.

    Args:
        names: of the metrics.
        bins: number of bins.

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
    points, _ = summary(Counts(histogram), bins, names)
    return dict.fromkeys(names, math.nan) | points
