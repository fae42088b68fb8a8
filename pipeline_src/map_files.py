"""Folders of saved prediction maps and masks, paired by stem: found, checked, read."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline_src.errors import UserError, listed
from pipeline_src.statistics.levels import IGNORED

IMAGES = (".png", ".tif", ".tiff", ".bmp")
ARRAYS = (".npy", ".npz")
MASK_IMAGES = (*IMAGES, ".jpg", ".jpeg", ".gif")


class Unusable(ValueError):
    """A file that cannot be used; the message says why, without its name."""


@dataclass(frozen=True)
class Pair:
    """A prediction map and its mask; `mask` is None where all is background."""

    stem: str
    map: Path
    mask: Path | None


class Pairs(Sequence):
    """Pairs in the order of their stems, made when asked for: of 100,000 images only the names are kept.

    Attributes:
        problems: files without a partner and stems that occur twice, in words; whoever reads the pairs tells them
            together with what cannot be read, by `refuse`.
    """

    def __init__(self, maps: Path, masks: Path | None, names: list[tuple[str, str, str]], problems: list[str]):
        self.maps, self.masks, self.names, self.problems = maps, masks, names, problems

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pair:
        stem, of_map, of_mask = self.names[index]
        mask = None if self.masks is None else self.masks / (stem + of_mask)
        return Pair(stem, self.maps / (stem + of_map), mask)


def pairs(maps: Path, masks: Path | None) -> Pairs:
    """Pair the files of two folders by stem, in the order of the stems.

    Raises:
        UserError: a folder is missing or holds nothing usable, or nothing has a partner; all at once.
    """
    empty: list[str] = []
    problems: list[str] = []
    of_maps = _by_stem(maps, (*IMAGES, *ARRAYS), empty, problems)
    of_masks = of_maps if masks is None else _by_stem(masks, (*MASK_IMAGES, *ARRAYS), empty, problems)
    if empty:
        raise UserError("there is nothing to judge", found=listed(empty), expected="a folder of maps and one of masks")
    problems += [f"{stem}{of_maps[stem]}: no mask" for stem in sorted(of_maps.keys() - of_masks.keys())]
    problems += [f"{stem}{of_masks[stem]}: no prediction map" for stem in sorted(of_masks.keys() - of_maps.keys())]
    stems = sorted(of_maps.keys() & of_masks.keys())
    found = Pairs(maps, masks, [(stem, of_maps[stem], of_masks[stem]) for stem in stems], problems)
    if not stems:
        refuse(found, [])
    return found


def refuse(found: Pairs, unusable: list[str]) -> None:
    """Tell what stands in the way of judging, if anything does: what `pairs` found, and files that cannot be used.

    Raises:
        UserError: with all of it.
    """
    if found.problems or unusable:
        raise UserError(
            f"{len(found.problems) + len(unusable)} file(s) cannot be judged; nothing was written",
            found=listed(found.problems) + listed(unusable),
            expected="for every map one mask with the same name (but for the suffix), and the other way round"
            if found.problems
            else None,
            do="for images without any object leave out the masks: --ood" if found.problems else None,
        )


def _by_stem(folder: Path, suffixes: tuple[str, ...], empty: list[str], problems: list[str]) -> dict[str, str]:
    """The suffix of every file that can be used, by stem."""
    if not folder.is_dir():
        empty.append(f"{folder}: no such folder")
        return {}
    found: dict[str, str] = {}
    twice: dict[str, list[str]] = defaultdict(list)
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() not in suffixes or entry.name.startswith(".") or not entry.is_file():
                continue
            if stem in found:
                twice[stem].append(entry.name)
            found.setdefault(stem, sys.intern(suffix))
    if not found:
        empty.append(f"{folder}: no file with one of the suffixes {' '.join(suffixes)}")
    same = (sorted([stem + found[stem], *names]) for stem, names in sorted(twice.items()))
    problems += [f"{' and '.join(names)}: the same stem" for names in same]
    return found


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
