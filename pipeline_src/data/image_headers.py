"""What the header of an image file says that no reader here takes into account: further pictures, and how to turn it.

The stored pixels of the first picture count, for images, masks and maps alike. The orientation of a TIFF is a part of
that format and applied by OpenCV and Pillow; that in the EXIF data of other files is applied by neither.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from pipeline_src.data.image_io import FORMATS, UnreadableImageError

KIND = 254  # the tag of a TIFF's page: whether it is a smaller copy (bit 0) or a mask (bit 2) of another
COPIES = 20  # pages that may be such copies
UPRIGHT = 1


def check_single(file: bytes | Path) -> None:
    """UnreadableImageError for a file that holds several pictures, such as the pages of a TIFF. Previews are none."""
    several = False
    with contextlib.suppress(Exception), _opened(file) as image:  # whoever reads the picture says what is wrong with it
        several = _several(image)
    if several:
        raise UnreadableImageError("holds several pictures", "save the one that counts as a file of its own")


def orientation(file: bytes | Path) -> int:
    """1 to 8, how EXIF data ask to turn or mirror the stored pixels, which is not done; 1 for upright and unknown."""
    exif, found = Image.Exif(), None
    with contextlib.suppress(Exception), _opened(file) as image:  # damaged EXIF data ask for nothing
        exif.load(b"" if isinstance(image, TiffImageFile) else image.info.get("exif", b""))
        found = exif.get(ExifTags.Base.Orientation)
    return found if found in range(UPRIGHT, 9) else UPRIGHT


@contextlib.contextmanager
def _opened(file: bytes | Path) -> Iterator[Image.Image]:
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd tags, without the name of the file
        with Image.open(source, formats=FORMATS) as image:
            yield image


def _several(image: Image.Image) -> bool:
    if not isinstance(image, TiffImageFile):  # pictures of phones hold a preview as a second one
        return image.format != "MPO" and getattr(image, "is_animated", False)
    for page in range(1, COPIES):
        try:
            image.seek(page)
        except Exception:  # the last page, or what a damaged one makes Pillow raise
            return False
        if not image.tag_v2.get(KIND, 0) & 0b101:
            return True
    return True
