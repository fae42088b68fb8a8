"""Object-free crops of images (null images), all background like the texture test sets.

The method `aslp_groups` trains on such crops, and learns from those of the validation images how
overconfident the network is where there is no object.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import cv2
import numpy as np

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError

SMALLEST = 1 / 8  # side of the smallest crop, as a share of the image's side
# End of the ids of crops, by which validation counts them apart. No path of an image ends so.
CROP_SUFFIX = "//null"


class NullImages(Store):
    """A store of object-free crops: the largest square of background of each image, resized.

    Images without a large square are left out. The crops are cut when they are read, so they need
    no files: of a store, crops have `index`, `ids`, `image`, `truth`, `grey` and their number.

    Raises:
        UserError: the masks leave no square of an eighth of the side.
    """

    def __init__(self, store: Store):
        """Find the largest square of background in each mask of `store`.

        The labels of a crop have the square's size in the original image.
        """
        self._store = store
        # For each crop: the number of its image, and top, left and side of the square in pixels.
        self._squares: list[tuple[int, int, int, int]] = []
        self.info = {}
        self.index = []
        for number, mask in enumerate(store.masks):
            top, left, side = largest_square(np.asarray(mask) == 0)
            if side >= SMALLEST * store.size:
                row = store.index[number]
                height = ceil(row.height * (side / store.size))
                width = ceil(row.width * (side / store.size))
                self.index.append(
                    row._replace(id=f"{row.id}{CROP_SUFFIX}", height=height, width=width, grey=0)
                )
                self._squares.append((number, top, left, side))
        if not self.index:
            raise UserError(
                "the validation images have no object-free crops",
                expected="a square of background, of an eighth of the side",
                fix="take the method out of the experiment's `methods:`",
            )
        self.ids = [row.id for row in self.index]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the store; worker processes find the squares again."""
        return type(self), (self._store,)

    def image(self, i: int) -> np.ndarray:
        """Return the crop `i`, resized to the size of the store, uint8 (size, size, 3)."""
        number, top, left, side = self._squares[i]
        crop = self._store.image(number)[top : top + side, left : left + side]
        return cv2.resize(np.ascontiguousarray(crop), (self._store.size, self._store.size))

    def truth(self, i: int) -> np.ndarray:
        """Return the labels of the crop `i`, all background, uint8 (H, W)."""
        return np.zeros((self.index[i].height, self.index[i].width), np.uint8)

    def grey(self, i: int) -> np.ndarray:
        """Return the places of grey pixels in the mask of a crop: none, it is all background."""
        return np.zeros(0, np.int32)


def largest_square(free: np.ndarray) -> tuple[int, int, int]:
    """Return top, left and side of the largest square of an odd side in which `free` is True.

    The side is odd because the square is found by its center pixel. It is 0 if nothing is True.

    Args:
        free: (H, W) bool.
    """
    # A pixel whose nearest pixel that is not free has the chessboard distance d is the center of a
    # free square of side 2 d - 1. Padding makes the border not free, and shifts all places by 1.
    distance = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_C, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    reach = int(distance[y, x])
    # The square begins reach - 1 before its center, which the padding moved by 1.
    return int(y) - reach, int(x) - reach, max(0, 2 * reach - 1)
