"""The header of an image file: size, orientation, number of pictures, bits.

The stored pixels of the first picture count, for images, masks and maps alike. OpenCV and Pillow apply the orientation
of a TIFF, but not the orientation in the EXIF data of other files.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from pipeline_src.data.image_io import FORMATS, PIXELS, UnreadableImageError, check_whole

UPRIGHT = 1
SEVERAL = ("holds several pictures", "save the picture that counts as a file of its own")  # problem and fix


@dataclass(frozen=True, slots=True)
class Header:
    """The facts that `read_header` reads.

    Attributes:
        orientation: 1 to 8, the EXIF request to turn or mirror the stored pixels, which is not applied; 1 is upright.
        several: whether the file holds several pictures, such as pages of a TIFF or frames of a GIF.
        bits: bits of a channel of a TIFF; 8 for other formats.
    """

    orientation: int
    several: bool
    bits: object

    def check_single(self) -> None:
        """UnreadableImageError for several pictures."""
        if self.several:
            raise UnreadableImageError(*SEVERAL)


def read_header(
    data: bytes, pixels: int = PIXELS, fix: str = "write `limits: {pixels: N}` with a larger N into params.yaml"
) -> Header:
    """Read the header of an image file before its pixels are decoded.

    Args:
        pixels: the largest number of pixels.
        fix: the way to change this limit.

    Raises:
        UnreadableImageError: not an image, cut off, or of more `pixels`.
    """
    check_whole(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags, without the name of the file
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                tiff = isinstance(image, TiffImageFile)
                several = image.format != "MPO" and getattr(image, "n_frames", 1) > 1  # phones add previews as MPO
                bits = max(image.tag_v2.get(BITSPERSAMPLE, (8,))) if isinstance(image, TiffImageFile) else 8
                header = Header(UPRIGHT if tiff else _orientation(image), several, bits)
    except Exception:  # Pillow's plugins raise many types
        raise UnreadableImageError("cannot be decoded as an image", "get the file again") from None
    if width * height > pixels:
        problem = f"has {width:,} x {height:,} pixels, and the limit is {pixels:,}"
        raise UnreadableImageError(problem, f"make it smaller, or {fix}")
    return header


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # damaged EXIF data
        exif.load(image.info.get("exif", b""))  # `getexif` would decode a PNG
        if (turn := int(exif.get(ExifTags.Base.Orientation, UPRIGHT))) in range(UPRIGHT, 9):
            return turn
    return UPRIGHT
