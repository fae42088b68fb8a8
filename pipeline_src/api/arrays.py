"""Probabilities and masks as users have them, arrays and tensors alike, as the images that are counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.counting.image_pixels import native
from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED

PAIRS = "(H, W), (N, H, W) or (N, 1, H, W) of an object; (N, K, H, W) of K classes; masks (N, H, W) or (H, W)"


def images(
    probabilities: Any, masks: Any, ignore: int | None
) -> tuple[Any, np.ndarray, int | None]:
    """Check a batch, and return it in one form.

    Floats that are outside of [0, 1] by rounding are clipped.

    Args:
        probabilities, masks: arrays or tensors, of one image or of a batch. Of two classes the
            second is the object.
        ignore: the label of pixels that never count, 255 by default.

    Returns:
        Probabilities (N, H, W) of an object or (N, K, H, W) of K > 2 classes, where they were;
        masks (N, H, W), 0, 1 and 255, or class ids; the ignored label of these masks, None where
        255 was not named as ignored.

    Raises:
        UserError: these are no arrays, or shapes, labels or sums over classes do not fit.
    """
    if other := [
        type(given).__name__ for given in (probabilities, masks) if not hasattr(given, "ndim")
    ]:
        raise UserError(
            "these are no images",
            found=f"of type {other[0]}",
            expected=f"arrays or tensors: {PAIRS}",
            fix="count images of different sizes one by one",
        )
    p, y = probabilities, array(masks)
    if y.ndim == 2:
        p, y = p[None], y[None]
    elif y.ndim == 4 and y.shape[1] == 1:
        y = y[:, 0]
    fits = y.ndim == 3 and p.ndim in (3, 4) and (*p.shape[:1], *p.shape[-2:]) == y.shape
    if not fits or (p.ndim == 4 and not p.shape[1]):
        raise UserError(
            "probabilities and masks do not fit",
            found=f"shapes {tuple(probabilities.shape)} and {tuple(masks.shape)}",
            expected=PAIRS,
        )
    floats = p.is_floating_point() if hasattr(p, "is_floating_point") else p.dtype.kind == "f"
    if floats and y.size:
        low, high = float(p.min()), float(p.max())
        if (low < 0 or high > 1) and low >= -SLACK and high <= 1 + SLACK:
            p = p.clip(0, 1)
    classes = p.shape[1] if p.ndim == 4 else 1
    void = IGNORED if ignore is None else ignore
    ignored = y == void
    if classes > 1 and y.size:
        _check_sums(p, ~ignored, floats)
    if classes > 2:
        _check_labels(
            y,
            ignored | ((y >= 0) & (y < classes)),
            f"0 to {classes - 1}, and {void} where nothing counts",
        )
        return p, y, void
    _check_labels(
        y, ignored | (y == 0) | (y == 1), f"0 background, 1 object, {void} ignored; or bool"
    )
    labels = y.astype(np.uint8)
    labels[ignored] = IGNORED
    return (p[:, -1] if p.ndim == 4 else p), labels, None if ignore is None else IGNORED


def _check_sums(p: Any, valid: np.ndarray, floats: bool) -> None:
    """Raise a UserError unless numbers (N, K, H, W) are floats in [0, 1] that sum to 1 over K on `valid` pixels."""
    low, high = float(p.min()), float(p.max())
    sums = (
        p.float().sum(1) if hasattr(p, "float") else p.sum(1, dtype=np.float64)
    )  # float16 adds up wrongly
    differences = abs(sums - 1)
    off = float(differences.max())
    if off >= SUM_SLACK:  # maps may be 0 where nothing counts
        off = float(array(differences)[valid].max(initial=0))
    if not (floats and low >= 0 and high <= 1 and off < SUM_SLACK):  # NaN too
        raise UserError(
            "these are not probabilities of several classes",
            found=f"{p.dtype}, values from {low:g} to {high:g}, whose sums over classes are up to {off:g} off 1",
            expected="floats in [0, 1] that sum to 1 over the classes",
            fix="apply the softmax to logits, in float32; convert one-hot decisions to floats",
        )


def _check_labels(masks: np.ndarray, known: np.ndarray, expected: str) -> None:
    if masks.dtype.kind not in "biuf" or not known.all():
        raise UserError(
            "masks have unknown labels",
            found=f"{masks.dtype} with the values {np.unique(masks)[:10].tolist()}",
            expected=f"whole numbers: {expected}",
            fix="cut gray masks first, as by `mask > 127`",
        )


def array(values: Any) -> np.ndarray:
    """Return `values` as a NumPy array, also from a tensor on any device, with or without a gradient."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # numpy has no bfloat16; all floats are counted as float32.
        values = (values.float() if values.is_floating_point() else values).numpy()
    return native(np.asarray(values))
