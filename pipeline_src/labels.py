"""Labels in 8-bit masks that are no class ids, and the class ids of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageFile import ImageFile

NO_CLASS = 254  # pixels on which none of K classes is right
IGNORED = 255  # pixels that never count
# Gray values of 2 and of 4 bits, as Pillow names them -> the factor by which it raises them.
FACTORS = {"L;2": 85, "L;4": 17}


def stored_ids(picture: ImageFile) -> np.ndarray:
    """Return the class ids of a picture of one channel as the file stores them, uint8 (H, W).

    They are gray values or indices of a palette. Pillow scales gray values of few bits to 0..255.

    Args:
        picture: as `Image.open` returned it.
    """
    import numpy as np  # not needed at every start

    decoders = str(picture.tile)  # which is empty once the values are read
    ids = np.array(picture, np.uint8)
    for name, factor in FACTORS.items():
        if name in decoders:
            ids //= factor
    return ids
