"""Folders of saved prediction maps and masks, paired by stem."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_src.errors import UserError, listed

IMAGES = (".png", ".tif", ".tiff", ".bmp")
ARRAYS = (".npy", ".npz")
JPEG = (".jpg", ".jpeg")
MASK_IMAGES = (*IMAGES, *JPEG, ".gif")
LOSSY = "JPEG changes probabilities: save maps as .png or .npy"


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

    def __getitem__(self, index: int) -> Pair:  # type: ignore[override]  # nothing slices them
        stem, of_map, of_mask = self.names[index]
        mask = None if self.masks is None else self.masks / _name(stem, of_mask)
        return Pair(stem, self.maps / _name(stem, of_map), mask)


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
        raise UserError(
            "there is nothing to judge",
            found=listed(empty),
            expected="a folder of maps and one of masks",
            do="for images without any object leave out --mask and give --ood" if of_maps else None,
        )
    problems += [f"{_name(stem, of_maps[stem])}: no mask" for stem in sorted(of_maps.keys() - of_masks.keys())]
    for stem in sorted(of_masks.keys() - of_maps.keys()):
        lossy = next((stem + suffix for suffix in JPEG if (maps / (stem + suffix)).is_file()), None)
        why = f" but {lossy} ({LOSSY})" if lossy else ""
        problems.append(f"{_name(stem, of_masks[stem])}: no prediction map{why}")
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
            do=_remedy(found),
        )


def _remedy(found: Pairs) -> str | None:
    if not found.problems:
        return None
    if not len(found):
        return "give every map the name of its mask, without anything before or after it"
    return "add what is missing, or move what has no partner (or one of two with the same stem) elsewhere"


def _name(stem: str, ending: str) -> str:
    """The name of a file from what is kept of it: its suffix, or all of it where it is spelt otherwise than `stem`."""
    return stem + ending if ending.startswith(".") else ending


def _by_stem(folder: Path, suffixes: tuple[str, ...], empty: list[str], problems: list[str]) -> dict[str, str]:
    """The suffix of every file that can be used, by stem. Stems are in the composed form of Unicode (NFC), since macOS
    writes an é in two characters; a file that is spelt otherwise has its whole name instead of the suffix."""
    if not folder.is_dir():
        empty.append(f"{folder}: no such folder")
        return {}
    found: dict[str, str] = {}
    twice: dict[str, list[str]] = defaultdict(list)
    lossy, unnamed = 0, []
    with os.scandir(folder) as entries:
        for entry in entries:
            raw, suffix = os.path.splitext(entry.name)
            lossy += suffix.lower() in JPEG
            if suffix.lower() not in suffixes or entry.name.startswith(".") or not entry.is_file():
                continue
            if any("\ud800" <= letter <= "\udfff" for letter in raw):  # Python's stand-in for bytes of another coding
                unnamed.append(f"{os.fsencode(entry.name)!r}: the name is not UTF-8; rename it")
                continue
            stem = unicodedata.normalize("NFC", raw)
            if stem in found:
                twice[stem].append(entry.name)
            found.setdefault(stem, sys.intern(suffix) if stem == raw else entry.name)
    if not found and not unnamed:
        why = f" but {lossy} JPEG files ({LOSSY})" if lossy else ""
        empty.append(f"{folder}: no file with one of the suffixes {' '.join(suffixes)}{why}")
    same = (sorted([_name(stem, found[stem]), *names]) for stem, names in sorted(twice.items()))
    problems += unnamed + [f"{' and '.join(names)}: the same stem" for names in same]
    return found
