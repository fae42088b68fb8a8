"""Folders of saved maps and masks: the pairs of files, and the content of a file as an array.

A map and its mask have the same path below their folders, without the suffix. Only this module
checks file content.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from scipy.ndimage import zoom

from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.sample import numpy_array
from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_folder, check_regular, composed
from pipeline_src.labels import IGNORED

ARRAYS = (".npy", ".npz")
JPEG = (".jpg", ".jpeg")
MAPS = (".png", ".tif", ".tiff", ".bmp", *ARRAYS)
MASKS = (*MAPS, *JPEG)
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor

Palette = Literal[
    "colors", "either", "indices"
]  # a picture's colors, its indices, or its colors if they are gray


class UnusableFileError(ValueError):
    """A file cannot be used; the message gives the reason."""


@dataclass(frozen=True)
class Pair:
    """A prediction map and its mask.

    Attributes:
        stem: the path below the folder without the suffix, such as `video/0001`; the name of the
            image.
        mask: None where maps are only calibrated.
    """

    stem: str
    map: Path
    mask: Path | None


def pair_files(maps: Path, masks: Path | None) -> list[Pair]:
    """Pair the files of two folders and their subfolders by stem, in the order of the stems.

    Raises:
        UserError: a folder is missing or holds nothing usable, or files have no partner.
    """
    if masks is not None and maps.resolve() == masks.resolve():
        raise UserError(
            "maps and masks are the same folder",
            found=maps,
            expected="a folder of maps and one of masks",
        )
    map_files = files_by_stem(maps, MAPS)
    if masks is None:
        return [Pair(stem, map_files[stem], None) for stem in sorted(map_files)]
    mask_files = files_by_stem(masks, MASKS)
    check_files(
        [
            *(
                f"{map_files[stem]}: no mask in {masks}"
                for stem in sorted(map_files.keys() - mask_files.keys())
            ),
            *(
                f"{mask_files[stem]}: no prediction map in {maps}"
                for stem in sorted(mask_files.keys() - map_files.keys())
            ),
        ]
    )
    return [Pair(stem, map_files[stem], mask_files[stem]) for stem in sorted(map_files)]


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return every file with one of the suffixes, by stem; hidden files and folders are left out.

    A JPEG file stands for a stem that has no file with one of the suffixes.
    """
    check_folder(folder)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for top, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(top, name) for name in files if not name.startswith(".")):
            if file.suffix.lower() in MASKS:
                by_stem[composed(file.relative_to(folder).with_suffix("").as_posix())].append(file)
    for (
        stem,
        found,
    ) in by_stem.items():  # a JPEG map is named when it is read, unless it is a picture of a map
        by_stem[stem] = [file for file in found if file.suffix.lower() in suffixes] or found
    if not by_stem:
        raise UserError(
            f"{folder} holds no file to read",
            found="other files",
            expected=f"a folder with files that end in {' '.join(suffixes)} (JPEG changes probabilities)",
            fix="name the folder of the files",
        )
    repeated = [files for files in by_stem.values() if len(files) > 1]
    check_files(f"{' and '.join(sorted(map(str, files)))}: the same name" for files in repeated)
    return {stem: files[0] for stem, files in by_stem.items()}


def check_files(problems: Iterable[str]) -> None:
    """Raise a UserError that names all files that cannot be used, of lines `name: reason`, if there are any."""
    lines = list(problems)
    if lines:
        raise UserError(
            f"{len(lines)} file(s) cannot be used; nothing was written",
            found=listed(lines),
            expected="readable maps and masks, one mask for every map, of the same name except for the suffix",
            fix="replace, add or remove them",
        )


def classes_of(pairs: list[Pair]) -> int | None:
    """Return the number of classes K of the first readable map, (K, H, W); None for a map (H, W)."""
    for pair in pairs:
        try:
            shape = read_map(pair.map).shape
        except UnusableFileError:
            continue
        return shape[0] if len(shape) == 3 else None
    return None


def read_map(path: Path) -> np.ndarray:
    """Return a prediction map: (H, W) probabilities of the positive class, or (K, H, W) of K
    classes.

    Returns:
        uint8 (v / 255), uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one
        array).

    Raises:
        UnusableFileError: not readable, several channels, no probabilities.
    """
    if path.suffix.lower() in JPEG:
        raise UnusableFileError(
            "a JPEG file, which changes probabilities; save the map as PNG, TIFF or .npy"
        )
    array = _load(path, "colors")
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 2 and array.size:
        return array
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "bf":
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected floats in [0, 1] of shape "
            "(height, width) or (classes, height, width), or for one object uint8 or uint16"
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    missing = np.argwhere(np.isnan(array))
    if len(missing):
        raise UnusableFileError(
            f"{len(missing)} value(s) are NaN, the first at index {missing[0].tolist()}"
        )
    low, high = array.min(), array.max()
    if low < -SLACK or high > 1 + SLACK:
        fix = "apply a sigmoid" if array.ndim == 2 else "apply a softmax over the classes"
        fix += " to logits, divide 0..255 by 255, clip what interpolation exceeds"
        if low >= 0 and 2 < high <= 100:
            fix = "divide percent by 100"
        raise UnusableFileError(
            f"values from {low:.8g} to {high:.8g}; expected probabilities in [0, 1] ({fix})"
        )
    return array if low >= 0 and high <= 1 else np.clip(array, 0, 1)


def check_classes(probability: np.ndarray, classes: int | None) -> None:
    """Check the number of classes of a map, None for a map (H, W), and that its probabilities sum
    to 1.

    Raises:
        UnusableFileError: they do not fit.
    """
    fits = probability.ndim == (3 if classes else 2) and classes in (None, len(probability))
    if fits and not classes:
        return
    sums = probability.sum(axis=0)
    if fits and np.allclose(sums, 1, rtol=0, atol=SUM_SLACK):
        return
    expected = f"({classes}, height, width)" if classes else "(height, width)"
    reason = f"an array of shape {probability.shape}; expected {expected}, as other maps"
    if fits:
        reason = (
            f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every pixel, within "
            f"{SUM_SLACK:g}: save the softmax as float32, or divide a rounded one by its sum"
        )
    if np.allclose(probability.sum(axis=-1), 1, rtol=0, atol=SUM_SLACK):
        reason = (
            f"an array of shape {probability.shape} with the classes last: use .transpose(2, 0, 1)"
        )
    raise UnusableFileError(reason)


def read_mask(path: Path, ignore: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary mask: pixels above 127 are foreground, or in a mask of 0 and 1 those of 1.

    Args:
        ignore: value of pixels that never count, if any.

    Returns:
        (H, W) uint8, 0 background, 1 foreground, 255 ignored; (256,) number of pixels by value,
        without ignored ones.

    Raises:
        UnusableFileError: not readable, several different channels, an unknown type or value.
    """
    array = _load(path, "either")
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "buif":
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (height, width)"
        )
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    values = np.where(ignored, np.zeros(1, array.dtype), array)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # NaN too
        raise UnusableFileError(f"values from {low:g} to {high:g}; expected 0 and 255, or 0 and 1")
    fractions = array.dtype.kind in "bf" and high <= 1
    values = (255 * values if fractions else values).astype(np.uint8)
    threshold = (
        0 if values.max() == 1 and path.suffix.lower() not in JPEG else 127
    )  # JPEG changes 0 to 1
    truth = np.where(ignored, IGNORED, values > threshold).astype(np.uint8)
    return truth, np.bincount(values[~ignored], minlength=256)


def read_labels(path: Path, classes: int, ignore: int) -> np.ndarray:
    """Return a mask of class ids, (H, W) integers, with `classes` where the id is `ignore`.

    Raises:
        UnusableFileError: not readable, several different channels, no integers, unknown ids, JPEG
            (changes ids).
    """
    if path.suffix.lower() in JPEG:
        raise UnusableFileError("a JPEG file, which changes class ids; save the ids as PNG")
    ids = _load(path, "indices")
    if ids.ndim != 2 or 0 in ids.shape or ids.dtype.kind not in "iu":
        raise UnusableFileError(
            f"an array of shape {ids.shape} and type {ids.dtype}; expected (height, width) ids"
        )
    ids = ids.astype(np.int64)
    unknown = np.unique(ids[((ids < 0) | (ids >= classes)) & (ids != ignore)])
    if len(unknown):
        raise UnusableFileError(
            f"the class ids {', '.join(map(str, unknown[:5]))}; expected 0 to {classes - 1}, {ignore} ignored: "
            "renumber them, or name the value of pixels that do not count by --ignore"
        )
    return np.where(ids == ignore, classes, ids)


def _load(path: Path, palette: Palette) -> np.ndarray:
    """Return the array in a file, without an axis of length 1 for the channel, first or last."""
    try:
        check_regular(path)
        array = numpy_array(
            _array(path) if path.suffix.lower() in ARRAYS else _picture(path, palette)
        )
    except UnusableFileError:
        raise
    except (
        Exception
    ) as error:  # a foreign or broken file can make numpy, zipfile and Pillow raise anything
        raise UnusableFileError(f"not readable ({error})") from error
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        return array.squeeze(0 if array.shape[0] == 1 else -1)
    return array


def _array(path: Path) -> np.ndarray:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise UnusableFileError(
                f"{len(loaded.files)} arrays ({', '.join(loaded.files[:5])}); expected one"
            )
        array: np.ndarray = loaded[loaded.files[0]]
        return array


def _picture(path: Path, palette: Palette) -> np.ndarray:
    """Return a picture of one channel, (H, W)."""
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise UnusableFileError("several pictures; expected one in a file")
        indices = np.array(image) if image.mode == "P" and palette != "colors" else None
        if indices is not None and palette == "indices":
            return indices
        array = np.asarray(
            image.convert({"1": "L", "P": "RGBA", "LA": "RGBA"}.get(image.mode, image.mode))
        )
    if array.ndim == 2:
        return array
    colors = array[..., :3]
    if np.any(colors != colors[..., :1]):
        if indices is not None:
            return indices
        raise UnusableFileError(
            "a color image; expected one channel, or K classes as .npy, (K, height, width)"
        )
    if array.shape[2] == 4 and array[..., 3].min() < 255:
        raise UnusableFileError("partly transparent; save it without an alpha channel")
    return colors[..., 0]


def matched(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a map (H, W) or (K, H, W), resized bilinearly to the size `shape` of its mask if that
    differs.

    Raises:
        UnusableFileError: the map is rotated or cropped. Square maps fit any mask: many networks
            resize to squares.
    """
    height, width = array.shape[-2:]
    if (height, width) == shape:
        return array
    factor = height / width / (shape[0] / shape[1])
    if (width, height) == shape or (height != width and not 1 / ASPECT <= factor <= ASPECT):
        raise UnusableFileError(
            f"height x width {height} x {width}, but its mask has {shape[0]} x {shape[1]}: rotated or cropped"
        )
    factors = (*[1] * (array.ndim - 2), shape[0] / height, shape[1] / width)
    resized = zoom(array.astype(np.float64), factors, order=1, mode="nearest", grid_mode=True)
    return np.asarray(
        np.rint(resized) if array.dtype.kind == "u" else resized.clip(0, 1), array.dtype
    )
