"""The images of an unknown folder in groups, the groups that are masks, and the splits in their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_src.data.detection.mask_values import evenly_spaced, image_kind
from pipeline_src.data.entry import SET_NAME
from pipeline_src.data.lookup import IMAGE_SUFFIXES, read_name_list
from pipeline_src.data.pairing import walk
from pipeline_src.errors import UserError
from pipeline_src.files import composed
from pipeline_src.params.parts import ALL

MASK_WORDS = ("gt", "mask", "ground", "label", "annot", "seg")  # in names of mask folders, the likeliest first
MASK_ENDING = re.compile(r"([_-](?:mask|gt|label|labels|seg|segmentation|annotation))$", re.IGNORECASE)
SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
MIN_SHARE = 0.9  # share of a list's names that must be images of the dataset


@dataclass(eq=False)
class ImageGroup:
    """Images of a folder (its parts below the root), with one suffix, and one ending of their stems such as _mask."""

    folder: tuple[str, ...]
    suffix: str
    ending: str
    files: list[Path] = field(default_factory=list)

    @property
    def path(self) -> str:
        return "/".join(self.folder) or "."

    @cached_property
    def stems(self) -> list[str]:
        return [composed(file.stem) for file in self.files]

    @cached_property
    def kind(self) -> str:
        """image, mask or color."""
        return image_kind(self.files)

    @cached_property
    def words(self) -> list[str]:
        """The parts of the folder without the names of splits."""
        return [split_of(name)[1] for name in self.folder]

    def within(self, name: str) -> bool:
        """Whether the folder `name`, or a path of several, is part of this group's path."""
        return f"/{name.strip('/')}/" in f"/{self.path}/"


@dataclass(frozen=True)
class MaskCandidate:
    """Groups that may be the masks of the images: the image's stem is between `prefix` and `ending`."""

    name: str
    groups: list[ImageGroup]
    prefix: str
    ending: str
    images: set[str]  # stems of the images that have a mask

    @property
    def rank(self) -> tuple[int, int, str]:
        """Sort key; the likeliest masks come first."""
        word = next((i for i, word in enumerate(MASK_WORDS) if word in self.name.lower()), len(MASK_WORDS))
        return -len(self.images), word, self.name


def group_images(root: Path) -> list[ImageGroup]:
    """All images below `root`."""
    groups: dict[tuple[tuple[str, ...], str, str], ImageGroup] = {}
    for path in sorted(walk(root)):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            ending = MASK_ENDING.search(path.stem)
            key = path.relative_to(root).parts[:-1], path.suffix, ending[1] if ending else ""
            groups.setdefault(key, ImageGroup(*key)).files.append(path)
    return list(groups.values())


def paths_of(groups: Iterable[ImageGroup]) -> list[str]:
    """The folders of some groups."""
    return sorted({group.path for group in groups})


def mask_candidates(
    photos: Sequence[ImageGroup], remaining: Sequence[ImageGroup], masks: str | None
) -> list[MaskCandidate]:
    """The `remaining` that are masks of some photos, by the name of their folder (or `masks`), the likeliest first."""
    photo_words = {word for group in photos for word in group.words}
    named = defaultdict(list)
    for group in remaining:
        words = [word for word in group.words if word and word not in photo_words]
        named[masks or "/".join(words) or f"*{group.ending}{group.suffix}"].append(group)
    stems = {stem for group in photos for stem in group.stems}
    candidates = []
    for name, groups in named.items():
        mask_stems = [stem for group in groups for stem in group.stems]
        prefix, ending = _affixes(mask_stems, stems)
        images = stems & {stem.removeprefix(prefix).removesuffix(ending) for stem in mask_stems}
        candidates += [MaskCandidate(name, groups, prefix, ending, images)] if images else []
    return sorted(candidates, key=lambda candidate: candidate.rank)


def _affixes(masks: Sequence[str], stems: set[str]) -> tuple[str, str]:
    """The text around the image's stem in most masks' stems: ("mask_", "") of mask_p1, if p1 is an image."""
    best = 0, "", ""
    for mask in evenly_spaced(masks):
        for start in range(len(mask)):
            stop = next((stop for stop in range(len(mask), start, -1) if mask[start:stop] in stems), None)
            if stop is not None:
                prefix, ending = mask[:start], mask[stop:]
                fitting = (m for m in masks if m.startswith(prefix) and m.endswith(ending))
                fits = sum(m.removeprefix(prefix).removesuffix(ending) in stems for m in fitting)
                best = max(best, (fits, prefix, ending), key=lambda found: (found[0], -len(found[1] + found[2])))
                break
        if best[0] > len(masks) / 2:
            break
    return best[1:]


def split_of(folder: str) -> tuple[str | None, str]:
    """Split in a folder's name, and the rest of the name: (train, masks) of train_masks, (None, "GT") of GT."""
    parts = re.split(r"[-_ ]+", folder)
    place = next((i for i, part in enumerate(parts) if part.lower() in SPLITS), None)
    if place is None:
        return None, folder
    return SPLITS[parts[place].lower()], "_".join(parts[:place] + parts[place + 1 :])


def splits_from_folders(folders: Iterable[tuple[str, ...]]) -> tuple[dict[str, Any], list[str]]:
    """Splits by the parts of the images' folders, and notes; none if all images are of one split."""
    names = dict.fromkeys(name for folder in folders for name in folder if split_of(name)[0])
    if len(names) < 2:
        return {}, []
    return _named((split, name, {"folder": name}) for name in names if (split := split_of(name)[0]))


def splits_from_lists(files: Iterable[Path], stems: set[str], prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Splits by the name lists whose names are mostly `stems`, and notes; file names may begin with `prefix`."""
    candidates = []
    for file in files:
        try:
            names = read_name_list(file)
        except UserError:
            continue
        if names and len(stems.intersection(names)) >= MIN_SHARE * len(names):
            name = re.sub(rf"^{re.escape(prefix)}[-_]?", "", file.stem) or file.stem
            split = SPLITS.get(re.split("[-_]", file.stem)[-1].lower(), name)
            candidates.append((split, name, os.fspath(file)))
    return _named(candidates)


def _named(candidates: Iterable[tuple[str, str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Splits from (usual name, given name, source). The first of several with one usual name gets it."""
    splits: dict[str, Any] = {}
    notes = []
    for usual, given, source in candidates:
        name = given if usual in splits else usual
        if name in splits or name == ALL or not re.fullmatch(SET_NAME, name):
            continue
        if name != usual:
            notes.append(f"{given} could also be the split {usual}; the entry has it as {name}.")
        splits[name] = source
    return splits, notes
