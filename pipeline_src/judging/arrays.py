"""One saved map or mask: read, checked, brought to one size."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Literal

import cv2
import numpy as np
from numpy.lib import format as npy

from pipeline_src.counting.levels import SLACK
from pipeline_src.counting.storage import native
from pipeline_src.data.image_headers import UPRIGHT, read_header
from pipeline_src.data.image_io import JPEG, PIXELS, UnreadableImageError, decode, palette_indices
from pipeline_src.judging.files import ARRAYS, UnusableFileError

Palette = Literal["colours", "either", "indices"]  # of a picture: its colours, indices, or its colours if they are grey
NEAR = 0.05  # outside of [0, 1]; beyond it values are no probabilities that something has moved
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor


def read_map(
    path: Path, shape: tuple[int, ...] | None = None, limit: int = PIXELS, several: bool = False
) -> np.ndarray:
    """A prediction map: (H, W) probabilities of the positive class, or (K, H, W) of K classes.

    Args:
        shape: that of the mask, to distinguish K classes of an image one pixel wide, (K, H, 1), from a map (H, W, 1).
        limit: values that a file may hold; a larger one is not decoded.
        several: whether it is known to be of K classes, so that (K, H, 1) stays what it is whatever its mask.

    Returns:
        uint8 (v / 255), uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one array).

    Raises:
        UnusableFileError: not readable, several channels, no probabilities.
    """
    array = _load(path, "colours", limit, shape, several)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise UnusableFileError(
            f"an array of shape {array.shape}; expected (height, width), or (classes, height, width)"
        )
    if array.dtype == np.float16 or array.dtype == bool:
        array = array.astype(np.float32)
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 2:
        return array
    if array.dtype not in (np.float32, np.float64):
        if array.ndim == 3:
            raise UnusableFileError(
                f"an array of shape {array.shape} and type {array.dtype}; expected one map (height, width), or of "
                "several classes float32, float64 or float16 (classes, height, width) that sum to 1"
                + " (divide a rounded softmax by its sum, as float16)"
                * (array.dtype.kind == "u")
            )
        raise UnusableFileError(f"values of type {array.dtype}; expected float32 or float64 in [0, 1], uint8 or uint16")
    return _probabilities(array)


def _probabilities(array: np.ndarray) -> np.ndarray:
    low, high = array.min(), array.max()
    if low >= 0 and high <= 1:
        return array
    if low >= -SLACK and high <= 1 + SLACK:
        return np.clip(array, 0, 1)
    if not np.isfinite(array).all():
        nan = np.count_nonzero(np.isnan(array))
        which = f"{nan} value(s) are NaN" if nan else "some values are infinite"
        raise UnusableFileError(f"{which}; expected probabilities in [0, 1]")
    if low >= -NEAR and high <= 1 + NEAR:
        hint = "cubic interpolation and rounding go beyond: clip to [0, 1]"
    elif high <= 0:
        hint = "logarithms need exp"
    elif 2 < high <= 255 and low >= 0:
        hint = "divide 0..255 by 255, or save one map as uint8"
    else:
        hint = "logits need a sigmoid" if array.ndim == 2 else "logits need a softmax over the classes"
    raise UnusableFileError(f"values from {low:.8g} to {high:.8g}; expected probabilities in [0, 1] ({hint})")


def mask_values(
    path: Path, ignore: int | None = None, limit: int = PIXELS
) -> tuple[np.ndarray, np.ndarray, int | None]:
    """The values of a binary mask, and which pixels do not count.

    Returns:
        (H, W) uint8 with 0 where a pixel is ignored; (H, W) bool, ignored pixels; and the number of grey pixels.
        Masks of bool and of fractions have the values 0 and 255. For whole numbers the number of grey pixels is None:
        their meaning depends on the other masks (`masks.Survey`).

    Raises:
        UnusableFileError: not readable, several different channels, an unknown type.
    """
    array = _load(path, "either", limit)
    if array.ndim != 2 or 0 in array.shape:
        raise UnusableFileError(f"an array of shape {array.shape}; expected (height, width)")
    if array.dtype.kind not in "buif":
        raise UnusableFileError(f"values of type {array.dtype}; expected 0 and 255, or 0 and 1")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    if array.dtype == bool:
        return np.where(array & ~ignored, np.uint8(255), np.uint8(0)), ignored, 0
    values = array if ignore is None else np.where(ignored, array.dtype.type(0), array)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # NaN too
        raise UnusableFileError(f"values from {low:g} to {high:g}; expected 0 and 255, or 0 and 1")
    if array.dtype.kind != "f":
        return values.astype(np.uint8, copy=False), ignored, None
    between = int(np.count_nonzero(values != np.rint(values)))
    if between and high > 1:
        raise UnusableFileError(f"fractions up to {high:g}; expected 0 and 255, or 0 and 1")
    if between:
        return np.where(values > 0.5, np.uint8(255), np.uint8(0)), ignored, between
    return values.astype(np.uint8, copy=False), ignored, None


def read_labels(path: Path, limit: int) -> np.ndarray:
    """A mask of class ids, (H, W) integers; the indices of a picture with a palette.

    Raises:
        UnusableFileError: not readable, several different channels, no integers; a JPEG file, which does not keep ids.
    """
    if is_jpeg(path):
        raise UnusableFileError("a JPEG file, which does not keep class ids; save the ids as PNG")
    array = _load(path, "indices", limit)
    if array.ndim != 2 or 0 in array.shape or not np.issubdtype(array.dtype, np.integer):
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (height, width) class ids"
        )
    return array


def is_jpeg(path: Path) -> bool:
    """Whether a file is JPEG, whatever its name; not where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(JPEG)) == JPEG
    except OSError:
        return False


def _load(
    path: Path, palette: Palette, limit: int, shape: tuple[int, ...] | None = None, several: bool = False
) -> np.ndarray:
    """The array in a file, without an axis of length 1 for the channel, first or last, unless it is the width of images
    of `shape`, or of `several` classes."""
    array = native(_array(path, limit)) if path.suffix.lower() in ARRAYS else _picture(path, palette, limit)
    if array.ndim != 3:
        return array
    if array.shape[0] == 1:
        return array[0]
    narrow = several or (array.shape[1:] == shape and array.shape[:2] != shape)
    return array[..., 0] if array.shape[-1] == 1 and not narrow else array


def _picture(path: Path, palette: Palette, limit: int) -> np.ndarray:
    """A picture of one channel."""
    try:
        data = path.read_bytes()  # by Python, since OpenCV cannot open every name
        header = read_header(data, limit)
        header.check_single()
    except OSError as error:
        raise UnusableFileError(f"cannot be read: {error.strerror}") from error
    except UnreadableImageError as reason:
        more = "; a larger value of --max-pixels reads it" if "limit" in reason.problem else ""
        raise UnusableFileError(f"the file {reason.problem}{more}") from reason
    if (turned := header.orientation) != UPRIGHT:
        raise UnusableFileError(
            f"an EXIF orientation of {turned}, which would not be applied; turn its pixels, or remove the tag"
        )
    if palette == "indices" and (indices := _indices(data)) is not None:
        return indices
    try:
        array = decode(data, cv2.IMREAD_UNCHANGED)
    except UnreadableImageError as reason:
        raise UnusableFileError("not readable as an image") from reason
    if array.ndim == 2:
        return array
    colours = array[..., :3]
    if np.any(colours != colours[..., :1]):
        if palette == "either" and (indices := _indices(data)) is not None:
            return indices
        several = "; maps of K classes go into .npy or .npz, (K, height, width)" if palette == "colours" else ""
        raise UnusableFileError(f"a colour image; expected one channel{several}")
    if array.shape[2] == 4 and array[..., 3].min() < np.iinfo(array.dtype).max:
        raise UnusableFileError("partly transparent; save it without an alpha channel")
    return colours[..., 0]


def _indices(data: bytes) -> np.ndarray | None:
    """As `palette_indices`; None also where Pillow cannot read the picture: OpenCV may."""
    try:
        return palette_indices(data)
    except UnreadableImageError:
        return None


def _array(path: Path, limit: int) -> np.ndarray:
    try:
        if path.suffix.lower() == ".npy":
            with open(path, "rb") as file:
                _check_header(file, path.stat().st_size, limit)
            return np.load(path, allow_pickle=False)
        with zipfile.ZipFile(path) as file:
            if len(names := file.namelist()) != 1:
                shown = ", ".join(name.removesuffix(".npy") for name in names[:5])
                raise UnusableFileError(f"{len(names)} arrays ({shown}); expected one")
            with file.open(names[0]) as member:
                _check_header(member, file.getinfo(names[0]).file_size, limit)
            with file.open(names[0]) as member:
                return npy.read_array(member, allow_pickle=False)
    except UnusableFileError:
        raise
    except Exception as error:  # whatever a foreign or broken file makes numpy or zip raise
        raise UnusableFileError(f"not readable as an array ({error})") from error


def _check_header(file: IO[bytes], size: int, limit: int) -> None:
    """Compare the shape in the header of a .npy file with its size in bytes and with the limit, before it is read."""
    version = npy.read_magic(file)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    if (values := math.prod(shape)) > limit:
        raise UnusableFileError(
            f"an array of shape {shape} has {values:,} values, and the limit is {limit:,} (--max-pixels)"
        )
    if (expected := values * dtype.itemsize) != (there := size - file.tell()):
        raise UnusableFileError(f"cut off: an array of {expected:,} bytes, of which {there:,} are there")


def matched(array: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """A map (H, W) or (K, H, W) in the size `shape` of its mask, and whether it was resized.

    Raises:
        UnusableFileError: the map is rotated or cropped. Square maps fit any mask: many networks resize every image to
            a square.
    """
    height, width = array.shape[-2:]
    if (height, width) == shape:
        return array, False
    factor = height / width / (shape[0] / shape[1])
    if (width, height) == shape or (height != width and not 1 / ASPECT <= factor <= ASPECT):
        stacked = width == shape[1] and height % shape[0] == 0
        raise UnusableFileError(
            f"height x width {height} x {width}, but its mask has {shape[0]} x {shape[1]}: rotated or cropped"
            + ", or classes one above the other, which go into .npy or .npz as (K, height, width)" * stacked
        )
    return fitted(array, shape), True


def fitted(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A map (H, W) or (K, H, W) resized bilinearly to `shape` (height, width), in its own type."""
    if array.ndim == 3:
        return np.stack([fitted(layer, shape) for layer in array])
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
