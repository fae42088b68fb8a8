"""Folders of saved maps and masks: the pairs of files, and the content of a pair as arrays.

A map and its mask have the same path below their folders, without the suffix. `counting.sample`
checks the values of a map, and `checks` what all files of a folder show together.
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
from pipeline_src.counting.sample import Sample, checked, numpy_array
from pipeline_src.errors import UserError, few, listed
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
class SavedMap:
    """The content of a pair of files.

    Attributes:
        pair: the files.
        probability: (H, W) or (K, H, W), in the size and type of the file (`checked_map`).
        stored_shape: shape of the array in the file, which can have an axis for the channel.
        target: the mask, (H', W'), as of `counting.sample.Sample`; None without a mask.
        mask_values: (256,) pixels of a binary mask by value.
    """

    pair: Pair
    probability: np.ndarray
    stored_shape: tuple[int, ...]
    target: np.ndarray | None
    mask_values: np.ndarray

    def sample(self) -> Sample:
        """Return the map with its mask, resized bilinearly to the size of the mask."""
        assert self.target is not None
        probability = resized(self.probability, self.target.shape)
        ignore = len(probability) if probability.ndim == 3 else IGNORED
        return Sample(self.pair.stem, probability, self.target, ignore)


def read_pairs(
    pairs: Sequence[Pair], classes: int | None, ignore: int | None
) -> Iterator[SavedMap]:
    """Yield the content of each pair, and show the progress.

    Args:
        classes, ignore: as of `read_pair`.

    Raises:
        UserError: after all others, names all files that cannot be used.
    """
    problems = []
    console = Console(stderr=True)
    for pair in track(pairs, "Read maps", console=console, transient=True):
        try:
            yield read_pair(pair, classes, ignore)
        except UserError as error:
            problems.append(" ".join(str(error).split()))
    check_files(problems)


def read_pair(pair: Pair, classes: int | None, ignore: int | None) -> SavedMap:
    """Return the content of a pair.

    Args:
        classes: K of a map of K classes; None for a map of one object.
        ignore: value of mask pixels that never count; for K classes 255 by default.

    Raises:
        UserError: names the file that cannot be used.
    """
    target = None
    mask_values = np.zeros(256, np.int64)
    if pair.mask and classes:
        target = read_labels(pair.mask, classes, IGNORED if ignore is None else ignore)
    elif pair.mask:
        target, mask_values = read_mask(pair.mask, ignore)
    probability, stored_shape = read_map(pair.map)
    if (len(probability) if probability.ndim == 3 else None) != classes:
        raise UserError(
            f"{pair.map}: an array of another shape than other maps",
            found=probability.shape,
            expected=f"({classes}, height, width)" if classes else "(height, width)",
        )
    if target is not None:
        check_size(pair.map, probability.shape[-2:], target.shape)
    return SavedMap(
        pair=pair,
        probability=probability,
        stored_shape=stored_shape,
        target=target,
        mask_values=mask_values,
    )


def classes_of(pairs: Sequence[Pair]) -> int | None:
    """Return the number of classes K that the shape of the first map shows; None for one object.

    Of an .npy file only the header is read. Files that cannot be read are skipped: `read_pairs`
    names them.
    """
    for pair in pairs:
        if pair.map.suffix.lower() in PICTURES:
            return None
        try:
            check_regular(pair.map)
            shape = _array(pair.map, mmap_mode="r").shape
        except Exception:  # numpy and zipfile raise anything for a foreign file
            continue
        return shape[0] if len(shape) == 3 and 1 not in (shape[0], shape[-1]) else None
    return None


# Maps


def read_map(path: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a checked prediction map, and the shape of the array in the file.

    Returns:
        (H, W) probabilities of the positive class, or (K, H, W) of K classes, as of
        `counting.sample.Sample`. Decisions and float16 become float32. The shape in the file can
        have an axis for the channel.

    Raises:
        UserError: not readable, several channels, no probabilities.
    """
    if path.suffix.lower() in JPEG:
        raise UserError(
            f"{path}: a JPEG file, which changes probabilities",
            fix="save the map as PNG, TIFF or .npy",
        )
    array, stored_shape = _load(path, "colors")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise UserError(
            f"{path}: no map of probabilities",
            found=f"an array of shape {array.shape}",
            expected="(height, width) or (classes, height, width)",
        )
    if array.dtype.kind in "bf" and array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    every_pixel = np.broadcast_to(False, array.shape[-2:])
    return checked(array, every_pixel, str(path)).probability, stored_shape


def check_size(path: Path, size: tuple[int, ...], mask_size: tuple[int, ...]) -> None:
    """Check that a map of the size (H, W) can be resized to the size of its mask.

    Raises:
        UserError: the map is rotated or cropped. Square maps fit any mask: many networks resize to
            squares.
    """
    height, width = size
    factor = height / width / (mask_size[0] / mask_size[1])
    similar = height == width or 1 / ASPECT <= factor <= ASPECT
    if size != mask_size and ((width, height) == mask_size or not similar):
        raise UserError(
            f"{path}: rotated or cropped",
            found=f"height x width {height} x {width}",
            expected=f"{mask_size[0]} x {mask_size[1]}, as its mask",
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
        UserError: not readable, several different channels, an unknown type or value.
    """
    array = _load_mask(path, "either", "buif")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    values = np.where(ignored, np.zeros(1, array.dtype), array)
    low = values.min()
    high = values.max()
    if not (low >= 0 and high <= 255):  # NaN too
        raise UserError(
            f"{path}: no mask", found=f"values from {low:g} to {high:g}", expected="0 to 255"
        )
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
        UserError: not readable, several different channels, no integers, unknown ids, JPEG (changes
            ids).
    """
    if path.suffix.lower() in JPEG:
        raise UserError(f"{path}: a JPEG file, which changes class ids", fix="save the ids as PNG")
    ids = _load_mask(path, "indices", "iu").astype(np.int64)
    unknown = np.unique(ids[((ids < 0) | (ids >= classes)) & (ids != ignore)])
    if len(unknown):
        raise UserError(
            f"{path}: class ids that the maps do not have",
            found=few(unknown, 5),
            expected=f"0 to {classes - 1}, and {ignore} for ignored pixels",
            fix="renumber them, or name the value of pixels that do not count by --ignore",
        )
    return np.where(ids == ignore, classes, ids)


def _load_mask(path: Path, palette: Palette, kinds: str) -> np.ndarray:
    """Return the array (H, W) of a mask, whose type has one of the `kinds` of numpy."""
    array, _ = _load(path, palette)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in kinds:
        raise UserError(
            f"{path}: no mask",
            found=f"an array of shape {array.shape} and type {array.dtype}",
            expected="(height, width), of class ids whole numbers",
        )
    return array


# Arrays and pictures


def _load(path: Path, palette: Palette) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the array in a file, without an axis of length 1 for the channel, and its shape."""
    try:
        check_regular(path)
        stored = _array(path) if path.suffix.lower() in ARRAYS else _picture(path, palette)
        array = numpy_array(stored)
    except UserError:
        raise
    except Exception as error:  # numpy, zipfile and Pillow raise anything for a foreign file
        raise UserError(f"{path}: not readable ({error})") from error
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        return array.squeeze(0 if array.shape[0] == 1 else -1), array.shape
    return array, array.shape


def _array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Return the one array in an .npy or .npz file."""
    loaded = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise UserError(f"{path}: {len(loaded.files)} arrays; expected one")
        array: np.ndarray = loaded[loaded.files[0]]
        return array


def _picture(path: Path, palette: Palette) -> np.ndarray:
    """Return a picture of one channel, (H, W)."""
    indices = None
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{path}: several pictures; expected one in a file")
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
        raise UserError(
            f"{path}: a color image",
            expected="one channel, or K classes as .npy, (K, height, width)",
        )
    if array.shape[2] == 4 and array[..., 3].min() < 255:
        raise UserError(f"{path}: partly transparent", fix="save it without an alpha channel")
    gray: np.ndarray = colors[..., 0]
    return gray
