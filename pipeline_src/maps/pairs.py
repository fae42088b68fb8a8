"""Folders of saved maps and masks: a map and its mask have the same path below their folders, without the suffix."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import composed

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator

ARRAYS = (".npy", ".npz")
MAPS = (".png", ".tif", ".tiff", ".bmp", *ARRAYS)
JPEG = (".jpg", ".jpeg")
MASKS = (*MAPS, *JPEG, ".gif")


class UnusableFileError(ValueError):
    """A file cannot be used; the message says why."""


@dataclass(frozen=True)
class Pair:
    """A prediction map and its mask.

    Attributes:
        stem: the path below the folder without the suffix, such as `video/0001`; the name of the image.
        mask: None if all pixels are background.
        calibrator: applied to the map when it is read, if any.
    """

    stem: str
    map: Path
    mask: Path | None
    calibrator: Calibrator | None = None

    def name(self, path: Path) -> str:
        """The name of its map or mask below the folder, with forward slashes."""
        return "/".join(path.parts[-1 - self.stem.count("/") :])


@dataclass(frozen=True)
class Pairs:
    """Pairs in the order of their stems.

    Attributes:
        maps, masks: the folders; no masks if all pixels are background.
        pairs: pairs of files.
        problems: files without a partner and duplicate stems, a line each; `check_problems` reports them together with
            unreadable files.
    """

    maps: Path
    masks: Path | None
    pairs: list[Pair]
    problems: list[str]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    @property
    def stems(self) -> list[str]:
        """The names of the images, in order."""
        return [pair.stem for pair in self.pairs]

    def calibrated(self, *calibrators: Calibrator) -> Pairs:
        """The pairs with maps that are calibrated when they are read: by one calibrator, or each map by its own."""
        repeated = calibrators * (len(self) if len(calibrators) == 1 else 1)
        pairs = [replace(pair, calibrator=c) for pair, c in zip(self.pairs, repeated, strict=True)]
        return replace(self, pairs=pairs)


def pair_files(maps: Path, masks: Path | None) -> Pairs:
    """Pair the files of two folders and their subfolders by stem, in the order of the stems.

    Raises:
        UserError: a folder is missing or holds nothing usable, or no file has a partner.
    """
    if masks is not None and maps.resolve() == masks.resolve():
        raise UserError("maps and masks are the same folder", found=maps, expected="a folder of maps and one of masks")
    problems: list[str] = []
    map_files = _by_stem(maps, MAPS, problems)
    mask_files = map_files if masks is None else _by_stem(masks, MASKS, problems)
    problems += [f"{map_files[stem]}: no mask" for stem in sorted(map_files.keys() - mask_files.keys())]
    problems += [f"{mask_files[stem]}: no prediction map" for stem in sorted(mask_files.keys() - map_files.keys())]
    stems = sorted(map_files.keys() & mask_files.keys())
    pairs = [Pair(stem, maps / map_files[stem], masks and masks / mask_files[stem]) for stem in stems]
    result = Pairs(maps, masks, pairs, problems)
    if not pairs:
        check_problems(result, [])
    return result


def _by_stem(folder: Path, suffixes: tuple[str, ...], problems: list[str]) -> dict[str, str]:
    """The name of every file with one of the suffixes, by stem; hidden files and folders are left out."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for top, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (name for name in files if not name.startswith(".")):
            stem, suffix = os.path.splitext((Path(top).relative_to(folder) / name).as_posix())
            if suffix.lower() in suffixes:
                by_stem[composed(stem)].append(stem + suffix)
    if not by_stem:
        raise UserError(
            f"{folder} holds no file to read",
            found="other files" if folder.is_dir() else "no folder",
            expected=f"a folder with files that end in {' '.join(suffixes)} (JPEG changes probabilities)",
            fix="name the folder of the files; images without any object need no masks: judge --ood",
        )
    problems += [f"{' and '.join(sorted(names))}: the same stem" for names in by_stem.values() if len(names) > 1]
    return {stem: names[0] for stem, names in by_stem.items()}


@contextmanager
def naming(pair: Pair, path: Path) -> Iterator[None]:
    """Put the name of the map or the mask of a pair before the reason why it cannot be used."""
    try:
        yield
    except UnusableFileError as reason:
        raise UnusableFileError(f"{pair.name(path)}: {reason}") from reason


def check_problems(pairs: Pairs, unusable: list[str]) -> None:
    """Stop if any file has no partner or cannot be used.

    Args:
        unusable: lines `name: reason`.

    Raises:
        UserError: names all of them.
    """
    if not pairs.problems and not unusable:
        return
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, _, reason in (line.partition(": ") for line in [*pairs.problems, *unusable]):
        by_reason[reason].append(name)
    raise UserError(
        f"{len(pairs.problems) + len(unusable)} file(s) cannot be used; nothing was written",
        found=listed(f"{few(names, 20)}: {reason}" for reason, names in by_reason.items()),
        expected="one mask for every map and one map for every mask, with the same name except for the suffix",
        fix="add, remove or rename the files without a partner" if pairs.problems else None,
    )
