"""Folders of saved maps and masks: the pairs of files, and the content of a pair as arrays.

A map and its mask have the same path below their folders, without the suffix. Only this module
checks file content; `checks` judges what all files of a folder show together.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from scipy.ndimage import zoom

from pipeline_src.counting.kernels import pixels_by_value
from pipeline_src.counting.levels import SLACK, SUM_SLACK
from pipeline_src.counting.sample import numpy_array
from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_folder, check_regular, composed
from pipeline_src.labels import IGNORED

ARRAYS = (".npy", ".npz")
JPEG = (".jpg", ".jpeg")
PICTURES = (".png", ".tif", ".tiff", ".bmp")
MAPS = PICTURES + ARRAYS
MASKS = MAPS + JPEG
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor
MODES = {"1": "L", "P": "RGBA", "LA": "RGBA"}  # of pictures -> those whose values are read

# A picture's colors, its indices, or its colors if they are gray.
Palette = Literal["colors", "either", "indices"]


class UnusableFileError(ValueError):
    """A file cannot be used; the message gives the reason."""


# The pairs of files


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
    """Return the pairs of files of two folders and their subfolders, in the order of their stems.

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
    stems = sorted(map_files)
    if masks is None:
        return [Pair(stem, map_files[stem], None) for stem in stems]
    mask_files = files_by_stem(masks, MASKS)
    problems = []
    for stem in stems:
        if stem not in mask_files:
            problems.append(f"{map_files[stem]}: no mask in {masks}")
    for stem in sorted(mask_files.keys() - map_files.keys()):
        problems.append(f"{mask_files[stem]}: no prediction map in {maps}")
    check_files(problems)
    return [Pair(stem, map_files[stem], mask_files[stem]) for stem in stems]


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return every file with one of the suffixes, by stem; hidden files and folders are left out.

    A JPEG file stands for a stem that has no file with one of the suffixes: it is refused when it
    is read as a map.
    """
    check_folder(folder)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for top, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            file = Path(top, name)
            if not name.startswith(".") and file.suffix.lower() in MASKS:
                stem = composed(file.relative_to(folder).with_suffix("").as_posix())
                by_stem[stem].append(file)
    if not by_stem:
        raise UserError(
            f"{folder} holds no file to read",
            found="other files",
            expected=f"a folder with files that end in {' '.join(suffixes)} "
            "(JPEG changes probabilities)",
            fix="name the folder of the files",
        )
    chosen = {}
    problems = []
    for stem, found in by_stem.items():
        usable = [file for file in found if file.suffix.lower() in suffixes] or found
        chosen[stem] = usable[0]
        if len(usable) > 1:
            problems.append(f"{' and '.join(sorted(map(str, usable)))}: the same name")
    check_files(problems)
    return chosen


def check_files(problems: Iterable[str]) -> None:
    """Raise a UserError that names all files that cannot be used, if there are any.

    Args:
        problems: a line `name: reason` of each such file.
    """
    lines = list(problems)
    if lines:
        raise UserError(
            f"{len(lines)} file(s) cannot be used; nothing was written",
            found=listed(lines),
            expected="readable maps and masks, one mask for every map, of the same name except for "
            "the suffix",
            fix="replace, add or remove them",
        )


# The content of a pair


@dataclass(frozen=True)
class Sample:
    """A map and its mask.

    Attributes:
        pair: their files.
        map: (H, W) or (K, H, W), probabilities as stored, in the size of the file.
        stored_shape: shape of the array in the file, which can have an axis for the channel.
        target: the mask, (H, W): 0, 1 and 255 for ignored pixels; of K classes ids, and K for
            ignored pixels. None without a mask.
        values: (256,) pixels of a binary mask by value.
    """

    pair: Pair
    map: np.ndarray
    stored_shape: tuple[int, ...]
    target: np.ndarray | None
    values: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """The map in the size of its mask, resized bilinearly where sizes differ."""
        assert self.target is not None
        return resized(self.map, self.target.shape)


def read_samples(
    pairs: Sequence[Pair], classes: int | None, ignore: int | None
) -> Iterator[Sample]:
    """Yield the content of each pair, and show the progress.

    Args:
        classes, ignore: as of `read_sample`.

    Raises:
        UserError: after all others, names all files that cannot be used.
    """
    problems = []
    console = Console(stderr=True)
    for pair in track(pairs, "Read maps", console=console, transient=True):
        try:
            yield read_sample(pair, classes, ignore)
        except UnusableFileError as reason:
            problems.append(str(reason))
    check_files(problems)


def read_sample(pair: Pair, classes: int | None, ignore: int | None) -> Sample:
    """Return the content of a pair.

    Args:
        classes: K of a map of K classes; None for a binary map.
        ignore: value of mask pixels that never count; for K classes 255 by default.

    Raises:
        UnusableFileError: with the name of the file.
    """
    path = pair.map
    target = None
    values = np.zeros(256, np.int64)
    try:
        if pair.mask:
            path = pair.mask
            if classes:
                target = read_labels(path, classes, IGNORED if ignore is None else ignore)
            else:
                target, values = read_mask(path, ignore)
            path = pair.map
        probability, stored_shape = read_map(path)
        check_classes(probability, classes)
        if target is not None:
            check_size(probability, target.shape)
    except UnusableFileError as reason:
        raise UnusableFileError(f"{path}: {reason}") from reason
    return Sample(
        pair=pair, map=probability, stored_shape=stored_shape, target=target, values=values
    )


def classes_of(pairs: Sequence[Pair]) -> int | None:
    """Return the number of classes K that the shape of the first map shows; None for one object.

    Of an .npy file only the header is read. Files that cannot be read are skipped: `read_samples`
    names them.
    """
    for pair in pairs:
        if pair.map.suffix.lower() in PICTURES:
            return None
        try:
            check_regular(pair.map)
            shape = _without_channel(_array(pair.map, mmap_mode="r")).shape
        except Exception:  # numpy and zipfile raise anything for a foreign file
            continue
        if len(shape) in (2, 3):
            return shape[0] if len(shape) == 3 else None
    return None


# Maps


def read_map(path: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a prediction map, and the shape of the array in the file.

    Returns:
        (H, W) probabilities of the positive class, or (K, H, W) of K classes: uint8 (v / 255),
        uint16 (v / 65535), or float32/float64 as stored in .npy and .npz (one array). The shape in
        the file can have an axis for the channel.

    Raises:
        UnusableFileError: not readable, several channels, no probabilities.
    """
    if path.suffix.lower() in JPEG:
        raise UnusableFileError(
            "a JPEG file, which changes probabilities; save the map as PNG, TIFF or .npy"
        )
    stored = _load(path, "colors")
    array = _without_channel(stored)
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 2 and array.size:
        return array, stored.shape
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "bf":
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected floats in [0, 1] of "
            "shape (height, width) or (classes, height, width), or for one object uint8 or uint16"
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    low = array.min()
    high = array.max()
    if np.isnan(low):
        missing = np.argwhere(np.isnan(array))
        raise UnusableFileError(
            f"{len(missing)} value(s) are NaN, the first at index {missing[0].tolist()}"
        )
    if low < -SLACK or high > 1 + SLACK:
        function = "a sigmoid" if array.ndim == 2 else "a softmax over the classes"
        fix = f"apply {function} to logits, divide 0..255 by 255, clip what interpolation exceeds"
        if low >= 0 and 2 < high <= 100:
            fix = "divide percent by 100"
        raise UnusableFileError(
            f"values from {low:.8g} to {high:.8g}; expected probabilities in [0, 1] ({fix})"
        )
    if low < 0 or high > 1:
        array = np.clip(array, 0, 1)
    return array, stored.shape


def check_classes(probability: np.ndarray, classes: int | None) -> None:
    """Check the number of classes of a map, and that its probabilities sum to 1.

    Args:
        classes: None for a map (H, W).

    Raises:
        UnusableFileError: they do not fit.
    """
    if probability.ndim == 2 and not classes:
        return
    fits = probability.ndim == 3 and classes == len(probability)
    sums = probability.sum(axis=0)
    if fits and np.allclose(sums, 1, rtol=0, atol=SUM_SLACK):
        return
    expected = f"({classes}, height, width)" if classes else "(height, width)"
    reason = f"an array of shape {probability.shape}; expected {expected}, as other maps"
    if fits:
        reason = (
            f"sums over the classes from {sums.min():.6g} to {sums.max():.6g}; expected 1 at every "
            f"pixel, within {SUM_SLACK:g}: save the softmax as float32, or divide a rounded one by "
            "its sum"
        )
    if np.allclose(probability.sum(axis=-1), 1, rtol=0, atol=SUM_SLACK):
        reason = (
            f"an array of shape {probability.shape} with the classes last: use .transpose(2, 0, 1)"
        )
    raise UnusableFileError(reason)


def check_size(probability: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check that a map (H, W) or (K, H, W) can be resized to the size `shape` of its mask.

    Raises:
        UnusableFileError: the map is rotated or cropped. Square maps fit any mask: many networks
            resize to squares.
    """
    height, width = probability.shape[-2:]
    if (height, width) == shape:
        return
    factor = height / width / (shape[0] / shape[1])
    if (width, height) == shape or (height != width and not 1 / ASPECT <= factor <= ASPECT):
        raise UnusableFileError(
            f"height x width {height} x {width}, but its mask has {shape[0]} x {shape[1]}: "
            "rotated or cropped"
        )


def resized(probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a map (H, W) or (K, H, W) in the size `shape`, (H', W'), of the same type."""
    height, width = probability.shape[-2:]
    if (height, width) == shape:
        return probability
    factors = [1] * (probability.ndim - 2) + [shape[0] / height, shape[1] / width]
    exact = zoom(probability, factors, output=np.float64, order=1, mode="nearest", grid_mode=True)
    if probability.dtype.kind == "u":
        return np.asarray(np.rint(exact), probability.dtype)
    return np.asarray(exact.clip(0, 1), probability.dtype)


# Masks


def read_mask(path: Path, ignore: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary mask, and its pixels by value.

    Pixels above 127 are foreground, or in a mask of 0 and 1 those of 1.

    Args:
        ignore: value of pixels that never count, if any.

    Returns:
        (H, W) uint8, 0 background, 1 foreground, 255 ignored; (256,) number of pixels by value,
        without ignored ones.

    Raises:
        UnusableFileError: not readable, several different channels, an unknown type or value.
    """
    array = _without_channel(_load(path, "either"))
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "buif":
        raise UnusableFileError(
            f"an array of shape {array.shape} and type {array.dtype}; expected (height, width)"
        )
    ignored = np.zeros(array.shape, bool)
    if ignore is not None:
        ignored = array == ignore
    values = np.where(ignored, np.zeros(1, array.dtype), array)
    low = values.min()
    high = values.max()
    if not (low >= 0 and high <= 255):  # NaN too
        raise UnusableFileError(f"values from {low:g} to {high:g}; expected 0 and 255, or 0 and 1")
    if array.dtype.kind in "bf" and high <= 1:
        values = 255 * values
    values = values.astype(np.uint8, copy=False)
    # JPEG changes 0 to 1.
    zero_and_one = values.max() == 1 and path.suffix.lower() not in JPEG
    target = (values > (0 if zero_and_one else 127)).view(np.uint8)
    target[ignored] = IGNORED
    pixels = pixels_by_value(values.reshape(-1), ignored.reshape(-1).view(np.uint8))
    return target, pixels[:, 0]


def read_labels(path: Path, classes: int, ignore: int) -> np.ndarray:
    """Return a mask of class ids, (H, W) integers, with `classes` where the id is `ignore`.

    Raises:
        UnusableFileError: not readable, several different channels, no integers, unknown ids, JPEG
            (changes ids).
    """
    if path.suffix.lower() in JPEG:
        raise UnusableFileError("a JPEG file, which changes class ids; save the ids as PNG")
    ids = _without_channel(_load(path, "indices"))
    if ids.ndim != 2 or 0 in ids.shape or ids.dtype.kind not in "iu":
        raise UnusableFileError(
            f"an array of shape {ids.shape} and type {ids.dtype}; expected (height, width) ids"
        )
    ids = ids.astype(np.int64)
    unknown = np.unique(ids[((ids < 0) | (ids >= classes)) & (ids != ignore)])
    if len(unknown):
        raise UnusableFileError(
            f"the class ids {', '.join(map(str, unknown[:5]))}; expected 0 to {classes - 1}, "
            f"{ignore} ignored: renumber them, or name the value of pixels that do not count by "
            "--ignore"
        )
    return np.where(ids == ignore, classes, ids)


# Arrays and pictures


def _load(path: Path, palette: Palette) -> np.ndarray:
    """Return the array in a file, as it is stored."""
    try:
        check_regular(path)
        if path.suffix.lower() in ARRAYS:
            return numpy_array(_array(path))
        return numpy_array(_picture(path, palette))
    except UnusableFileError:
        raise
    except Exception as error:  # numpy, zipfile and Pillow raise anything for a foreign file
        raise UnusableFileError(f"not readable ({error})") from error


def _without_channel(array: np.ndarray) -> np.ndarray:
    """Return an array without an axis of length 1 for the channel, first or last."""
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        return array.squeeze(0 if array.shape[0] == 1 else -1)
    return array


def _array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Return the one array in an .npy or .npz file."""
    loaded = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
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
    indices = None
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise UnusableFileError("several pictures; expected one in a file")
        if image.mode == "P" and palette != "colors":
            indices = np.array(image)
        if palette == "indices" and indices is not None:
            return indices
        # Pillow copies a picture even if it has the mode already.
        array = np.asarray(image.convert(MODES[image.mode]) if image.mode in MODES else image)
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
    gray: np.ndarray = colors[..., 0]
    return gray
