"""What the values of masks of one object mean, in files and in arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

# Values of masks below this one are taken for class ids. Soft edges have values on both sides.
SMALL = 64


def foreground(values: np.ndarray, *, ones_are_objects: bool = True) -> np.ndarray:
    """Return which pixels are of the object, (*S) bool: those above 127, or in a mask of 0 and 1
    those of 1.

    Args:
        values: (*S) 0 to 255, without ignored pixels.
        ones_are_objects: False where a mask of 0 and 1 has no object, as in a lossy file.
    """
    threshold = 127
    if ones_are_objects and values.max() == 1:
        threshold = 0
    return values > threshold


def is_one_hot(mask: Any) -> bool:
    """Return whether a mask (K, *S), array or tensor, has a single 1 along its first axis at every
    pixel: it says the class of each pixel, and is no mask of K images or slices.
    """
    if len(mask) < 2:
        return False
    first = mask[:, :1]  # most masks are none already there
    return all(bool(((part == 1).sum(0) == 1).all()) for part in (first, mask))


def object_unclear(values: Iterable[int]) -> bool:
    """Return whether the values of all masks together leave open which one is the object.

    The object is 1 in masks of 0 and 1, and 255 in masks of 0 and 255. It is unclear if the largest
    value is from 2 to 127, as of class ids, or if there are two objects: besides the largest value
    a small one, which may be a class id, or the 1 of other masks.

    Args:
        values: that occur in a mask, without ignored pixels.
    """
    present = [mask_value for mask_value in sorted(values) if mask_value > 0]
    top = max(present, default=0)
    below = present[:-1]
    # Soft edges have values on both sides of 127, so values on one side only are other objects.
    two_objects = bool(below) and below[0] < SMALL and below[-1] <= 127
    return 1 < top <= 127 or two_objects
