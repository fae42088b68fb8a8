"""What the header of an image file says before it is decoded: its size, and what no reader here takes into account:
further pictures, and how to turn it.

The stored pixels of the first picture count, for images, masks and maps alike. The orientation of a TIFF is a part of
that format and applied by OpenCV and Pillow; that in the EXIF data of other files is applied by neither.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from pipeline_src.data.image_io import FORMATS, PIXELS, UnreadableImageError, check_whole

KIND = 254  # the tag of a TIFF's page: whether it is a smaller copy (bit 0) or a mask (bit 2) of another
COPIES = 20  # pages that may be such copies
UPRIGHT = 1
SEVERAL = ("holds several pictures", "save the one that counts as a file of its own")  # the problem, what to do


@dataclass(frozen=True, slots=True)
class Header:
    """What `read_header` reads.

    Attributes:
        orientation: 1 to 8, how EXIF data ask to turn or mirror the stored pixels, which is not done; 1 for upright and
            unknown.
        several: whether there are several pictures, such as the pages of a TIFF. Previews are none.
        bits: of a channel of a TIFF, no integer in odd ones; 8 for other formats, whatever they have.
    """

    orientation: int
    several: bool
    bits: object

    def check_single(self) -> None:
        """UnreadableImageError for several pictures."""
        if self.several:
            raise UnreadableImageError(*SEVERAL)


def read_header(
    data: bytes, pixels: int = PIXELS, do: str = "write `limits: {pixels: N}` with a larger N into params.yaml"
) -> Header:
    """Read the header of an image file before it is decoded: a small file can hold a huge image.

    Args:
        pixels: that it may have.
        do: how a user changes the limit.

    Raises:
        UnreadableImageError: not an image, cut off, or of more `pixels`.
    """
    check_whole(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd tags, without the name of the file
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                header = Header(_orientation(image), _several(image), _bits(image))
    except Exception:  # whatever a foreign or broken file makes Pillow's plugins raise
        raise UnreadableImageError("cannot be decoded as an image", "get the file again") from None
    if width * height > pixels:
        problem = f"has {width:,} x {height:,} pixels, and the limit is {pixels:,}"
        raise UnreadableImageError(problem, f"make it smaller, or {do}")
    return header


def _bits(image: Image.Image) -> object:
    return max(image.tag_v2.get(BITSPERSAMPLE, (8,))) if isinstance(image, TiffImageFile) else 8


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # damaged EXIF data ask for nothing
        exif.load(b"" if isinstance(image, TiffImageFile) else image.info.get("exif", b""))
        if (turn := exif.get(ExifTags.Base.Orientation)) in range(UPRIGHT, 9):
            return turn
    return UPRIGHT


def _several(image: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # the last page, or what a damaged one makes Pillow raise
        if not isinstance(image, TiffImageFile):  # pictures of phones hold a preview as a second one
            return image.format != "MPO" and getattr(image, "is_animated", False)
        for page in range(1, COPIES):
            image.seek(page)
            if not image.tag_v2.get(KIND, 0) & 0b101:
                return True
        return True
    return False
