"""One saved map or mask as an array: the only place where the content of foreign files is checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.storage import native
from pipeline_src.data.image_io import JPEG, UPRIGHT, UnreadableImageError, decode, palette_indices, read_header
from pipeline_src.maps.pairs import ARRAYS, UnusableFileError

Palette = Literal["colors", "either", "indices"]  # how a picture is read: colors, indices, or colors if they are gray
NEAR = 0.05  # values up to so far outside of [0, 1] come from interpolation or rounding
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor


def read_map(path: Path, shape: tuple[int, ...] | None = None, several: bool = False) -> np.ndarray:
    """A prediction map: (H, W) probabilities of the positive class, or (K, H, W) of K classes.

    Args:
        shape: of the mask, which distinguishes K classes of an image one pixel wide, (K, H, 1), from a map (H, W, 1).
        several: whether it is known to have K classes, so that (K, H, 1) stays whatever its mask.

    Returns:
        uint8 (v / 255), uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one array).

    Raises:
        UnusableFileError: not readable, several channels, no probabilities.
    """
    array = _load(path, "colors", shape, several)
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
        hint = "cubic interpolation and rounding exceed it: clip to [0, 1]"
    elif high <= 0:
        hint = "logarithms need exp"
    elif 2 < high <= 255 and low >= 0:
        hint = "divide 0..255 by 255, or save one map as uint8"
    else:
        hint = "logits need a sigmoid" if array.ndim == 2 else "logits need a softmax over the classes"
    raise UnusableFileError(f"values from {low:.8g} to {high:.8g}; expected probabilities in [0, 1] ({hint})")


def check_classes_first(probability: np.ndarray, size: tuple[int, ...] | None = None) -> None:
    """UnusableFileError where a map of three axes has its classes last, by the `size` of its mask or by its sums."""
    if size is not None and probability.shape[1:] == size:
        return
    sums_to_one = np.allclose(probability.sum(axis=-1), 1, atol=SUM_SLACK)
    if probability.shape[:2] == size or (sums_to_one and not np.allclose(probability.sum(axis=0), 1, atol=SUM_SLACK)):
        raise UnusableFileError(
            f"an array of shape {probability.shape}, channels last; expected (classes, height, width): use "
            ".transpose(2, 0, 1)"
        )


def check_sums(sums: np.ndarray) -> None:
    """UnusableFileError where sums over the classes are not 1."""
    if not np.allclose(sums, 1, rtol=0, atol=SUM_SLACK):
        raise UnusableFileError(
            f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every pixel, within "
            f"{SUM_SLACK:g}: save the softmax as float32, or divide a rounded one by its sum"
        )


def mask_values(path: Path, ignore: int | None = None) -> tuple[np.ndarray, np.ndarray, int | None]:
    """The values of a binary mask, and which pixels do not count.

    Returns:
        (H, W) uint8 with 0 where a pixel is ignored; (H, W) bool, ignored pixels; and the number of gray pixels.
        Masks of bool and of fractions have the values 0 and 255. For whole numbers the number of gray pixels is None:
        their meaning depends on the other masks (`masks.Survey`).

    Raises:
        UnusableFileError: not readable, several different channels, an unknown type.
    """
    array = _load(path, "either")
    if array.ndim != 2 or 0 in array.shape:
        raise UnusableFileError(f"an array of shape {array.shape}; expected (height, width)")
    if array.dtype.kind not in "buif":
        raise UnusableFileError(f"values of type {array.dtype}; expected 0 and 255, or 0 and 1")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    if array.dtype == bool:
        return np.where(array & ~ignored, np.uint8(255), np.uint8(0)), ignored, 0
    values = array if ignore is None else np.where(ignored, array.dtype.type(0), array)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # NaN, too
        raise UnusableFileError(f"values from {low:g} to {high:g}; expected 0 and 255, or 0 and 1")
    if array.dtype.kind != "f":
        return values.astype(np.uint8, copy=False), ignored, None
    between = int(np.count_nonzero(values != np.rint(values)))
    if between and high > 1:
        raise UnusableFileError(f"fractions up to {high:g}; expected 0 and 255, or 0 and 1")
    if between:
        return np.where(values > 0.5, np.uint8(255), np.uint8(0)), ignored, between
    return values.astype(np.uint8, copy=False), ignored, None


def read_labels(path: Path) -> np.ndarray:
    """A mask of class ids, (H, W) integers; of a picture with a palette its indices.

    Raises:
        UnusableFileError: not readable, several different channels, no integers; a JPEG file, which changes ids.
    """
    if is_jpeg(path):
        raise UnusableFileError("a JPEG file, which changes class ids; save the ids as PNG")
    array = _load(path, "indices")
    if array.ndim != 2 or 0 in array.shape or not np.issubdtype(array.dtype, np.integer):
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (height, width) class ids"
        )
    return array


def is_jpeg(path: Path) -> bool:
    """Whether a file is JPEG, whatever its name; False for an unreadable file."""
    try:
        with open(path, "rb") as file:
            return file.read(len(JPEG)) == JPEG
    except OSError:
        return False


def _load(path: Path, palette: Palette, shape: tuple[int, ...] | None = None, several: bool = False) -> np.ndarray:
    """The array in a file, without an axis of length 1 for the channel, first or last, unless it is the width of images
    of `shape`, or of `several` classes."""
    array = native(_array(path)) if path.suffix.lower() in ARRAYS else _picture(path, palette)
    if array.ndim != 3:
        return array
    if array.shape[0] == 1:
        return array[0]
    narrow = several or (array.shape[1:] == shape and array.shape[:2] != shape)
    return array[..., 0] if array.shape[-1] == 1 and not narrow else array


def _array(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            if len(loaded.files) == 1:
                return loaded[loaded.files[0]]
            reason = f"{len(loaded.files)} arrays ({', '.join(loaded.files[:5])}); expected one"
    except Exception as error:  # a foreign or broken file can make numpy and zipfile raise anything
        raise UnusableFileError(f"not readable as an array ({error})") from error
    raise UnusableFileError(reason)


def _picture(path: Path, palette: Palette) -> np.ndarray:
    """A picture of one channel."""
    try:
        data = path.read_bytes()  # by Python, because OpenCV cannot open every name
        header = read_header(data, sys.maxsize)
        header.check_single()
    except OSError as error:
        raise UnusableFileError(f"cannot be read: {error.strerror}") from error
    except UnreadableImageError as reason:
        raise UnusableFileError(f"the file {reason.problem}") from reason
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
    colors = array[..., :3]
    if np.any(colors != colors[..., :1]):
        if palette == "either" and (indices := _indices(data)) is not None:
            return indices
        several = "; maps of K classes go into .npy or .npz, (K, height, width)" if palette == "colors" else ""
        raise UnusableFileError(f"a color image; expected one channel{several}")
    if array.shape[2] == 4 and array[..., 3].min() < np.iinfo(array.dtype).max:
        raise UnusableFileError("partly transparent; save it without an alpha channel")
    return colors[..., 0]


def _indices(data: bytes) -> np.ndarray | None:
    """The indices of a picture with a palette; None without one, and where Pillow cannot read it but OpenCV may."""
    try:
        return palette_indices(data)
    except UnreadableImageError:
        return None


def matched(array: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
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
    return resized(array, shape), True


def resized(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map (H, W) or (K, H, W) resized bilinearly to `shape` (height, width), in its own type."""
    if array.ndim == 3:
        return np.stack([resized(layer, shape) for layer in array])
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
