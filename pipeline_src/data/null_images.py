"""Null images: crops of images without an object. Their truth is background everywhere, as that of textures."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np

from pipeline_src.data.store import IndexRow, Store
from pipeline_src.errors import UserError

SMALLEST = 1 / 8  # of the side: a smaller crop has too little in it
MARK = " null"  # at the end of their ids


class NullImages(Store):
    """Of each image of a store the largest square of background, resized; images without room for one are left out.

    Raises:
        UserError: the masks are of several classes, or leave no square of an eighth of the side.
    """

    def __init__(self, store: Store):
        if store.classes > 2:
            raise UserError(
                "null images are background alone, and masks of several classes need not have any",
                found=f"{store.classes} classes",
                do="leave out `null_images`",
            )
        squares = [largest_square(np.asarray(mask) == 0) for mask in store.masks]
        kept = [i for i, (*_, side) in enumerate(squares) if side >= SMALLEST * store.size]
        if not kept:
            raise UserError(
                "the validation images give no null images",
                found="objects everywhere",
                expected="a square without any, of an eighth of the side",
                do="leave out `null_images`",
            )
        self._of, self._squares, self.info = store, [(i, *squares[i]) for i in kept], {}
        self.index = [_cropped(store.index[i], squares[i][2] / store.size) for i in kept]
        self.ids = [row.id for row in self.index]

    def __reduce__(self):
        return type(self), (self._of,)

    def image(self, i: int) -> np.ndarray:
        k, top, left, side = self._squares[i]
        crop = self._of.image(k)[top : top + side, left : left + side]
        return cv2.resize(np.ascontiguousarray(crop), (self._of.size, self._of.size))

    def truth(self, i: int) -> np.ndarray:
        return np.zeros((self.index[i].height, self.index[i].width), np.uint8)

    def grey(self, i: int) -> np.ndarray:
        return np.zeros(0, np.int32)


def _cropped(row: IndexRow, share: float) -> IndexRow:
    height, width = (ceil(length * share) for length in (row.height, row.width))
    return row._replace(id=f"{row.id}{MARK}", height=height, width=width, grey=0)


def largest_square(free: np.ndarray) -> tuple[int, int, int]:
    """(top, left, side) of a largest square of (H, W) bool that has a centre pixel and holds no False; side 0 where
    all are False."""
    # The chessboard distance to the nearest pixel that is not free, or outside, is half the side about a centre.
    distance = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_C, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    reach = int(distance[y, x])
    return int(y) - reach, int(x) - reach, max(0, 2 * reach - 1)
