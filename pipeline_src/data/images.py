"""Reading and resizing of images and masks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image

# Each job uses one thread; jobs beside each other fill the cores.
cv2.setNumThreads(1)

# A mask saved as JPEG comes back with channels a little apart; a coloured one has them far apart.
GREY_SPREAD = 16


class Unreadable(ValueError):
    """A file that cannot be used, and what to do about it."""

    def __init__(self, problem: str, do: str):
        super().__init__(problem)
        self.problem, self.do = problem, do


def decode_image(data: bytes) -> np.ndarray:
    """Image file as RGB, uint8 (H, W, 3), its stored pixels as they are (an EXIF orientation is not applied).

    Raises:
        Unreadable: not an image, or cut off.
    """
    check_whole(data)
    image = decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def decode_mask(data: bytes, foreground: int | None = None) -> np.ndarray:
    """Mask file as uint8 (H, W): 0 background, 255 object, grey between them (soft edges).

    Args:
        data: bytes of the file; one channel, or RGB that is grey.
        foreground: where given, the pixels of this value are the object and all others background.

    Raises:
        Unreadable: not an image, cut off, coloured, 16-bit, or with 0 and 1 for values (`foreground: 1` was meant).
    """
    return as_mask(mask_values(data, foreground is not None), foreground)


def as_mask(values: np.ndarray, foreground: int | None = None) -> np.ndarray:
    """What `decode_mask` makes of the values that a file holds."""
    if foreground is not None:
        return np.where(values == foreground, np.uint8(255), np.uint8(0))
    if 0 < values.max() < 3:
        raise Unreadable(
            f"mask has no value above {values.max()}, so nothing in it is an object",
            "if 1 is its object, add `foreground: 1` to the data set",
        )
    return values


def mask_values(data: bytes, indices: bool) -> np.ndarray:
    """Values that a mask file holds, uint8 (H, W).

    Args:
        indices: of a file with a palette, the indices instead of the greys that it shows.

    Raises:
        Unreadable: as `decode_mask`.
    """
    check_whole(data)
    if indices and (found := palette_indices(data)) is not None:
        return found
    mask = decode(data, cv2.IMREAD_UNCHANGED)
    if mask.dtype != np.uint8:
        raise Unreadable(
            f"mask has {mask.dtype} values", "save it with 8 bits, 0 for background and 255 for the object"
        )
    if mask.ndim == 3:
        colour = mask[..., :3].astype(np.int16)
        if np.ptp(colour, axis=2).max() > GREY_SPREAD:
            raise Unreadable("mask is coloured", "save it with one channel, 0 for background and 255 for the object")
        if mask.shape[2] == 4 and mask[..., 3].min() < 255:
            raise Unreadable("mask is partly transparent", "save it without an alpha channel")
        mask = np.ascontiguousarray(mask[..., 1])
    return mask


def opened(data: bytes) -> Image.Image:
    """An image file by Pillow, which keeps the indices of a palette.

    Raises:
        Unreadable: not an image, or cut off.
    """
    with _pillow():
        picture = Image.open(io.BytesIO(data))
        picture.load()
        return picture


def palette_indices(data: bytes) -> np.ndarray | None:
    """(H, W) uint8, the indices of an image file with a palette, which OpenCV replaces by colours; None without one,
    known from its head alone.

    Raises:
        Unreadable: not an image, or cut off.
    """
    with _pillow():
        picture = Image.open(io.BytesIO(data))
        return np.array(picture) if picture.mode == "P" else None


@contextmanager
def _pillow() -> Iterator[None]:
    """What Pillow raises on foreign, broken or huge files, as `Unreadable`."""
    try:
        yield
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"cannot be read as an image ({error})", "get the file again") from error


def resize(array: np.ndarray, size: int) -> np.ndarray:
    """`array` (H, W[, 3]) as (size, size[, 3]): area average when it shrinks both ways, else linear."""
    height, width = array.shape[:2]
    shrinks = size <= min(height, width)
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode(data: bytes, flags: int) -> np.ndarray:
    """An image file by OpenCV; `flags` are those of `cv2.imdecode`. Unreadable where it gives none."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # too many pixels
        image = None
    if image is None:
        raise Unreadable("cannot be decoded as an image", "get the file again")
    return image


def check_whole(data: bytes) -> None:
    """Raise `Unreadable` for a file that is empty or cut off: OpenCV fills the rest with grey and says nothing, so its
    end is looked for here."""
    if not data:
        raise Unreadable("is empty", "get the file again")
    if data.startswith(b"\xff\xd8"):  # JPEG: an end marker after the last start of a scan
        whole = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    elif data.startswith(b"\x89PNG"):
        whole = b"IEND" in data[-4096:]
    else:
        whole = True
    if not whole:
        raise Unreadable("is cut off", "get the file again")
