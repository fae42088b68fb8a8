"""Folders of saved maps and masks: the pairs of files, and the content of a pair as arrays.

A map and its mask have the same path below their folders, without the suffix. `counting.sample`
checks the values of a map, and `checks` what all files of a folder show together.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from scipy.ndimage import zoom
from scipy.special import expit, softmax

from pipeline_src.counting.kernels import pixels_by_value
from pipeline_src.counting.masks import foreground, is_one_hot
from pipeline_src.counting.sample import Sample, checked, class_limits, numpy_array
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import check_folder, check_regular, composed, reading, visible_folders
from pipeline_src.labels import IGNORED, stored_ids

# Suffixes of the files that are read, in lower case.
ARRAY_SUFFIXES = (".npy", ".npz")
JPEG_SUFFIXES = (".jpg", ".jpeg")
PICTURE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
VOLUME_SUFFIXES = (".nii", ".nii.gz")  # NIfTI
MAP_SUFFIXES = PICTURE_SUFFIXES + ARRAY_SUFFIXES + VOLUME_SUFFIXES
MASK_SUFFIXES = MAP_SUFFIXES + JPEG_SUFFIXES
ASPECT = 1.1  # a map's height / width may differ from its mask's by this factor
# Pillow's mode of a picture -> the mode to which it is converted before its values are read.
MODES = {"1": "L", "P": "RGBA", "LA": "RGBA"}
# What is read of a picture with a palette: its colors, its indices, or ("either") its colors if all
# are gray and else its indices.
Palette = Literal["colors", "either", "indices"]
Shape = tuple[int, ...]  # of an array


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


def pairs_and_warnings(
    maps: Path, masks: Path | None, skip_unpaired: bool = False
) -> tuple[list[Pair], list[str]]:
    """Return the pairs of files of two folders and their subfolders, in the order of their stems,
    and a warning that counts files without a partner.

    Args:
        maps, masks: a folder, or a pattern (`files_by_stem`). Without masks, every map is a pair.
        skip_unpaired: whether files without a partner are left out. They are an error otherwise,
            and where no pair is left.

    Raises:
        UserError: a folder is missing or holds nothing usable, or files have no partner.
    """
    map_files = files_by_stem(maps, MAP_SUFFIXES)
    if masks is None:
        return [Pair(stem, map_files[stem], None) for stem in sorted(map_files)], []
    if maps.resolve() == masks.resolve():
        raise UserError(
            "maps and masks are the same folder",
            found=maps,
            expected="a folder of maps and one of masks",
        )
    mask_files = files_by_stem(masks, MASK_SUFFIXES)
    pairs = []
    unpaired = []
    for stem in sorted(map_files):
        if stem in mask_files:
            pairs.append(Pair(stem, map_files[stem], mask_files[stem]))
        else:
            unpaired.append(f"{map_files[stem]}: no mask in {masks}")
    for stem in sorted(mask_files.keys() - map_files.keys()):
        unpaired.append(f"{mask_files[stem]}: no prediction map in {maps}")
    if not unpaired:
        return pairs, []
    if not (pairs and skip_unpaired):
        check_files(unpaired)
    return pairs, [f"{len(unpaired)} file(s) without a partner were left out ({few(unpaired, 3)})"]


def files_by_stem(source: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return every file with one of the suffixes, by stem; hidden files and folders are left out.

    A stem that only has files with other suffixes (of `MASK_SUFFIXES`), such as a JPEG map, gets
    one of these: reading it gives an error that says why it cannot be used. Of an .npz file and a
    .nii.gz file of one stem the .npz file is taken: nnU-Net writes probabilities into it, and
    decisions into the other one.

    Args:
        source: a folder; or a pattern with `*`, as `maps/*/prob.npy`: what the stars stand for is
            the stem.

    Raises:
        UserError: there is no such file, or several usable files have one stem.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for file, stem in _named_files(source):
        if suffix_of(file) in MASK_SUFFIXES:
            # Unicode has two spellings of a letter with an accent: both are one name.
            by_stem[composed(stem)].append(file)
    if not by_stem:
        raise UserError(
            f"{source} holds no file to read",
            expected=f"a folder, or a pattern, of files that end in {' '.join(suffixes)} "
            "(JPEG changes probabilities)",
            fix="name the folder of the files",
        )
    chosen = {}
    problems = []
    for stem, found in by_stem.items():
        usable = [file for file in found if suffix_of(file) in suffixes] or found
        if {suffix_of(file) for file in usable} == {".npz", ".nii.gz"}:
            usable = [file for file in usable if suffix_of(file) == ".npz"]
        chosen[stem] = usable[0]
        if len(usable) > 1:
            problems.append(f"{' and '.join(sorted(map(str, usable)))}: the same name")
    check_files(problems)
    return chosen


def _named_files(source: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a folder and its subfolders, or of a pattern, each with its stem."""
    if "*" in str(source):
        # A regular expression of the pattern, in which each star is a group; `**/` may be absent.
        stars = (
            re.escape(str(source))
            .replace(r"\*\*/", "(?:(.*)/)?")
            .replace(r"\*\*", "(.*)")
            .replace(r"\*", "([^/]*)")
        )
        # `glob` gives [ and ? a meaning, which are parts of names here.
        for name in sorted(glob.glob(re.sub(r"([\[?])", r"[\1]", str(source)), recursive=True)):
            match = re.fullmatch(stars, name)
            if match:
                yield Path(name), "/".join(filter(None, match.groups()))
        return
    check_folder(source)
    for folder, _, names in visible_folders(source):
        for name in names:
            file = folder / name
            path = file.relative_to(source).as_posix()
            yield file, path[: len(path) - len(suffix_of(file))]


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in lower case; `.nii.gz` is one."""
    if path.name.lower().endswith(".nii.gz"):
        return ".nii.gz"
    return path.suffix.lower()


def check_files(problems: Sequence[str]) -> None:
    """Raise a UserError that names all files that cannot be used, if there are any.

    Args:
        problems: a line `name: reason` of each such file.
    """
    if problems:
        raise UserError(
            f"{len(problems)} file(s) cannot be used; nothing was written",
            found=listed(problems),
            expected="readable maps and masks, one mask for every map, of the same name except for "
            "the suffix",
            fix="replace, add or remove them; names with other ends need a pattern, such as "
            "--mask 'DIR/*_mask.png'",
        )


# The content of a pair


@dataclass(frozen=True)
class Form:
    """What all files of a folder have in common.

    Attributes:
        classes: K of maps of K classes; None of one object.
        volumes: whether maps have three axes, (depth, height, width). Of a volume of two classes
            the second is the object.
        ignore: value of mask pixels that never count; of K classes 255 by default.
        logits: whether maps hold logits and not probabilities.
        no_object: whether there are no masks, and the class of every pixel is the background.
    """

    classes: int | None = None
    volumes: bool = False
    ignore: int | None = None
    logits: bool = False
    no_object: bool = False

    @property
    def axes(self) -> int:
        """The number of axes of an image, without that of the classes."""
        return 3 if self.volumes else 2


@dataclass(frozen=True)
class SavedMap:
    """The content of a pair of files.

    A volume (D, H, W) has the shape (D H, W) here, its slices one below the other: its pixels are
    counted as those of an image.

    Attributes:
        pair: the files.
        probability: (H, W) or (K, H, W), in the size and type of the file.
        logits: of the same shape, where the file holds logits (its probabilities are float32 then);
            None where it holds probabilities.
        stored_shape: shape of the array in the file, which can have an axis for the channel.
        target: the labels of the mask, (H', W'): 0, 1 and `IGNORED`, or class ids and K for pixels
            that never count; None without a mask.
        mask_values: (256,) pixels of a binary mask by value.
    """

    pair: Pair
    probability: np.ndarray
    logits: np.ndarray | None
    stored_shape: Shape
    target: np.ndarray | None
    mask_values: np.ndarray

    @cached_property
    def sample(self) -> Sample:
        """The map, resized bilinearly to the size of its mask, with the mask.

        Logits are resized as such, because calibrators are fitted to them.
        """
        assert self.target is not None
        ignore = IGNORED
        if self.probability.ndim == 3:  # K classes, whose masks have the label K where ignored
            ignore = len(self.probability)
        logits = self.fitted_logits()
        if logits is None or logits is self.logits:
            probability = resized(self.probability, self.target.shape)
        else:
            probability = _probabilities(logits, of_classes=logits.ndim == 3)
        return Sample(self.pair.stem, probability, self.target, ignore)

    def fitted_logits(self) -> np.ndarray | None:
        """Return the logits in the size of the mask; None where the file holds probabilities."""
        if self.logits is None or self.target is None:
            return None
        return resized(self.logits, self.target.shape, limits=(-np.inf, np.inf))


def read_pairs(pairs: Sequence[Pair], form: Form) -> Iterator[SavedMap]:
    """Yield the content of each pair, and show the progress.

    Raises:
        UserError: after all others, names all files that cannot be used.
    """
    problems = []
    for pair in track(pairs, "Read maps", console=Console(stderr=True), transient=True):
        try:
            yield read_pair(pair, form)
        except UserError as error:
            problems.append(" ".join(str(error).split()))
    check_files(problems)


def read_pair(pair: Pair, form: Form) -> SavedMap:
    """Return the content of a pair: the map must fit `form`, and its mask.

    Raises:
        UserError: names the file that cannot be used.
    """
    probability, logits, stored_shape = read_map(pair.map, form)
    target = None
    mask_values = np.zeros(256, np.int64)  # of a mask of classes they are not counted
    classes = form.classes
    if pair.mask and classes:
        target = read_labels(pair.mask, classes, form.ignore)
    elif pair.mask:
        target, mask_values = read_mask(pair.mask, form.ignore)
    size = probability.shape[-form.axes :]
    expected_classes = (classes,) if classes else ()
    if probability.shape[: -form.axes] != expected_classes:
        raise UserError(
            f"{pair.map}: an array of another shape than other maps",
            found=probability.shape,
            expected=f"{classes or 'no'} classes, then {form.axes} axes of pixels",
        )
    if form.no_object:  # as with a mask of zeros: every pixel is background
        target = np.zeros(size, np.uint8)
    if target is not None:
        check_size(pair.map, size, target.shape)
        target = target.reshape(-1, target.shape[-1])
    if pair.mask and {suffix_of(pair.map), suffix_of(pair.mask)} <= set(VOLUME_SUFFIXES):
        _check_places(pair.map, pair.mask)
    # The slices of a volume are counted as one image, one below the other.
    joined = (*expected_classes, -1, size[-1])  # (D H, W) or (K, D H, W)
    probability = probability.reshape(joined)
    if logits is not None:
        logits = logits.reshape(joined)
    return SavedMap(
        pair=pair,
        probability=probability,
        logits=logits,
        stored_shape=stored_shape,
        target=target,
        mask_values=mask_values,
    )


def form_of(
    pairs: Sequence[Pair],
    ignore: int | None = None,
    *,
    logits: bool = False,
    no_object: bool = False,
) -> Form:
    """Return what all files of a folder have in common, as the first readable pair shows it.

    Of .npy files only the header is read. `read_pairs` names files that cannot be read.

    Args:
        ignore, logits, no_object: the fields of the result that no file shows.
    """
    form = Form(ignore=ignore, logits=logits, no_object=no_object)
    for pair in pairs:
        try:
            shape = _shape(pair.map)
            volumes = suffix_of(pair.map) in VOLUME_SUFFIXES or len(shape) == 4
            if pair.mask and suffix_of(pair.mask) in ARRAY_SUFFIXES + VOLUME_SUFFIXES:
                volumes |= len(_shape(pair.mask)) == 3
        except Exception:  # numpy, zipfile and nibabel raise anything for a foreign file
            continue
        form = replace(form, volumes=volumes)
        # Of a volume of two classes the second is the object.
        if len(shape) > form.axes and not (volumes and shape[0] == 2):
            form = replace(form, classes=shape[0])
        break
    return form


def _shape(path: Path) -> Shape:
    """Return the shape of the array in a file, without an axis of length 1 for the channel.

    Only the number of axes of a picture matters, which is 2, so its size is not read.
    """
    if suffix_of(path) in PICTURE_SUFFIXES:
        return (1, 1)
    check_regular(path)
    if suffix_of(path) in VOLUME_SUFFIXES:
        return _without_channel(path, nifti(path).shape[::-1])
    return _without_channel(path, _array(path, mmap_mode="r").shape)


def _without_channel(path: Path, shape: Shape) -> Shape:
    """Return the shape of a file's array without an axis of length 1 for the channel.

    The channel is the first axis, or the last one of an image of three axes. NIfTI files have
    volumes only, whose three axes are depth, height and width.
    """
    volume = suffix_of(path) in VOLUME_SUFFIXES
    if len(shape) == (4 if volume else 3) and shape[0] == 1:
        return shape[1:]
    if not volume and len(shape) == 3 and shape[-1] == 1:
        return shape[:-1]
    return shape


# Maps


def read_map(path: Path, form: Form) -> tuple[np.ndarray, np.ndarray | None, Shape]:
    """Return a checked prediction map, its logits if it holds these, and the shape in the file.

    Returns:
        (*S) probabilities of the positive class, or (K, *S) of K classes, as of
        `counting.sample.Sample`. Decisions, float16 and logits become float32. The shape in the
        file can have an axis for the channel.

    Raises:
        UserError: not readable, several channels, no probabilities.
    """
    array, stored_shape = _load(path, "colors")
    axes = form.axes
    # A single class is a batch. Logits do not sum to 1 over their classes: without a mask only the
    # shortest axis shows where these are.
    wrong_classes = form.classes == 1
    if form.classes and form.logits and form.no_object:
        wrong_classes |= array.shape[-1] < min(array.shape[:-1])
    if array.ndim not in (axes, axes + 1) or 0 in array.shape or wrong_classes:
        raise UserError(
            f"{path}: no map of probabilities",
            found=array.shape,
            expected=f"{axes} axes, the last ones height and width, or one more for K classes",
            fix="array[0] of a batch of one; np.moveaxis(array, -1, 0) if the classes are last; "
            "mask.argmax(axis=0) if its mask is one-hot",
        )
    # Decisions (bool) and other floats than these two.
    if array.dtype.kind in "bf" and array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    logits = None
    if form.logits:
        logits = array
        if logits.dtype.kind != "f" or not np.isfinite(logits).all():
            raise UserError(
                f"{path}: no logits",
                found=f"{logits.dtype}, not all of them finite floats",
                fix="save float32; replace NaN and inf; leave out --logits if the maps hold "
                "probabilities",
            )
        low, high, deviation = class_limits(logits)
        if 0 <= low < high <= 1 and (array.ndim == axes or deviation < 0.01):
            raise UserError(
                f"{path}: probabilities, and no logits",
                found=f"values from {low:g} to {high:g}",
                fix="leave out --logits",
            )
        array = _probabilities(logits, of_classes=array.ndim > axes)
    # `checked` wants a mask, which is not known here: with False everywhere, every pixel counts.
    every_pixel = np.broadcast_to(False, array.shape[-axes:])
    probability = checked(array, every_pixel, str(path)).probability
    # Of a volume of two classes the second one is the object.
    if not form.classes and probability.ndim == 4 and len(probability) == 2:
        probability = probability[1]
        if logits is not None:
            logits = logits[1] - logits[0]
    return probability, logits, stored_shape


def _probabilities(logits: np.ndarray, of_classes: bool) -> np.ndarray:
    """Return the probabilities of logits, float32: by softmax over the first axis of K classes, by
    the logistic function of one object.
    """
    if of_classes:
        return np.asarray(softmax(logits, axis=0), np.float32)
    return np.asarray(expit(logits), np.float32)


def check_size(path: Path, size: Shape, mask_size: Shape) -> None:
    """Check that a map of the size (H, W) can be resized to the size of its mask.

    Images may differ in their aspect ratio by the factor `ASPECT`. Square maps fit any mask,
    because many networks resize to squares. Volumes must have the size of their mask.

    Raises:
        UserError: the map seems to be rotated (height and width exchanged) or cropped.
    """
    if size == mask_size:
        return
    if len(size) == len(mask_size) == 2:
        height, width = size
        factor = height / width / (mask_size[0] / mask_size[1])
        similar = height == width or 1 / ASPECT <= factor <= ASPECT
        if (width, height) != mask_size and similar:
            return
    raise UserError(
        f"{path}: rotated, cropped or resampled",
        found=f"{' x '.join(map(str, size))} pixels",
        expected=f"{' x '.join(map(str, mask_size))}, as its mask",
        fix="save the map of the whole image; if the classes are last: np.moveaxis(array, -1, 0)",
    )


def _check_places(path: Path, mask: Path) -> None:
    """Raise a UserError if the voxels of a NIfTI map lie at other places than those of its mask."""
    affine = nifti(path).affine
    affine_of_mask = nifti(mask).affine
    if not np.allclose(affine, affine_of_mask, atol=1e-3):
        raise UserError(
            f"{path}: another affine than that of its mask {mask}",
            found=affine,
            expected=affine_of_mask,
            fix="resample one of them: nibabel.processing.resample_from_to; if only the header is "
            "wrong, save the map with the affine of its mask",
        )


def resized(values: np.ndarray, shape: Shape, limits: tuple[float, float] = (0, 1)) -> np.ndarray:
    """Return a map (H, W) or (K, H, W), resized bilinearly to `shape`, (H', W'), in the same type.

    Args:
        limits: to which floats are clipped, because interpolation rounds.
    """
    height, width = values.shape[-2:]
    if (height, width) == shape:
        return values
    factors = [1] * (values.ndim - 2) + [shape[0] / height, shape[1] / width]
    exact = zoom(values, factors, output=np.float64, order=1, mode="nearest", grid_mode=True)
    if values.dtype.kind == "u":
        return np.asarray(np.rint(exact), values.dtype)
    return np.asarray(exact.clip(*limits), values.dtype)


# Masks


def read_mask(path: Path, ignore: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary mask, and the number of its pixels by value.

    Pixels above 127 are foreground, or in a mask of 0 and 1 those of 1. JPEG changes values a
    little, so a 1 in a JPEG file is background.

    Args:
        ignore: value of pixels that never count, if any.

    Returns:
        (H, W) uint8, or (D, H, W) of a volume: 0 background, 1 foreground, `IGNORED` (255) pixels
        that never count; and (256,) number of pixels by value, without the latter.

    Raises:
        UserError: not readable, several different channels, an unknown type or value.
    """
    array = _load_mask(path, "either")
    ignored = np.zeros(array.shape, bool) if ignore is None else array == ignore
    values = np.where(ignored, 0, array)
    low = values.min()
    high = values.max()
    if not (low >= 0 and high <= 255):  # also true where a value is NaN
        raise UserError(
            f"{path}: no mask",
            found=f"values from {low:g} to {high:g}",
            expected="0 to 255",
            fix="divide 16-bit values by 257; give NaN and other ignored pixels one value, and "
            "name it by --ignore",
        )
    if array.dtype.kind in "bf" and high <= 1:  # bool, or floats from 0 to 1
        values = 255 * values
    values = values.astype(np.uint8, copy=False)
    jpeg = suffix_of(path) in JPEG_SUFFIXES
    target = foreground(values, ones_are_objects=not jpeg).view(np.uint8)
    target[ignored] = IGNORED
    if target.ndim == 3 and is_one_hot(target):
        raise UserError(
            f"{path}: a one-hot mask of classes",
            found=f"one 1 along the first axis of {target.shape}, at every pixel",
            expected="class ids (height, width)",
            fix="mask.argmax(axis=0)",
        )
    # (256, 2): pixels by value and by whether they are ignored.
    pixels = pixels_by_value(values.reshape(-1), ignored.reshape(-1).view(np.uint8))
    return target, pixels[:, 0]


def read_labels(path: Path, classes: int, ignore: int | None = None) -> np.ndarray:
    """Return a mask of class ids, (H, W) or (D, H, W) int64 from 0 to K - 1, and K where a pixel
    never counts.

    Args:
        classes: their number, K.
        ignore: the id in the file of pixels that never count, 255 by default.

    Raises:
        UserError: not readable, several different channels, unknown ids, JPEG (changes ids).
    """
    if ignore is None:
        ignore = IGNORED
    stored = _load_mask(path, "indices")
    ids = np.nan_to_num(stored).astype(np.int64)
    known = (ids >= 0) & (ids < classes) | (ids == ignore)
    unknown = np.unique(stored[~known | (ids != stored)])
    if len(unknown):
        raise UserError(
            f"{path}: class ids that the maps do not have",
            found=few(unknown, 5),
            expected=f"0 to {classes - 1}, and {ignore} for ignored pixels",
            fix="renumber them, or name the value of pixels that do not count by --ignore",
        )
    return np.where(ids == ignore, classes, ids)


def _load_mask(path: Path, palette: Palette) -> np.ndarray:
    """Return the array of a mask, (H, W) or (D, H, W), of numbers of any type.

    Args:
        palette: what is read of a picture with a palette.
    """
    array, _ = _load(path, palette)
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "buif":
        raise UserError(
            f"{path}: no mask",
            found=f"an array of shape {array.shape} and type {array.dtype}",
            expected="numbers of shape (height, width) or (depth, height, width)",
        )
    return array


# Arrays and pictures


def _load(path: Path, palette: Palette) -> tuple[np.ndarray, Shape]:
    """Return the array in a file, without an axis of length 1 for the channel, and its shape in the
    file, with that axis.

    Args:
        palette: what is read of a picture with a palette. Only binary masks, "either", may be JPEG.
    """
    if suffix_of(path) in JPEG_SUFFIXES and palette != "either":
        raise UserError(
            f"{path}: a JPEG file, which changes probabilities and class ids",
            fix="save it as PNG, TIFF or .npy",
        )
    with reading(
        f"{path}: not readable",
        fix="write the file again; a TIFF needs one channel, and floats have 32 bits",
    ):
        check_regular(path)
        if suffix_of(path) in VOLUME_SUFFIXES:
            stored = np.asanyarray(nifti(path).dataobj).T  # (z, y, x)
        elif suffix_of(path) in ARRAY_SUFFIXES:
            stored = _array(path)
        else:
            stored = _picture(path, palette)
        array = numpy_array(stored)
    return array.reshape(_without_channel(path, array.shape)), array.shape


def nifti(path: Path) -> Any:
    """Return the NIfTI image in a file, of nibabel, an optional package.

    The axes of the image are (x, y, z), and (x, y, z, K) of K classes.
    """
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path}: NIfTI files need nibabel", fix='python -m pip install -e ".[volumes]"'
        ) from error
    return nibabel.load(path)


def _array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Return the one array in an .npy or .npz file.

    Args:
        mmap_mode: "r" for an array of an .npy file that stays on the disk until it is used.
    """
    loaded = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise UserError(f"{path}: {len(loaded.files)} arrays; expected one")
        return loaded[loaded.files[0]]


def _picture(path: Path, palette: Palette) -> np.ndarray:
    """Return the values of a picture of one channel, (H, W).

    A color image has one channel if red, green and blue are equal everywhere.

    Args:
        palette: what is read of a picture with a palette.
    """
    indices = None
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{path}: several pictures; expected one in a file")
        # Of colors, and of gray with transparency, Pillow reads the upper 8 bits only.
        if ";16" in str(image.tile) and image.mode[0] != "I":
            raise UserError(f"{path}: 16-bit color", fix="save one channel")
        if palette == "indices" and image.mode in ("1", "L", "P"):
            return stored_ids(image)
        if palette == "either" and image.mode == "P":
            indices = np.array(image)
        # Only where needed, because Pillow copies a picture that has the mode already.
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
    return colors[..., 0]
