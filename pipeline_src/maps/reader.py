"""One saved map or mask as an array: the only place where the content of foreign files is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.storage import native
from pipeline_src.data.image_io import UPRIGHT, UnreadableImageError, open_image, palette_indices, read_orientation
from pipeline_src.maps.pairs import ARRAYS, JPEG, UnusableFileError

Palette = Literal["colors", "either", "indices"]  # a picture's colors, its indices, or its colors if they are gray
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor


def read_map(path: Path) -> np.ndarray:
    """A prediction map: (H, W) probabilities of the positive class, or (K, H, W) of K classes.

    Returns:
        uint8 (v / 255), uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one array).

    Raises:
        UnusableFileError: not readable, several channels, no probabilities.
    """
    array = _load(path, "colors")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise UnusableFileError(
            f"an array of shape {array.shape}; expected (height, width), or (classes, height, width)"
        )
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 2:
        return array
    if array.dtype.kind not in "bf":
        raise UnusableFileError(
            f"values of type {array.dtype}; expected floats in [0, 1], or for one object uint8 or uint16"
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    low, high = array.min(), array.max()
    if not (low >= -SLACK and high <= 1 + SLACK):  # NaN too
        fix = "apply a sigmoid" if array.ndim == 2 else "apply a softmax over the classes"
        raise UnusableFileError(
            f"values from {low:.8g} to {high:.8g}; expected probabilities in [0, 1] ({fix} to logits, divide 0..255 by "
            "255, clip what interpolation exceeds)"
        )
    return array if low >= 0 and high <= 1 else np.clip(array, 0, 1)


def check_classes(probability: np.ndarray, classes: int | None, valid: np.ndarray | None = None) -> None:
    """Check the number of classes of a map, and that its probabilities sum to 1.

    Args:
        classes: K of a map (K, H, W); None for a map (H, W).
        valid: (H, W) bool, the pixels whose sums are checked; None for all.

    Raises:
        UnusableFileError: they do not fit.
    """
    expected = f"({classes}, height, width)" if classes else "(height, width)"
    if probability.ndim != (3 if classes else 2) or (classes and len(probability) != classes):
        last = classes and probability.shape[-1] == classes
        hint = ": use .transpose(2, 0, 1)" if last else ""
        raise UnusableFileError(f"an array of shape {probability.shape}; expected {expected}, as other maps{hint}")
    if not classes:
        return
    sums = probability.sum(axis=0)
    sums = sums if valid is None else sums[valid]
    if not np.allclose(sums, 1, rtol=0, atol=SUM_SLACK):
        raise UnusableFileError(
            f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every pixel, within "
            f"{SUM_SLACK:g}: save the softmax as float32, or divide a rounded one by its sum"
        )


def read_mask(path: Path, ignore: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The values of a binary mask, and which pixels do not count.

    Returns:
        (H, W) uint8, with 0 where a pixel is ignored, and fractions multiplied by 255; (H, W) bool, ignored pixels.

    Raises:
        UnusableFileError: not readable, several different channels, an unknown type or value.
    """
    array = _load(path, "either")
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "buif":
        raise UnusableFileError(f"an array of shape {array.shape} and type {array.dtype}; expected (height, width)")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    values = np.where(ignored, np.zeros(1, array.dtype), array)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # NaN too
        raise UnusableFileError(f"values from {low:g} to {high:g}; expected 0 and 255, or 0 and 1")
    fractions = array.dtype.kind in "bf" and high <= 1
    return (255 * values if fractions else values).astype(np.uint8), ignored


def read_labels(path: Path) -> np.ndarray:
    """A mask of class ids, (H, W) integers; of a picture with a palette its indices.

    Raises:
        UnusableFileError: not readable, several different channels, no integers; a JPEG file, which changes ids.
    """
    if path.suffix.lower() in JPEG:
        raise UnusableFileError("a JPEG file, which changes class ids; save the ids as PNG")
    array = _load(path, "indices")
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iu":
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (height, width) class ids"
        )
    return array


def _load(path: Path, palette: Palette) -> np.ndarray:
    """The array in a file, without an axis of length 1 for the channel, first or last."""
    array = native(_array(path)) if path.suffix.lower() in ARRAYS else _picture(path, palette)
    if array.ndim == 3 and array.shape[0] == 1:
        return array[0]
    return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array


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
        data = path.read_bytes()
        if (orientation := read_orientation(data)) != UPRIGHT:
            raise UnusableFileError(f"an EXIF orientation of {orientation}, which is not applied: remove it")
        indices = palette_indices(data) if palette != "colors" else None
        if palette == "indices" and indices is not None:
            return indices
        array = _decoded(data)
    except OSError as error:
        raise UnusableFileError(f"cannot be read: {error.strerror}") from error
    except UnreadableImageError as reason:
        raise UnusableFileError(f"the file {reason.problem}") from reason
    if array.ndim == 2:
        return array
    colors = array[..., :3]
    if np.any(colors != colors[..., :1]):
        if indices is not None:
            return indices
        raise UnusableFileError("a color image; expected one channel, or K classes as .npy, (K, height, width)")
    if array.shape[2] == 4 and array[..., 3].min() < 255:
        raise UnusableFileError("partly transparent; save it without an alpha channel")
    return colors[..., 0]


def _decoded(data: bytes) -> np.ndarray:
    """The values of a picture, (H, W), or (H, W, 3 or 4) uint8 of colors."""
    if data.startswith(b"\x89PNG") and data[24] == 16 and data[25] != 0:  # Pillow keeps 8 bits of 16
        raise UnusableFileError("colors of 16 bits; save one channel")
    with open_image(data) as image:
        image = image.convert({"1": "L", "P": "RGBA", "LA": "RGBA"}.get(image.mode, image.mode))
        return native(np.asarray(image))


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
        raise UnusableFileError(
            f"height x width {height} x {width}, but its mask has {shape[0]} x {shape[1]}: rotated or cropped"
        )
    return resized(array, shape), True


def resized(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map (H, W) or (K, H, W) resized bilinearly to `shape` (height, width), in its own type."""
    if array.ndim == 3:
        return np.stack([resized(layer, shape) for layer in array])
    (top, bottom, down), (left, right, across) = map(_neighbors, array.shape, shape)
    down = down[:, None]
    if array.dtype == np.uint8:  # weights in steps of 1 / 2048, in integers: as OpenCV
        weights = (1 - across, across, 1 - down, down)
        before, after, above, below = (np.rint(2048 * weight.astype(np.float32)).astype(np.int32) for weight in weights)
        rows = np.right_shift(array[:, left] * before + array[:, right] * after, 4)
        return (((rows[top] * above >> 16) + (rows[bottom] * below >> 16) + 2) >> 2).astype(np.uint8)
    values = array[:, left] * (1 - across) + array[:, right] * across
    values = values[top] * (1 - down) + values[bottom] * down
    return (np.rint(values) if array.dtype == np.uint16 else values).astype(array.dtype)


def _neighbors(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels that each of `new` pixels lies between, of `old` along an axis, and the weight of the second."""
    position = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(position).astype(np.intp)
    return np.clip(first, 0, old - 1), np.clip(first + 1, 0, old - 1), position - first
