"""Probabilities and masks as users have them, as the images that are counted. Arrays and tensors alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.storage import native
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

PAIRS = "(H, W), (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes; masks (N, H, W) or (H, W)"


def images(probabilities: Any, masks: Any, ignore: int | None) -> tuple[Any, Any]:
    """Probabilities (N, H, W) of an object or (N, K, H, W) of K > 2 classes, and masks (N, H, W).

    Of two classes the second is the object. Floats that are outside of [0, 1] by rounding are clipped.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch.
        ignore: the label of pixels that never count, 255 by default.

    Raises:
        UserError: these are no arrays, or the shapes do not fit.
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
    floats = p.is_floating_point() if hasattr(p, "is_floating_point") else p.dtype.kind == "f"
    if floats and 0 not in p.shape:
        low, high = float(p.min()), float(p.max())
        if (low < 0 or high > 1) and low >= -SLACK and high <= 1 + SLACK:
            p = p.clip(0, 1)
    if p.ndim == 4 and p.shape[1] == 2:
        check_sums(p, y, ignore)
    return (p[:, -1] if p.ndim == 4 and p.shape[1] <= 2 else p), y


def check_sums(p: Any, masks: Any, ignore: int | None) -> None:
    """UserError where probabilities (N, K, H, W), an array or a tensor, are none, or do not sum to 1 over the K where
    pixels count."""
    if 0 in p.shape:
        return
    low, high = float(p.min()), float(p.max())
    differences = abs(p.sum(1) - 1)
    off = float(differences.max())
    if off >= SUM_SLACK:  # maps may be 0 where nothing counts
        off = float(array(differences)[array(masks) != (IGNORED if ignore is None else ignore)].max(initial=0))
    if not (low >= 0 and high <= 1 and off < SUM_SLACK):  # NaN too
        raise UserError(
            "these are not probabilities of several classes",
            found=f"values from {low:g} to {high:g}, whose sums over classes are up to {off:g} off 1",
            expected="probabilities in [0, 1] that sum to 1 over the classes",
            fix="apply the softmax to logits, in float32",
        )


def array(values: Any) -> np.ndarray:
    """`values` as an array: also of a tensor on any device, with or without a gradient."""
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
    ignored = masks == (IGNORED if ignore is None else ignore)
    if masks.dtype.kind not in "iuf" or not (ignored | (masks == 0) | (masks == 1)).all():
        raise UserError(
            "masks have unknown labels",
            found=f"{masks.dtype} with the values {np.unique(masks)[:10].tolist()}",
            expected=f"whole numbers: 0 background, 1 object, {IGNORED if ignore is None else ignore} ignored; or bool",
            fix="cut gray masks first, as by `mask > 127`",
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
