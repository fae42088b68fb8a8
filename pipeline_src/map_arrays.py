"""One saved map or mask: read, checked, brought to one size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline_src.map_files import ARRAYS, Unusable
from pipeline_src.statistics.levels import IGNORED


def read_map(path: Path) -> np.ndarray:
    """A prediction map: (H, W) probabilities of the positive class, or (K, H, W) of K classes.

    Returns:
        uint8 (v / 255), uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one array).

    Raises:
        Unusable: not readable, several channels, no probabilities.
    """
    array = _array(path) if path.suffix.lower() in ARRAYS else _picture(path)
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise Unusable(f"an array of shape {array.shape}; expected (height, width), or (classes, height, width)")
    if array.dtype == np.float16 or array.dtype == bool:
        array = array.astype(np.float32)
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 2:
        return array
    if array.dtype not in (np.float32, np.float64):
        raise Unusable(f"values of type {array.dtype}; expected float32 or float64 in [0, 1], uint8 or uint16")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):
        raise Unusable(f"values from {low:g} to {high:g}; expected probabilities in [0, 1] (logits need a sigmoid)")
    return array


def read_mask(path: Path, ignore: int | None = None) -> tuple[np.ndarray, int]:
    """A binary mask as (H, W) uint8 with 0 background, 1 foreground, 255 ignored, and the number of grey pixels.

    Masks of 0 and 255 are cut at > 127, where what lies between counts as grey; masks of 0 and 1 are taken as they are.

    Args:
        ignore: the value of pixels that never count, if any.

    Raises:
        Unusable: not readable, several different channels, a type without meaning.
    """
    array = _array(path) if path.suffix.lower() in ARRAYS else _picture(path)
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or 0 in array.shape:
        raise Unusable(f"an array of shape {array.shape}; expected (height, width)")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    values = array[~ignored]
    if array.dtype == bool or (values.size and values.min() >= 0 and values.max() <= 1):
        grey = (values != 0) & (values != 1)
        truth = array > 0.5
    elif array.dtype in (np.uint8, np.uint16, np.int16, np.int32, np.int64, np.uint32):
        if values.size and (values.min() < 0 or values.max() > 255):
            raise Unusable(f"values from {values.min()} to {values.max()}; expected 0..255 or 0 and 1")
        grey = (values != 0) & (values != 255)
        truth = array > 127
    else:
        raise Unusable(f"values of type {array.dtype} up to {array.max()}; expected 0 and 255, or 0 and 1")
    return np.where(ignored, IGNORED, truth).astype(np.uint8), int(np.count_nonzero(grey))


def read_labels(path: Path) -> np.ndarray:
    """A mask of class ids, (H, W) integers.

    Raises:
        Unusable: not readable, several different channels, no integers.
    """
    array = _array(path) if path.suffix.lower() in ARRAYS else _picture(path)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise Unusable(f"an array of shape {array.shape} and type {array.dtype}; expected (height, width) class ids")
    return array


def _picture(path: Path) -> np.ndarray:
    array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise Unusable("not readable as an image")
    if array.ndim == 3:
        colours = array[..., :3]
        if np.any(colours != colours[..., :1]):
            raise Unusable("a colour image; expected one channel")
        array = colours[..., 0]
    return array


def _array(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = list(loaded)
            if len(names) != 1:
                raise Unusable(f"{len(names)} arrays ({', '.join(names[:5])}); expected one")
            return loaded[names[0]]
    except Unusable:
        raise
    except Exception as error:  # whatever a foreign or broken file makes numpy or zip raise
        raise Unusable(f"not readable as an array ({error})") from error


def fitted(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A map (H, W) or (K, H, W) resized bilinearly to `shape` (height, width), in its own type."""
    if array.ndim == 3:
        return np.stack([fitted(layer, shape) for layer in array])
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
