"""Object-free crops of images, all background like the texture test sets.

Methods that perturb their labels, as `aslp_groups`, learn on them how overconfident a network is
without an object.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import cv2
import numpy as np

from pipeline_src.data.store import IndexRow, Store
from pipeline_src.errors import UserError

SMALLEST = 1 / 8  # side of the smallest crop, as a share of the image's side
MARK = " null"  # end of their ids: validation counts them apart


class NullImages(Store):
    """The largest square of background of each image of a store, resized; images without one are
    left out.

    Raises:
        UserError: the masks leave no square of an eighth of the side.
    """

    def __init__(self, store: Store):
        squares = [largest_square(np.asarray(mask) == 0) for mask in store.masks]
        large = [i for i, (*_, side) in enumerate(squares) if side >= SMALLEST * store.size]
        if not large:
            raise UserError(
                "the validation images have no object-free crops",
                expected="a square of background, of an eighth of the side",
                fix="take the method out of the experiment's `methods:`",
            )
        self._store, self._squares, self.info = store, [(i, *squares[i]) for i in large], {}
        self.index = [_cropped(store.index[i], squares[i][2] / store.size) for i in large]
        self.ids = [row.id for row in self.index]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._store,)

    def image(self, i: int) -> np.ndarray:
        k, top, left, side = self._squares[i]
        crop = self._store.image(k)[top : top + side, left : left + side]
        return cv2.resize(np.ascontiguousarray(crop), (self._store.size, self._store.size))

    def truth(self, i: int) -> np.ndarray:
        return np.zeros((self.index[i].height, self.index[i].width), np.uint8)

    def grey(self, i: int) -> np.ndarray:
        return np.zeros(0, np.int32)


def _cropped(row: IndexRow, share: float) -> IndexRow:
    height, width = (ceil(length * share) for length in (row.height, row.width))
    return row._replace(id=f"{row.id}{MARK}", height=height, width=width, grey=0)


def largest_square(free: np.ndarray) -> tuple[int, int, int]:
    """Return (top, left, side) of a largest all-True square of odd side in (H, W) bool; side 0 if nothing is True."""
    # The chessboard distance to the nearest pixel that is not free is half the side of the square
    # around a pixel.
    distance = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_C, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    reach = int(distance[y, x])
    return int(y) - reach, int(x) - reach, max(0, 2 * reach - 1)
