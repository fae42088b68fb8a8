"""Folders of saved prediction maps and masks, paired by stem."""

from __future__ import annotations

import errno
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src import outputs
from pipeline_src.data.image_io import PIXELS
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import composed, fault, is_utf8, printable
from pipeline_src.progress import with_progress

if TYPE_CHECKING:
    from pipeline_src.calibrators.calibrator import Calibrator

IMAGES = (".png", ".tif", ".tiff", ".bmp")
ARRAYS = (".npy", ".npz")
JPEG_SUFFIXES = (".jpg", ".jpeg")
MASK_IMAGES = (*IMAGES, *JPEG_SUFFIXES, ".gif")
RESULTS = [{*outputs.RESULTS[command]} for command in ("judge", "calibrate")]
# Bytes of maps, of up to so many files, read before they are counted: each work keeps its code in the caches.
AHEAD, FILES = 1 << 20, 32
LOSSY = "JPEG changes probabilities: save maps as .png or .npy"


class UnusableFileError(ValueError):
    """A file cannot be used; the message says why, without its name."""


@dataclass(frozen=True)
class Pair:
    """A prediction map and its mask.

    Attributes:
        stem: the name below the folder without the suffix, such as `video/0001`.
        mask: None if all pixels are background.
        values: that a file may hold (pixels, times classes); a larger one is not decoded.
        calibrator: applied to the map, if any.
    """

    stem: str
    map: Path
    mask: Path | None
    values: int = PIXELS
    calibrator: Calibrator | None = None

    def name(self, path: Path) -> str:
        """The name of its map or mask below the folder, with forward slashes."""
        return "/".join(path.parts[-1 - self.stem.count("/") :])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs in the order of their stems; only names are in memory.

    Attributes:
        maps, masks: the folders; no masks if all pixels are background.
        names: stem, and suffix or whole name of the map and of the mask.
        problems: files without a partner and duplicate stems, a line each; reported by `check_problems` together with
            files that cannot be read.
        values: that a file may hold.
        calibrator: the one that is applied to the map of a stem; None by default.
    """

    maps: Path
    masks: Path | None
    names: list[tuple[str, str, str]]
    problems: list[str]
    values: int
    calibrator: Callable[[str], Calibrator] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def stems(self) -> list[str]:
        """In their order."""
        return [stem for stem, *_ in self.names]

    def calibrated(self, calibrator: Calibrator) -> Pairs:
        """The same pairs, whose maps are read as this calibrator makes them."""
        return replace(self, calibrator=lambda stem: calibrator)

    def __iter__(self) -> Iterator[Pair]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Pair:
        stem, of_map, of_mask = self.names[index]
        mask = None if self.masks is None else self.masks / _name(stem, of_mask)
        calibrator = self.calibrator(stem) if self.calibrator else None
        return Pair(stem, self.maps / _name(stem, of_map), mask, self.values, calibrator)


def pair_files(maps: Path, masks: Path | None, values: int = PIXELS) -> Pairs:
    """Pair the files of two folders and their subfolders by stem, in the order of the stems.

    Args:
        values: that a file may hold.

    Raises:
        UserError: a folder is missing or holds nothing usable, or no file has a partner.
    """
    empty: list[str] = []
    problems: list[str] = []
    of_maps = _by_stem(maps, (*IMAGES, *ARRAYS), empty, problems)
    of_masks = of_maps if masks is None else _by_stem(masks, (*MASK_IMAGES, *ARRAYS), empty, problems)
    if masks is not None and of_maps and maps.resolve() == masks.resolve():
        raise UserError(
            "maps and masks are the same folder, and would agree in every pixel",
            found=maps,
            expected="a folder of maps and one of masks",
            do="name the other one",
        )
    if empty:
        raise UserError(
            "there are no maps, or no masks, to read",
            found=listed(empty),
            expected="a folder of maps and one of masks",
            do="name the folder of masks; `judge` takes images without any object by --ood"
            if of_maps
            else "name the folder that holds the maps: PNG, TIFF or BMP of one channel, .npy or .npz",
        )
    problems += [f"{_name(stem, of_maps[stem])}: no mask" for stem in sorted(of_maps.keys() - of_masks.keys())]
    for stem in sorted(of_masks.keys() - of_maps.keys()):
        lossy = next((stem + suffix for suffix in JPEG_SUFFIXES if (maps / (stem + suffix)).is_file()), None)
        why = f" but {lossy} ({LOSSY})" if lossy else ""
        problems.append(f"{_name(stem, of_masks[stem])}: no prediction map{why}")
    stems = sorted(of_maps.keys() & of_masks.keys())
    pairs = Pairs(maps, masks, [(stem, of_maps[stem], of_masks[stem]) for stem in stems], problems, values)
    if not stems:
        check_problems(pairs, [])
    return pairs


def readable(pairs: Pairs, read: Callable[[Pair], tuple], problems: list[str]) -> Iterator[tuple[Pair, tuple]]:
    """The pairs that `read` can read, with their content, the map first; the reasons of all others go into `problems`.
    Small maps are read ahead (`AHEAD`)."""
    held, size = [], 0
    for pair in with_progress(pairs, len(pairs)):
        try:
            content = read(pair)
        except UnusableFileError as reason:
            problems.append(str(reason))
        else:
            held.append((pair, content))
            size += max(content[0].nbytes, AHEAD // FILES)
        if size >= AHEAD:
            yield from held
            held, size = [], 0
    yield from held


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
    if pairs.problems or unusable:
        raise UserError(
            f"{len(pairs.problems) + len(unusable)} file(s) cannot be used; nothing was written",
            found=listed(pairs.problems) + listed(_by_reason(unusable)),
            expected="one mask for every map and one map for every mask, with the same name except for the suffix"
            if pairs.problems
            else None,
            do=_remedy(pairs),
        )


def _by_reason(problems: list[str]) -> list[str]:
    """One line for all files that cannot be used for the same reason."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, _, reason in (line.partition(": ") for line in problems):
        names[reason].append(name)
    return [f"{few(of, 20)}: {reason}" for reason, of in names.items()]


def _remedy(pairs: Pairs) -> str | None:
    if not pairs.problems:
        return None
    if not len(pairs):
        return "give every map the name of its mask, without anything before or after it"
    return "add the missing files, or move files without a partner (or one of two with the same stem) elsewhere"


def _name(stem: str, ending: str) -> str:
    """The name of a file from its stem and suffix, or `ending` itself if that is a whole name."""
    return stem + ending if ending.startswith(".") else ending


def _below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Names of files below a folder, with forward slashes. Hidden ones are left out, and so are subfolders with results
    of `judge` and `calibrate`. A folder that is called like a file is taken for one, and a link to a folder ends in /:
    neither can be used.

    Raises:
        OSError: a folder cannot be read.
    """
    for top, folders, names in os.walk(folder, onerror=_refuse):
        inside = Path(top).relative_to(folder)
        if inside.parts and any(result <= {*names} for result in RESULTS):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if os.path.islink(os.path.join(top, name))]
        files = [name for name in folders if name not in links and os.path.splitext(name)[1].lower() in suffixes]
        folders[:] = [name for name in folders if name not in links and name not in files]
        names = [name for name in names if not name.startswith(".")]
        yield from ((inside / name).as_posix() for name in [*names, *files])
        yield from ((inside / name).as_posix() + "/" for name in links)


def _refuse(error: OSError) -> None:
    raise error


def _by_stem(folder: Path, suffixes: tuple[str, ...], empty: list[str], problems: list[str]) -> dict[str, str]:
    """The suffix of every file that can be used, by stem (`files.composed`); a file whose name is in another form has
    its whole name instead of the suffix."""
    try:
        names = sorted(_below(folder, suffixes))
    except OSError as error:
        reasons: dict[int | None, str] = {errno.ENOENT: "no such folder", errno.ENOTDIR: "not a folder"}
        where = error.filename or folder
        empty.append(f"{where}: {reasons.get(error.errno, f'cannot be read ({error.strerror})')}")
        return {}
    suffix_of: dict[str, str] = {}
    duplicates: dict[str, list[str]] = defaultdict(list)
    lossy, unusable = 0, []
    for name in names:
        raw, suffix = os.path.splitext(name)
        lossy += suffix.lower() in JPEG_SUFFIXES
        if suffix.lower() not in suffixes and not name.endswith("/"):
            continue
        reason = fault(folder / name) or (None if is_utf8(name) else "has a name that is not UTF-8; rename it")
        if reason:
            unusable.append(f"{printable(name)} {reason}")
            continue
        stem = composed(raw)
        if stem in suffix_of:
            duplicates[stem].append(name)
        suffix_of.setdefault(stem, sys.intern(suffix) if stem == raw else name)
    if not suffix_of and not unusable:
        why = f" but {lossy} JPEG files ({LOSSY})" if lossy else ""
        empty.append(f"{folder}: no file with one of the suffixes {' '.join(suffixes)}{why}")
    same = (sorted([_name(stem, suffix_of[stem]), *names]) for stem, names in sorted(duplicates.items()))
    problems += unusable + [f"{' and '.join(names)}: the same stem" for names in same]
    return suffix_of
