"""Reading and resizing of images and masks.

The stored pixels of the first picture of a file count, for images, masks and maps alike. OpenCV and
Pillow apply the orientation of a TIFF, but not the orientation in the EXIF data of other files.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from pipeline_src.data.entry import MAX_PIXELS
from pipeline_src.labels import IGNORED, stored_ids

# OpenCV belongs to the extra `pipeline`: saved maps need only Pillow.
with contextlib.suppress(ModuleNotFoundError):
    import cv2

    cv2.setNumThreads(1)  # each job uses one thread; parallel jobs fill the cores

JPEG = b"\xff\xd8"  # the first bytes of a JPEG file
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # the formats that Pillow may open
# No limit of Pillow: `check_pixels` has one, which `max_pixels` of a dataset raises.
Image.MAX_IMAGE_PIXELS = None

# A mask is grey if the channels of no pixel differ by more. They differ a little in grey masks that
# were saved as JPEG, and a lot in colored masks.
GREY_SPREAD = 16


class UnreadableImageError(ValueError):
    """An image file cannot be used.

    Attributes:
        problem: what is wrong, as the end of a sentence that begins with the file's name, such as
            "is cut off".
        fix: what the user can do.
    """

    def __init__(self, problem: str, fix: str = "get the file again"):
        """Store the problem with an image file, and the fix that a report suggests."""
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


def is_turned(data: bytes) -> bool:
    """Return whether the EXIF data of an image file ask to turn or mirror the stored pixels.

    The pipeline does not apply this orientation, so callers warn of such files.

    Raises:
        UnreadableImageError: not an image, cut off, or several pictures.
    """
    with open_image(data) as image:
        # Phones write MPO files, whose other pictures are previews.
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise UnreadableImageError(
                "holds several pictures", "save the picture that counts as a file of its own"
            )
        if isinstance(image, TiffImageFile):
            return False  # decoders apply the orientation of a TIFF
        exif = Image.Exif()
        with contextlib.suppress(Exception):  # damaged EXIF data
            exif.load(image.info.get("exif", b""))  # `getexif` would decode a PNG
            return int(exif.get(ExifTags.Base.Orientation, 1)) in range(2, 9)  # 1 is upright
    return False


@contextlib.contextmanager
def open_image(data: bytes) -> Iterator[ImageFile]:
    """Yield an image file opened by Pillow; unlike OpenCV it keeps the indices of a palette.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    _check_whole(data)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=FORMATS) as image,
        ):
            yield image
    except UnreadableImageError:
        raise
    except Exception:  # Pillow's plugins raise many types
        raise UnreadableImageError("cannot be decoded as an image") from None


def check_pixels(data: bytes, limit: int = MAX_PIXELS) -> None:
    """Check that an image file has at most `limit` pixels, by its header.

    A small file can need all memory when it is decoded. Files that only OpenCV can
    decode pass; OpenCV has a limit of its own, 2^30 pixels.

    Raises:
        UnreadableImageError: the image has more than `limit` pixels.
    """
    pixels = 0
    with contextlib.suppress(UnreadableImageError), open_image(data) as image:
        pixels = image.width * image.height
    if pixels > limit:
        raise UnreadableImageError(
            f"has {pixels:,} pixels, more than {limit:,}",
            "shrink it, or raise `max_pixels` of the dataset",
        )


def decode_image(data: bytes) -> np.ndarray:
    """Return an image file as RGB, uint8 (H, W, 3); an EXIF orientation is not applied.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    image = _decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def decode_mask(data: bytes, foreground: int | None = None) -> np.ndarray:
    """Return a mask file as uint8 (H, W): 0 background, 255 object, grey for soft edges.

    Args:
        data: bytes of the file; one channel, or RGB that is grey.
        foreground: the value of the object, or its index in a palette, if it is not 255; all other
            values are background.

    Raises:
        UnreadableImageError: not an image, cut off, colored, 16-bit, or without a value above 2.
    """
    if foreground is not None:
        if data.startswith(JPEG):
            raise UnreadableImageError(
                "mask is a JPEG file, which does not keep the value `foreground`",
                "save it as PNG, not from the JPEG, or leave out `foreground` if its values are "
                "0 and 255",
            )
        with open_image(data) as image:
            values = stored_ids(image) if image.mode in ("1", "L", "P") else _grey(data)
        # Only one value is the object, so such a mask has no soft edges.
        return np.where(values == foreground, np.uint8(255), np.uint8(0))
    values = _grey(data)
    # Values up to 2 were saved as class ids, so none would be above 127, an object.
    if 0 < values.max() < 3:
        raise UnreadableImageError(
            f"mask has no value above {values.max()}, so nothing in it is an object",
            f"if {values.max()} is its object, add `foreground: {values.max()}` to the dataset",
        )
    return values


def decode_labels(data: bytes, classes: int, void: int) -> np.ndarray:
    """Return a mask file of class ids as uint8 (H, W): 0 to classes - 1, or `IGNORED`.

    Args:
        void: the id in the file of pixels that never count.

    Raises:
        UnreadableImageError: not an image, cut off, JPEG, not 8-bit, or with other values.
    """
    if data.startswith(JPEG):
        raise UnreadableImageError(
            "mask is a JPEG file, which does not keep class ids", "save it as PNG"
        )
    with open_image(data) as image:
        if image.mode not in ("L", "P"):
            raise UnreadableImageError(
                f"mask of classes has the mode {image.mode}", "save 8 bits, the class id as value"
            )
        labels = stored_ids(image)
    values = np.unique(labels)
    invalid = values[(values >= classes) & (values != void)]
    if invalid.size:
        raise UnreadableImageError(
            f"mask has the values {', '.join(map(str, invalid[:5]))}, no classes "
            f"(0 to {classes - 1}) and not void",
            f"correct it, or `classes` and `void` (now {void}) of the dataset",
        )
    labels[labels == void] = IGNORED
    return labels


def resize(array: np.ndarray, size: int) -> np.ndarray:
    """Return an array (H, W[, 3]) resized to (size, size[, 3]); the ratio of sides is not kept.

    Pixels are averaged over areas if both sides shrink, else interpolated linearly.
    """
    shrinks = size <= min(array.shape[:2])
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(array, (size, size), interpolation=interpolation)


def _grey(data: bytes) -> np.ndarray:
    """Return the values of a mask file of one channel or of equal channels, uint8 (H, W).

    Raises:
        UnreadableImageError: cut off, not 8-bit, colored or partly transparent.
    """
    mask = _decode(data, cv2.IMREAD_UNCHANGED)
    if mask.dtype != np.uint8:
        raise UnreadableImageError(
            f"mask has {mask.dtype} values",
            "save it with 8 bits, 0 for background and 255 for the object",
        )
    if mask.ndim == 2:
        return mask
    if np.ptp(mask[..., :3].astype(np.int16), axis=2).max() > GREY_SPREAD:
        fix = "save it with one channel, 0 and 255 for the object"
        with open_image(data) as image:
            if image.mode == "P":  # OpenCV has replaced its indices by colors
                fix = (
                    f"it has a palette: add `foreground: {np.array(image).max()}`, or the index of "
                    "the object, to the dataset"
                )
        raise UnreadableImageError("mask is colored", fix)
    if mask.shape[2] == 4 and mask[..., 3].min() < 255:
        raise UnreadableImageError("mask is partly transparent", "save it without an alpha channel")
    return np.ascontiguousarray(mask[..., 1])  # green: the channels are nearly equal


def _decode(data: bytes, flags: int) -> np.ndarray:
    """Return an image file decoded by OpenCV with the `flags` of `cv2.imdecode`.

    Raises:
        UnreadableImageError: not an image, or cut off.
    """
    _check_whole(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise UnreadableImageError("cannot be decoded as an image")
    return image


def _check_whole(data: bytes) -> None:
    """Check that the end of a file is present: OpenCV silently fills missing pixels with grey.

    Raises:
        UnreadableImageError: the file is empty or cut off.
    """
    if not data:
        raise UnreadableImageError("is empty")
    # The last chunk of a PNG is IEND; a little data after it does no harm.
    cut_png = data.startswith(b"\x89PNG") and b"IEND" not in data[-4096:]
    # In a JPEG an end marker (ff d9) follows the last start of a scan (ff da).
    if cut_png or (data.startswith(JPEG) and data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")):
        raise UnreadableImageError("is cut off")
