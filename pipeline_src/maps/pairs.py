"""Folders of saved prediction maps and masks: a map and its mask have the same path below their folders, without the
suffix."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src import outputs
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import composed
from pipeline_src.logs import with_progress

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator

IMAGES = (".png", ".tif", ".tiff", ".bmp")
ARRAYS = (".npy", ".npz")
JPEG_SUFFIXES = (".jpg", ".jpeg")
MASK_IMAGES = (*IMAGES, *JPEG_SUFFIXES, ".gif")
RESULTS = [{*outputs.RESULTS[command]} for command in ("judge", "calibrate")]
LOSSY = "JPEG changes probabilities: save maps as .png or .npy"


class UnusableFileError(ValueError):
    """A file cannot be used; the message says why, without its name."""


@dataclass(frozen=True)
class Pair:
    """A prediction map and its mask.

    Attributes:
        stem: the path below the folder without the suffix, such as `video/0001`; the name of the image.
        mask: None if all pixels are background.
        calibrator: applied to the map, if any.
    """

    stem: str
    map: Path
    mask: Path | None
    calibrator: Calibrator | None = None

    def name(self, path: Path) -> str:
        """The name of its map or mask below the folder, with forward slashes."""
        return "/".join(path.parts[-1 - self.stem.count("/") :])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs in the order of their stems; only names are in memory.

    Attributes:
        maps, masks: the folders; no masks if all pixels are background.
        names: stem, name of the map and name of the mask of each pair.
        problems: files without a partner and duplicate stems, a line each; `check_problems` reports them together with
            unreadable files.
        calibrator: returns the calibrator that is applied to the map of a stem; None for no calibrator.
    """

    maps: Path
    masks: Path | None
    names: list[tuple[str, str, str]]
    problems: list[str]
    calibrator: Callable[[str], Calibrator] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def stems(self) -> list[str]:
        """The names of the images, in order."""
        return [stem for stem, *_ in self.names]

    def calibrated(self, calibrator: Calibrator) -> Pairs:
        """Return the pairs with maps that this calibrator transforms when they are read."""
        return replace(self, calibrator=lambda stem: calibrator)

    def __iter__(self) -> Iterator[Pair]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Pair:
        stem, map_name, mask_name = self.names[index]
        mask = None if self.masks is None else self.masks / mask_name
        return Pair(stem, self.maps / map_name, mask, self.calibrator(stem) if self.calibrator else None)


def pair_files(maps: Path, masks: Path | None) -> Pairs:
    """Pair the files of two folders and their subfolders by stem, in the order of the stems.

    Raises:
        UserError: a folder is missing or holds nothing usable, or no file has a partner.
    """
    empty: list[str] = []
    problems: list[str] = []
    map_names = _by_stem(maps, (*IMAGES, *ARRAYS), empty, problems)
    mask_names = map_names if masks is None else _by_stem(masks, (*MASK_IMAGES, *ARRAYS), empty, problems)
    if masks is not None and map_names and maps.resolve() == masks.resolve():
        raise UserError(
            "maps and masks are the same folder, and would agree in every pixel",
            found=maps,
            expected="a folder of maps and one of masks",
            fix="name the other one",
        )
    if empty:
        raise UserError(
            "there are no maps, or no masks, to read",
            found=listed(empty),
            expected="a folder of maps and one of masks",
            fix="name the folder of masks; for images without any object `judge` has --ood"
            if map_names
            else "name the folder that holds the maps: PNG, TIFF or BMP of one channel, .npy or .npz",
        )
    problems += [f"{map_names[stem]}: no mask" for stem in sorted(map_names.keys() - mask_names.keys())]
    for stem in sorted(mask_names.keys() - map_names.keys()):
        lossy = next((stem + suffix for suffix in JPEG_SUFFIXES if (maps / (stem + suffix)).is_file()), None)
        why = f" but {lossy} ({LOSSY})" if lossy else ""
        problems.append(f"{mask_names[stem]}: no prediction map{why}")
    stems = sorted(map_names.keys() & mask_names.keys())
    pairs = Pairs(maps, masks, [(stem, map_names[stem], mask_names[stem]) for stem in stems], problems)
    if not stems:
        check_problems(pairs, [])
    return pairs


def readable(pairs: Pairs, read: Callable[[Pair], Any], problems: list[str]) -> Iterator[tuple[Pair, Any]]:
    """Yield the pairs that `read` can read, with their content. Reasons of all others are appended to `problems`."""
    for pair in with_progress(pairs, len(pairs)):
        try:
            content = read(pair)
        except UnusableFileError as reason:
            problems.append(str(reason))
        else:
            yield pair, content


@contextmanager
def naming(pair: Pair, path: Path) -> Iterator[None]:
    """Put the name of the map or the mask of a pair before the reason why it cannot be used."""
    try:
        yield
    except UnusableFileError as reason:
        raise UnusableFileError(f"{pair.name(path)}: {reason}") from reason


def check_problems(pairs: Pairs, unusable: list[str]) -> None:
    """Stop if any file has no partner or cannot be used.

    Raises:
        UserError: names all of them.
    """
    if not pairs.problems and not unusable:
        return
    remedy = None
    if pairs.problems:
        remedy = "add the missing files, or move files without a partner (or one of two with the same stem) elsewhere"
        if not len(pairs):
            remedy = "give every map the name of its mask, without anything before or after it"
    raise UserError(
        f"{len(pairs.problems) + len(unusable)} file(s) cannot be used; nothing was written",
        found=listed(pairs.problems) + listed(_by_reason(unusable)),
        expected="one mask for every map and one map for every mask, with the same name except for the suffix"
        if pairs.problems
        else None,
        fix=remedy,
    )


def _by_reason(problems: list[str]) -> list[str]:
    """Return one line per reason, with all files that it makes unusable."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, _, reason in (line.partition(": ") for line in problems):
        names[reason].append(name)
    return [f"{few(files, 20)}: {reason}" for reason, files in names.items()]


def _files_below(folder: Path) -> list[str]:
    """Names of the files below a folder, with forward slashes; hidden ones and results of `judge` and `calibrate` are
    left out. OSError where a folder cannot be read."""
    names = []
    for top, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        inside = Path(top).relative_to(folder)
        if inside.parts and any(result <= {*files} for result in RESULTS):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [(inside / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(names)


def _raise(error: OSError) -> None:
    raise error


def _by_stem(folder: Path, suffixes: tuple[str, ...], empty: list[str], problems: list[str]) -> dict[str, str]:
    """The name of every file with one of the suffixes, by stem; accents may be composed or decomposed."""
    try:
        names = _files_below(folder)
    except OSError as error:
        empty.append(f"{error.filename or folder}: {error.strerror}")
        return {}
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in suffixes:
            by_stem[composed(stem)].append(name)
    if not by_stem:
        lossy = sum(name.lower().endswith(JPEG_SUFFIXES) for name in names)
        why = f" but {lossy} JPEG files ({LOSSY})" if lossy else ""
        empty.append(f"{folder}: no file with one of the suffixes {' '.join(suffixes)}{why}")
    problems += [f"{' and '.join(files)}: the same stem" for _, files in sorted(by_stem.items()) if len(files) > 1]
    return {stem: files[0] for stem, files in by_stem.items()}
