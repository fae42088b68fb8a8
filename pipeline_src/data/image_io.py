"""Reading and resizing of images and masks."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from pipeline_src.errors import UserError
from pipeline_src.params.schema import LIMITS

try:
    import cv2
except ImportError as error:  # OpenCV's wheel needs these libraries, and bare containers lack them
    raise UserError(
        "OpenCV cannot be imported",
        found=error,
        expected="its system libraries libGL and glib",
        do="on Debian or Ubuntu:  apt-get install libgl1 libglib2.0-0",
    ) from error

JPEG = b"\xff\xd8"
PIXELS = LIMITS.pixels
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
Image.MAX_IMAGE_PIXELS = None  # `image_headers` has a limit that the user can change

# Each job uses one thread; parallel jobs fill the cores.
cv2.setNumThreads(1)

# The channels of a grey mask saved as JPEG differ a little; those of a coloured one differ a lot.
GREY_SPREAD = 16


class UnreadableImageError(ValueError):
    """An image file cannot be used: the problem, and what to do about it."""

    def __init__(self, problem: str, do: str):
        super().__init__(problem)
        self.problem, self.do = problem, do


def decode_image(data: bytes) -> np.ndarray:
    """Image file as RGB, uint8 (H, W, 3), its stored pixels as they are (an EXIF orientation is not applied).

    Raises:
        UnreadableImageError: not an image, or cut off.
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
        UnreadableImageError: not an image, cut off, coloured, 16-bit, or without a value above 2 (most likely
            `foreground: 1` is missing).
    """
    return as_mask(mask_values(data, foreground is not None), foreground)


def as_mask(values: np.ndarray, foreground: int | None) -> np.ndarray:
    """The result of `decode_mask` for the values of a file."""
    if foreground is not None:
        return np.where(values == foreground, np.uint8(255), np.uint8(0))
    if 0 < values.max() < 3:
        raise UnreadableImageError(
            f"mask has no value above {values.max()}, so nothing in it is an object",
            f"if {values.max()} is its object, add `foreground: {values.max()}` to the data set",
        )
    return values


def mask_values(data: bytes, indices: bool) -> np.ndarray:
    """Values in a mask file, uint8 (H, W).

    Args:
        indices: return the indices of a file with a palette, instead of the greys that they stand for.

    Raises:
        UnreadableImageError: as `decode_mask`.
    """
    check_whole(data)
    if indices and (palette := palette_indices(data)) is not None:
        return palette
    mask = decode(data, cv2.IMREAD_UNCHANGED)
    if mask.dtype != np.uint8:
        raise UnreadableImageError(
            f"mask has {mask.dtype} values", "save it with 8 bits, 0 for background and 255 for the object"
        )
    if mask.ndim == 3:
        colour = mask[..., :3].astype(np.int16)
        if np.ptp(colour, axis=2).max() > GREY_SPREAD:
            raise UnreadableImageError("mask is coloured", _without_colours(data))
        if mask.shape[2] == 4 and mask[..., 3].min() < 255:
            raise UnreadableImageError("mask is partly transparent", "save it without an alpha channel")
        mask = np.ascontiguousarray(mask[..., 1])
    return mask


def _without_colours(data: bytes) -> str:
    """What to do about a coloured mask."""
    if (indices := palette_indices(data)) is None:
        return "save it with one channel, 0 for background and 255 for the object"
    which = indices.max() if len(np.unique(indices)) <= 2 else "N"
    return f"it has a palette: add `foreground: {which}`, the index of the object, to the data set"


def open_image(data: bytes) -> Image.Image:
    """An image file opened by Pillow, which keeps the indices of a palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    with _pillow():
        image = Image.open(io.BytesIO(data))
        image.load()
        return image


def palette_indices(data: bytes) -> np.ndarray | None:
    """The indices (H, W), uint8, of an image file with a palette, which OpenCV replaces by colours; None without a
    palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    with _pillow():
        image = Image.open(io.BytesIO(data))
        return np.array(image) if image.mode == "P" else None


@contextmanager
def _pillow() -> Iterator[None]:
    """Turn Pillow's errors on foreign or broken files into `UnreadableImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd tags, without the name of the file
            yield
    except Exception as error:  # whatever a foreign or broken file makes its plugins raise
        raise UnreadableImageError(f"cannot be read as an image ({error})", "get the file again") from error


def resize(array: np.ndarray, size: int) -> np.ndarray:
    """`array` (H, W[, 3]) as (size, size[, 3]): area average when it shrinks both ways, else linear."""
    height, width = array.shape[:2]
    shrinks = size <= min(height, width)
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode(data: bytes, flags: int) -> np.ndarray:
    """An image file decoded by OpenCV; `flags` are those of `cv2.imdecode`.

    Raises:
        UnreadableImageError: not an image, or too large.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # too many pixels
        image = None
    if image is None:
        raise UnreadableImageError("cannot be decoded as an image", "get the file again")
    return image


@contextmanager
def warnings_of_libjpeg(data: bytes) -> Iterator[list[str]]:
    """What libjpeg writes to the standard error of the process while `data` is decoded, such as "Corrupt JPEG data:
    premature end of data segment"; lines of others go on to it."""
    lines: list[str] = []
    if not data.startswith(JPEG):
        yield lines
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file.read().decode("utf-8", "replace").splitlines():
                if "JPEG" in line:
                    lines.append(line)
                else:
                    print(line, file=sys.stderr)


def check_whole(data: bytes) -> None:
    """Look for the end of the file: OpenCV silently fills what is cut off with grey.

    Raises:
        UnreadableImageError: the file is empty or cut off.
    """
    if not data:
        raise UnreadableImageError("is empty", "get the file again")
    if data.startswith(JPEG):  # an end marker after the last start of a scan
        whole = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    elif data.startswith(b"\x89PNG"):
        whole = b"IEND" in data[-4096:]
    else:
        whole = True
    if not whole:
        raise UnreadableImageError("is cut off", "get the file again")
