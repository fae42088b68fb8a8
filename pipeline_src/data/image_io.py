"""Reading and resizing of images and masks.

The stored pixels of the first picture of a file count, for images, masks and maps alike. OpenCV and Pillow apply the
orientation of a TIFF, but not the orientation in the EXIF data of other files.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from pipeline_src.params.schema import LIMITS

with contextlib.suppress(ModuleNotFoundError):  # of the extra `pipeline`: saved maps need only Pillow
    import cv2

    cv2.setNumThreads(1)  # each job uses one thread; parallel jobs fill the cores

JPEG = b"\xff\xd8"
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
UPRIGHT = 1
Image.MAX_IMAGE_PIXELS = None  # `read_header` has a limit that users can change

# The channels of a grey mask saved as JPEG differ a little; those of a colored mask differ a lot.
GREY_SPREAD = 16


class UnreadableImageError(ValueError):
    """An image file cannot be used: the problem and its fix."""

    def __init__(self, problem: str, fix: str = "get the file again"):
        super().__init__(problem)
        self.problem, self.fix = problem, fix


class Header(NamedTuple):
    """The header of an image file.

    Attributes:
        orientation: 1 to 8, the EXIF request to turn or mirror the stored pixels, which is not applied; 1 is upright.
        several: whether the file holds several pictures, such as pages of a TIFF or frames of a GIF.
        bits: bits of a channel of a TIFF; 8 for other formats.
    """

    orientation: int
    several: bool
    bits: int

    def check_single(self) -> None:
        """Raise UnreadableImageError for several pictures."""
        if self.several:
            raise UnreadableImageError("holds several pictures", "save the picture that counts as a file of its own")


def read_header(
    data: bytes, pixels: int = LIMITS.pixels, fix: str = "write `limits: {pixels: N}` with a larger N into params.yaml"
) -> Header:
    """Read the header of an image file before its pixels are decoded.

    Args:
        pixels: the largest number of pixels.
        fix: the way to change this limit.

    Raises:
        UnreadableImageError: not an image, cut off, or of more `pixels`.
    """
    check_whole(data)
    with open_image(data) as image:
        width, height = image.size
        several = image.format != "MPO" and getattr(image, "n_frames", 1) > 1  # phones add previews as MPO
        if isinstance(image, TiffImageFile):
            orientation, bits = UPRIGHT, max(image.tag_v2.get(BITSPERSAMPLE, (8,)))
        else:
            orientation, bits = _exif_orientation(image), 8
    if width * height > pixels:
        problem = f"has {width:,} x {height:,} pixels, and the limit is {pixels:,}"
        raise UnreadableImageError(problem, f"make it smaller, or {fix}")
    return Header(orientation, several, bits)


def _exif_orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # damaged EXIF data
        exif.load(image.info.get("exif", b""))  # `getexif` would decode a PNG
        if (turn := int(exif.get(ExifTags.Base.Orientation, UPRIGHT))) in range(UPRIGHT, 9):
            return turn
    return UPRIGHT


@contextlib.contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """An image file opened by Pillow, which keeps the indices of a palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            yield image
    except Exception:  # Pillow's plugins raise many types
        raise UnreadableImageError("cannot be decoded as an image") from None


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
        problem = f"mask has {mask.dtype} values"
        raise UnreadableImageError(problem, "save it with 8 bits, 0 for background and 255 for the object")
    if mask.ndim == 3:
        color = mask[..., :3].astype(np.int16)
        if np.ptp(color, axis=2).max() > GREY_SPREAD:
            fix = "save it with one channel, 0 and 255 for the object"
            if (palette := palette_indices(data)) is not None:
                fix = f"it has a palette: add `foreground: {palette.max()}`, or the index of the object, to the dataset"
            raise UnreadableImageError("mask is colored", fix)
        if mask.shape[2] == 4 and mask[..., 3].min() < 255:
            raise UnreadableImageError("mask is partly transparent", "save it without an alpha channel")
        mask = np.ascontiguousarray(mask[..., 1])
    return mask


def palette_indices(data: bytes) -> np.ndarray | None:
    """The palette indices of an image file, uint8 (H, W), which OpenCV replaces by colors; None without a palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    with open_image(data) as image:
        return np.array(image) if image.mode == "P" else None


def resize(array: np.ndarray, size: int) -> np.ndarray:
    """`array` (H, W[, 3]) resized to (size, size[, 3]): area average if both sides shrink, else linear."""
    shrinks = size <= min(array.shape[:2])
    return cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode(data: bytes, flags: int) -> np.ndarray:
    """An image file decoded by OpenCV with the `flags` of `cv2.imdecode`.

    Raises:
        UnreadableImageError: not an image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise UnreadableImageError("cannot be decoded as an image")
    return image


def check_whole(data: bytes) -> None:
    """Check that the end of a file is present: OpenCV silently fills missing pixels with grey.

    Raises:
        UnreadableImageError: the file is empty or cut off.
    """
    if not data:
        raise UnreadableImageError("is empty")
    cut_png = data.startswith(b"\x89PNG") and b"IEND" not in data[-4096:]
    # An end marker follows the last start of a scan.
    if cut_png or (data.startswith(JPEG) and data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")):
        raise UnreadableImageError("is cut off")
