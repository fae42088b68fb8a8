"""Reading and resizing of images and masks."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from pipeline_src.errors import UserError
from pipeline_src.params.schema import LIMITS

try:
    import cv2
except ImportError as error:  # bare containers lack the libraries that OpenCV needs
    raise UserError(
        "OpenCV cannot be imported",
        found=error,
        expected="its system libraries libGL and glib",
        fix="on Debian or Ubuntu:  apt-get install libgl1 libglib2.0-0",
    ) from error

JPEG = b"\xff\xd8"
PIXELS = LIMITS.pixels
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
Image.MAX_IMAGE_PIXELS = None  # `image_headers.read_header` has a limit that users can change

# Each job uses one thread; parallel jobs fill the cores.
cv2.setNumThreads(1)

# The channels of a grey mask saved as JPEG differ a little; those of a colored mask differ a lot.
GREY_SPREAD = 16


class UnreadableImageError(ValueError):
    """An image file cannot be used: the problem and its fix."""

    def __init__(self, problem: str, fix: str):
        super().__init__(problem)
        self.problem, self.fix = problem, fix


def decode_image(data: bytes) -> np.ndarray:
    """An image file as RGB, uint8 (H, W, 3); an EXIF orientation is not applied.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    check_whole(data)
    image = decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def decode_mask(data: bytes, foreground: int | None = None) -> np.ndarray:
    """A mask file as uint8 (H, W): 0 background, 255 object, grey for soft edges.

    Args:
        data: bytes of the file; one channel, or RGB that is grey.
        foreground: the value of the object, if it is not 255; all other values are background.

    Raises:
        UnreadableImageError: not an image, cut off, colored, 16-bit, or without a value above 2.
    """
    return as_mask(mask_values(data, foreground is not None), foreground)


def as_mask(values: np.ndarray, foreground: int | None) -> np.ndarray:
    """`decode_mask` of the values of a file, uint8 (H, W)."""
    if foreground is not None:
        return np.where(values == foreground, np.uint8(255), np.uint8(0))
    if 0 < values.max() < 3:
        raise UnreadableImageError(
            f"mask has no value above {values.max()}, so nothing in it is an object",
            f"if {values.max()} is its object, add `foreground: {values.max()}` to the dataset",
        )
    return values


def mask_values(data: bytes, indices: bool) -> np.ndarray:
    """The values of a mask file, uint8 (H, W).

    Args:
        indices: whether to return the indices of a file with a palette, instead of their greys.

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
        color = mask[..., :3].astype(np.int16)
        if np.ptp(color, axis=2).max() > GREY_SPREAD:
            if (indices := palette_indices(data)) is None:
                raise UnreadableImageError("mask is colored", "save it with one channel, 0 and 255 for the object")
            value = indices.max() if len(np.unique(indices)) <= 2 else "N"
            fix = f"it has a palette: add `foreground: {value}`, the index of the object, to the dataset"
            raise UnreadableImageError("mask is colored", fix)
        if mask.shape[2] == 4 and mask[..., 3].min() < 255:
            raise UnreadableImageError("mask is partly transparent", "save it without an alpha channel")
        mask = np.ascontiguousarray(mask[..., 1])
    return mask


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
    """The palette indices of an image file, uint8 (H, W), which OpenCV replaces by colors; None without a palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    with _pillow():
        image = Image.open(io.BytesIO(data))
        return np.array(image) if image.mode == "P" else None


@contextmanager
def _pillow() -> Iterator[None]:
    """Turn Pillow's errors into `UnreadableImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags, without the name of the file
            yield
    except Exception as error:  # plugins raise many types
        raise UnreadableImageError(f"cannot be read as an image ({error})", "get the file again") from error


def resize(array: np.ndarray, size: int) -> np.ndarray:
    """`array` (H, W[, 3]) resized to (size, size[, 3]): area average if both sides shrink, else linear."""
    height, width = array.shape[:2]
    shrinks = size <= min(height, width)
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode(data: bytes, flags: int) -> np.ndarray:
    """An image file decoded by OpenCV; `flags` are those of `cv2.imdecode`.

    Raises:
        UnreadableImageError: not an image, or too large.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise UnreadableImageError("cannot be decoded as an image", "get the file again")
    return image


def check_whole(data: bytes) -> None:
    """Check that the end of a file is present: OpenCV silently fills missing pixels with grey.

    Raises:
        UnreadableImageError: the file is empty or cut off.
    """
    if not data:
        raise UnreadableImageError("is empty", "get the file again")
    if data.startswith(JPEG):  # an end marker after the last start of a scan
        complete = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    elif data.startswith(b"\x89PNG"):
        complete = b"IEND" in data[-4096:]
    else:
        complete = True
    if not complete:
        raise UnreadableImageError("is cut off", "get the file again")
