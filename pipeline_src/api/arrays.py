"""Probabilities and masks as users have them, as the images that are counted. Arrays and tensors alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.score_histogram import check_bins
from pipeline_src.counting.storage import native
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

NEAR = 1e-2  # as far from 1 as rounding to bfloat16 can make a sum
PAIRS = "(H, W), (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes; masks (N, H, W) or (H, W)"


def images(probabilities: Any, masks: Any, ignore: int | None) -> tuple[Any, Any]:
    """Probabilities (N, H, W) of an object or (N, K, H, W) of K > 2 classes, and masks (N, H, W).

    Of two classes the second is the object.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch.
        ignore: the label of pixels that never count, 255 by default.

    Raises:
        UserError: the shapes do not fit.
    """
    if other := [type(given).__name__ for given in (probabilities, masks) if not hasattr(given, "ndim")]:
        raise UserError(
            "these are no images",
            found=f"of type {other[0]}",
            expected=f"arrays or tensors: {PAIRS}",
            fix="count images of different sizes one by one, or as lists of maps and masks by Statistic",
        )
    p, y = probabilities, masks
    if y.ndim == 2:
        p, y = p[None], y[None]
    elif y.ndim == 4 and y.shape[1] == 1:
        y = y[:, 0]
    fits = y.ndim == 3 and p.ndim in (3, 4) and (*p.shape[:1], *p.shape[-2:]) == tuple(y.shape)
    if not fits or (p.ndim == 4 and not p.shape[1]):
        raise UserError(
            "probabilities and masks do not fit",
            found=f"shapes {tuple(probabilities.shape)} and {tuple(masks.shape)}",
            expected=PAIRS,
        )
    p = _clipped(p)
    if p.ndim == 4 and p.shape[1] <= 2:
        if p.shape[1] == 2:
            check_sums(p, y, ignore)
        p = p[:, -1]
    return p, y


def _clipped(p: Any) -> Any:
    """Floats that are outside of [0, 1] by rounding alone, brought back; all others as they are."""
    from pipeline_src.counting.accumulate import surely_in_unit_interval  # compiled, and slow to import

    floats = p.is_floating_point() if hasattr(p, "is_floating_point") else p.dtype.kind == "f"
    if not floats or 0 in p.shape:
        return p
    if str(getattr(p, "device", "cpu")) == "cpu" and surely_in_unit_interval(array(p).reshape(-1)):
        return p
    low, high = p.aminmax() if hasattr(p, "aminmax") else (p.min(), p.max())
    rounded = -SLACK <= low < 0 <= high <= 1 + SLACK or -SLACK <= low <= 1 < high <= 1 + SLACK
    return p.clip(0, 1) if rounded else p


def listed(values: Any) -> bool:
    """Whether `values` is a list of arrays or tensors, one for each image."""
    return isinstance(values, list | tuple) and len(values) > 0 and all(getattr(v, "ndim", 0) > 1 for v in values)


def check_number(bins: Any) -> int:
    """The number of bins as an int; UserError where it is no whole number, or bins cannot be formed exactly."""
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer):
        raise UserError("bins must be a whole number", found=repr(bins), expected="a divisor of 66300", fix="bins=10")
    check_bins(int(bins))
    return int(bins)


def check_label(ignore: Any) -> None:
    """UserError where `ignore` is neither None nor a whole number: no pixel would have such a label."""
    if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer)):
        raise UserError(
            "ignore must be a label", found=repr(ignore), expected="a whole number, or None", fix="ignore=255"
        )


def check_sums(p: Any, masks: Any, ignore: int | None) -> None:
    """UserError where probabilities (N, K, H, W), an array or a tensor, are none, or do not sum to 1 over the K where
    pixels count."""
    if not p.shape[0] * p.shape[2] * p.shape[3]:
        return
    low, high = float(p.min()), float(p.max())
    differences = abs(p.sum(1) - 1)
    off = float(differences.max())
    if off >= SUM_SLACK:  # few maps have a sum of 0 where nothing counts: masks are looked at only then
        off = float(array(differences)[array(masks) != (IGNORED if ignore is None else ignore)].max(initial=0))
    if not (low >= 0 and high <= 1 and off < SUM_SLACK):  # false for NaN too
        raise UserError(
            "these are not probabilities of several classes",
            found=f"values from {low:g} to {high:g}, whose sums over classes are up to {off:g} off 1",
            expected="probabilities in [0, 1] that sum to 1 over the classes",
            fix="take the softmax in float32" if off < NEAR else "apply the softmax to logits",
        )


def array(values: Any) -> np.ndarray:
    """`values` as an array: also of a tensor on any device, with or without a gradient.

    Raises:
        UserError: a masked array, whose masked values would count.
    """
    if np.ma.is_masked(values):
        raise UserError(
            "a masked array has masked values, which would count",
            expected="an array, in which the masks say which pixels never count",
            fix="`masks.filled(255)` for masks, `probabilities.data` for probabilities",
        )
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # numpy has no bfloat16; all floats are counted as float32.
        values = (values.float() if values.is_floating_point() else values).numpy()
    try:
        return native(np.asarray(values))
    except ValueError as error:
        raise UserError(
            "these are no images", found=error, expected=f"{PAIRS}; or lists of arrays, one for each image"
        ) from error


def binary(masks: np.ndarray, ignore: int | None) -> np.ndarray:
    """Masks as uint8: 0 background, 1 object, 255 ignored; `ignore` is the label of the last, 255 by default. Floats
    are taken if they are these numbers exactly.

    Raises:
        UserError: other labels.
    """
    if masks.dtype == bool:
        return masks.view(np.uint8)
    ignore = IGNORED if ignore is None else ignore
    integral = masks.dtype.kind in "iu"
    # Most masks hold 0 and 1 only, which one pass tells: together they have no other bit.
    if integral and ignore not in (0, 1) and 0 <= np.bitwise_or.reduce(masks, axis=None) <= 1:
        return masks.astype(np.uint8, copy=False)
    ignored, labelled = masks == ignore, (masks == 0) | (masks == 1)
    if masks.dtype.kind not in "iuf" or not (ignored | labelled).all():
        raise UserError(
            "masks have unknown labels",
            found=f"{masks.dtype} with the values {np.unique(masks)[:10].tolist()}",
            expected=f"whole numbers: 0 background, 1 object, {ignore} ignored; or bool",
            fix=f"cut grey masks first, as by `mask > {127 if integral or (masks > 1).any() else 0.5}`",
        )
    return np.where(ignored, IGNORED, masks).astype(np.uint8)


def class_ids(masks: np.ndarray, classes: int, ignore: int) -> np.ndarray:
    """Masks of K classes as they are, checked: whole numbers below `classes`, and `ignore`.

    Raises:
        UserError: other labels.
    """
    if masks.dtype.kind not in "iu" or not (((masks >= 0) & (masks < classes)) | (masks == ignore)).all():
        raise UserError(
            "masks have class ids that do not exist",
            found=f"{masks.dtype} with the values {np.unique(masks)[:10].tolist()}",
            expected=f"whole numbers from 0 to {classes - 1}, and {ignore} for pixels that never count",
        )
    return masks
