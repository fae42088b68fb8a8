"""Detection of the images, masks and splits of an unknown folder."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_src.data import pairing
from pipeline_src.data.entry import SET_NAME
from pipeline_src.data.lookup import IMAGE_SUFFIXES, read_name_list
from pipeline_src.data.mask_values import MaskValues, evenly_spaced, interpret_masks, is_photo
from pipeline_src.errors import UserError, listed
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
OOD_HINT = "for images without an object (textures), add --ood"


class Detected(NamedTuple):
    """The facts for a dataset's entry.

    Attributes:
        images, masks: as in `entry.Layout`; no masks for a dataset without objects.
        pairs: (stem, image, mask) of each image with a mask (or "", without masks), paths below the root.
        splits: name -> {"folder": name} or the path of a name list.
        notes: remarks for the user.
    """

    images: str
    masks: str
    pairs: list[tuple[str, str, str]]
    values: MaskValues
    splits: Mapping[str, Any]
    notes: Sequence[str]


@dataclass(eq=False)
class ImageGroup:
    """Images of a folder (its parts below the root) with one suffix and one ending of their stems such as _mask."""

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
    def has_photos(self) -> bool:
        """Whether most of a sample of the files are photos, not masks."""
        votes = [vote for file in evenly_spaced(self.files) if (vote := is_photo(file)) is not None]
        return 2 * sum(votes) >= len(votes)

    @cached_property
    def words(self) -> list[str]:
        """The parts of the folder without the names of splits."""
        return [_split_of(name)[1] for name in self.folder]

    def within(self, name: str) -> bool:
        """Whether the folder `name`, or a path of several, is part of this group's path."""
        return f"/{name.strip('/')}/" in f"/{self.path}/"


class MaskCandidate(NamedTuple):
    """Groups that may be the masks of the images: the image's stem is between `prefix` and `ending`."""

    name: str
    groups: list[ImageGroup]
    prefix: str
    ending: str
    images: set[str]  # stems of the images that have a mask


def detect(
    root: Path,
    lists: Iterable[Path] = (),
    prefix: str = "",
    images: str | None = None,
    masks: str | None = None,
    ood: bool = False,
) -> Detected:
    """Detect the layout, mask values and splits of the folder `root`.

    Args:
        lists: name lists besides those in `root`.
        prefix: name of the dataset, with which names of lists may begin.
        images, masks: the folder of the images and of the masks, if it is known.
        ood: the images show no object, and no masks are looked for.

    Raises:
        UserError: no images, masks that are not recognized, no pairs, or masks that cannot be used.
    """
    groups = _group_images(root)
    if not groups:
        raise UserError(f"there are no images in {root}", expected=", ".join(sorted(IMAGE_SUFFIXES)))
    for option, name in (("--images", images), ("--masks", masks)):
        if name is not None and not any(group.within(name) for group in groups):
            raise UserError(f"{option}: no images in a folder {name!r}", found=", ".join(_paths(groups)))
    photos = [g for g in groups if (g.within(images) if images is not None else g.has_photos)]
    if ood:
        return _without_masks(root, photos or groups, groups)
    photos = [g for g in photos if not (masks and g.within(masks))]
    photos = [g for g in photos if not g.ending] or photos
    candidate = _mask_candidate(root, groups, photos, masks)
    photos = [g for g in photos if not candidate.images.isdisjoint(g.stems)]
    _check_unique_names(photos)
    layout = _layout(photos, candidate.groups), _layout(candidate.groups, photos, candidate.prefix, candidate.ending)
    image_files, mask_files = pairing.find_images_and_masks(root, [layout[0]], [layout[1]])
    stems = sorted(image_files.keys() & mask_files.keys())
    if not stems:
        raise UserError(f"no image of {root} has a mask of its name", found=" and ".join(layout), fix=OOD_HINT)
    pairs = [(stem, image_files[stem][0], mask_files[stem][0]) for stem in stems]
    values, note = interpret_masks([root / mask for _, _, mask in pairs])
    splits, notes = _splits_from_folders(photos)
    if not splits:
        splits, notes = _splits_from_lists([*sorted(root.rglob("*.txt")), *lists], set(stems), prefix)
    return Detected(*layout, pairs, values, splits, [*notes, *filter(None, [note])])


def _group_images(root: Path) -> list[ImageGroup]:
    groups: dict[tuple[tuple[str, ...], str, str], ImageGroup] = {}
    for path in sorted(pairing.walk(root)):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            ending = MASK_ENDING.search(path.stem)
            key = path.relative_to(root).parts[:-1], path.suffix, ending[1] if ending else ""
            groups.setdefault(key, ImageGroup(*key)).files.append(path)
    return list(groups.values())


def _paths(groups: Iterable[ImageGroup]) -> list[str]:
    return sorted({group.path for group in groups})


def _mask_candidate(
    root: Path, groups: Sequence[ImageGroup], photos: Sequence[ImageGroup], masks: str | None
) -> MaskCandidate:
    """The likeliest masks of some photos: of most images, then by the name of their folder (or `masks`)."""
    if not photos:
        fix = "name a folder that has both, or give the folder of the images by --images"
        raise UserError(f"no photos in {root}, only masks in the folders{listed(_paths(groups))}", fix=fix)
    photo_words = {word for group in photos for word in group.words}
    named = defaultdict(list)
    for group in groups:
        if group not in photos and (group.within(masks) if masks else group.ending or not group.has_photos):
            words = [word for word in group.words if word and word not in photo_words]
            named[masks or "/".join(words) or f"*{group.ending}{group.suffix}"].append(group)
    stems = {stem for group in photos for stem in group.stems}
    candidates = [MaskCandidate(name, several, *_affixes(several, stems)) for name, several in named.items()]
    if not any(candidate.images for candidate in candidates):
        raise UserError(
            f"no masks of the images in {root} were recognized",
            found=f"the folders{listed(_paths(groups))}",
            expected="for each image a mask of its name, with one channel: 0 and 255, or class ids 0, 1, 2...",
            fix="rename the masks, give their folder by --masks, or write the entry yourself where both have an ending "
            f"(images: imgs/*_img.jpg, masks: masks/*_mask.png); {OOD_HINT}",
        )

    def rank(candidate: MaskCandidate) -> tuple[int, int, str]:
        name = candidate.name.lower()
        word = next((i for i, word in enumerate(MASK_WORDS) if word in name), len(MASK_WORDS))
        return -len(candidate.images), word, candidate.name

    return min(candidates, key=rank)


def _affixes(groups: Sequence[ImageGroup], stems: set[str]) -> tuple[str, str, set[str]]:
    """The text before and after the image's stem in most masks' stems, and the images that have such masks."""
    masks = [stem for group in groups for stem in group.stems]
    found: dict[tuple[str, str], set[str]] = {}
    for mask in evenly_spaced(masks):
        parts = ((mask[:i], mask[j:]) for i in range(len(mask)) for j in range(len(mask), i, -1) if mask[i:j] in stems)
        prefix, ending = min(parts, key=lambda affixes: len("".join(affixes)), default=("", ""))
        if (prefix, ending) not in found:
            fitting = (name for name in masks if name.startswith(prefix) and name.endswith(ending))
            found[prefix, ending] = stems & {name.removeprefix(prefix).removesuffix(ending) for name in fitting}
    (prefix, ending), images = max(found.items(), key=lambda item: len(item[1]))
    return prefix, ending, images


def _without_masks(root: Path, photos: list[ImageGroup], groups: list[ImageGroup]) -> Detected:
    """All photos, by the folder that holds them all."""
    _check_unique_names(photos)
    top = Path(os.path.commonpath([group.path for group in photos])).parts
    if mixed := _paths(g for g in groups if g not in photos and g.folder[: len(top)] == top):
        raise UserError(
            f"there are masks among the images of {root}",
            found=", ".join(mixed),
            fix="put the images into a folder of their own, or give their folder by --images",
        )
    layout = "/".join(top) or "."
    pairs = [(stem, paths[0], "") for stem, paths in pairing.find_files(root, [layout]).items()]
    return Detected(layout, "", pairs, MaskValues(), {}, [])


def _check_unique_names(photos: list[ImageGroup]) -> None:
    """Images and masks are paired by name: each name must be unique."""
    paths = defaultdict(set)
    for group in photos:
        for stem in group.stems:
            paths[stem].add(group.path)
    duplicates = {stem: sorted(several) for stem, several in paths.items() if len(several) > 1}
    for stem, several in duplicates.items():
        raise UserError(
            f"{len(duplicates):,} file names occur in several folders of images, such as {stem}",
            found=", ".join(several),
            expected="a unique name for each image of the dataset",
            fix=f"choose the folder of the images, such as --images {several[0]}, or put the split in front of names",
        )


def _layout(groups: Sequence[ImageGroup], remaining: Sequence[ImageGroup], prefix: str = "", ending: str = "") -> str:
    """A folder that all of `groups` and none of `remaining` are in, or else (or with a prefix or ending) a pattern."""
    foreign = {word for group in remaining for word in group.words}
    words = [w for w in groups[0].words if w and w not in foreign and all(w in group.words for group in groups)]
    disjoint = {group.folder for group in groups}.isdisjoint(group.folder for group in remaining)
    folder = ""
    if words:
        names = {name for group in groups for name in group.folder if _split_of(name)[1] == words[-1]}
        star = f"*{words[-1]}" if all(name.endswith(words[-1]) for name in names) else f"{words[-1]}*"
        folder = names.pop() if len(names) == 1 else star  # *masks for train_masks and val_masks
    elif disjoint and len({group.folder for group in groups}) == 1:
        folder = groups[0].path
    if folder and not prefix and not ending:
        return f"{folder}/*" if "*" in folder else folder
    suffix = groups[0].suffix
    # `find_images_and_masks` distinguishes images *.png from masks *_mask.png in one folder.
    distinct = suffix not in {group.suffix for group in remaining} or any(group.ending for group in remaining)
    if {group.suffix for group in groups} == {suffix} and (prefix or ending or disjoint or distinct):
        common = [name for name in groups[0].folder if all(name in group.folder for group in groups)]
        return f"{folder or (common or ['.'])[-1]}/{prefix}*{ending}{suffix}"
    raise UserError(
        "images and masks cannot be distinguished by folder or by file name",
        found=", ".join(_paths((*groups, *remaining))),
        fix="put images and masks into folders of their own, such as images/ and masks/",
    )


def _split_of(folder: str) -> tuple[str | None, str]:
    """Split in a folder's name, and the rest of the name: (train, masks) of train_masks, (None, "GT") of GT."""
    parts = re.split(r"[-_ ]+", folder)
    place = next((i for i, part in enumerate(parts) if part.lower() in SPLITS), None)
    if place is None:
        return None, folder
    return SPLITS[parts[place].lower()], "_".join(parts[:place] + parts[place + 1 :])


def _splits_from_folders(photos: Iterable[ImageGroup]) -> tuple[dict[str, Any], list[str]]:
    """Splits by the parts of the images' folders, and notes; none if all images are of one split."""
    names = dict.fromkeys(name for group in photos for name in group.folder)
    candidates = [(split, name, {"folder": name}) for name in names if (split := _split_of(name)[0])]
    return _named_splits(candidates) if len(candidates) > 1 else ({}, [])


def _splits_from_lists(files: Iterable[Path], stems: set[str], prefix: str) -> tuple[dict[str, Any], list[str]]:
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
    return _named_splits(candidates)


def _named_splits(candidates: Iterable[tuple[str, str, Any]]) -> tuple[dict[str, Any], list[str]]:
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
