"""The images, masks and splits of an unknown folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_src.data import pairing
from pipeline_src.data.detection.image_groups import (
    ImageGroup,
    MaskCandidate,
    group_images,
    mask_candidates,
    paths_of,
    split_of,
    splits_from_folders,
    splits_from_lists,
)
from pipeline_src.data.detection.mask_values import MaskValues, interpret_masks
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.errors import UserError, listed

OOD_HINT = "for images without an object (textures), add --ood"


@dataclass(frozen=True)
class Detected:
    """The facts for a dataset's entry.

    Attributes:
        images, masks: as in `entry.Layout`; no masks for a dataset without objects.
        pairs: (stem, image, mask) of each image with a mask (or "", without masks), paths below the root.
        values: the meaning of the masks' values.
        splits: name -> folder or name list.
        notes: for the user.
    """

    images: str
    masks: str
    pairs: list[tuple[str, str, str]]
    values: MaskValues = field(default_factory=MaskValues)
    splits: dict[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def detect(
    root: Path,
    lists: Iterable[Path] = (),
    prefix: str = "",
    images: str | None = None,
    masks: str | None = None,
    ood: bool = False,
) -> Detected:
    """The facts of the folder `root`.

    Args:
        lists: name lists besides those in `root`.
        prefix: name of the dataset, with which names of lists may begin.
        images, masks: the folder of the images, of the masks, if it is known.
        ood: the images show no object, and no masks are looked for.

    Raises:
        UserError: no images, masks that are not recognized, no pairs, or masks that cannot be used.
    """
    groups = group_images(root)
    if not groups:
        raise UserError(f"there are no images in {root}", expected=", ".join(sorted(IMAGE_SUFFIXES)))
    for option, name in (("--images", images), ("--masks", masks)):
        if name is not None and not any(group.within(name) for group in groups):
            raise UserError(f"{option}: no images in a folder {name!r}", found=", ".join(paths_of(groups)))
    photos = [g for g in groups if (g.within(images) if images is not None else g.kind == "image")]
    if ood:
        return _without_masks(root, photos or groups, groups)
    photos, chosen = _photos_and_masks(root, groups, photos, masks)
    photos = [g for g in photos if not chosen.images.isdisjoint(g.stems)]
    _check_unique_names(photos)
    layout = _layout(photos, chosen.groups), _layout(chosen.groups, photos, chosen.prefix, chosen.ending)
    image_files, mask_files = pairing.find_images_and_masks(root, [layout[0]], [layout[1]])
    stems = sorted(image_files.keys() & mask_files.keys())
    if not stems:
        raise UserError(f"no image of {root} has a mask of its name", found=" and ".join(layout), fix=OOD_HINT)
    pairs = [(stem, image_files[stem][0], mask_files[stem][0]) for stem in stems]
    values = interpret_masks(root / mask for _, _, mask in pairs)
    splits, notes = splits_from_folders(group.folder for group in photos)
    if not splits:
        splits, notes = splits_from_lists([*sorted(root.rglob("*.txt")), *lists], set(stems), prefix)
    return Detected(
        *layout,
        pairs,
        values=values,
        splits=splits,
        notes=[*notes, *filter(None, [values.note])],
    )


def _photos_and_masks(
    root: Path, groups: list[ImageGroup], photos: list[ImageGroup], masks: str | None
) -> tuple[list[ImageGroup], MaskCandidate]:
    """The groups that are photos, and the likeliest of their masks."""
    photos = [g for g in photos if not (masks and g.within(masks))]
    photos = [g for g in photos if not g.ending] or photos
    if not photos:
        fix = "name a folder that has both, or give the folder of the images by --images"
        raise UserError(f"no photos in {root}, only masks in the folders{listed(paths_of(groups))}", fix=fix)
    remaining = [g for g in groups if g not in photos and (g.within(masks) if masks else g.kind != "image" or g.ending)]
    candidates = mask_candidates(photos, remaining, masks)
    if not candidates:
        raise UserError(
            f"no masks of the images in {root} were recognized",
            found=f"the folders{listed(paths_of(groups))}",
            expected="for each image a mask of its name, as .png, .jpg, .bmp, .tif or .webp",
            fix="rename the masks, give their folder by --masks, or write the entry yourself where both have an ending "
            f"(images: imgs/*_img.jpg, masks: masks/*_mask.png); {OOD_HINT}",
        )
    if "color" in {group.kind for group in candidates[0].groups}:
        raise UserError(
            f"the masks in {candidates[0].name} are colored",
            expected="one channel: 0 and 255 for an object, or class ids 0, 1, 2...",
            fix="save each color as an id, with 8 bits",
        )
    return photos, candidates[0]


def _without_masks(root: Path, photos: list[ImageGroup], groups: list[ImageGroup]) -> Detected:
    """All photos, by the folder that holds them all."""
    _check_unique_names(photos)
    top = Path(os.path.commonpath([group.path for group in photos])).parts
    if mixed := paths_of(g for g in groups if g not in photos and g.folder[: len(top)] == top):
        raise UserError(
            f"there are masks among the images of {root}",
            found=", ".join(mixed),
            fix="put the images into a folder of their own, or give their folder by --images",
        )
    layout = "/".join(top) or "."
    pairs = [(stem, paths[0], "") for stem, paths in pairing.find_files(root, [layout]).items()]
    return Detected(layout, "", pairs)


def _check_unique_names(photos: list[ImageGroup]) -> None:
    """Images and masks are paired by name: each name must be unique."""
    folders_of = defaultdict(set)
    for group in photos:
        for stem in group.stems:
            folders_of[stem].add(group.folder)
    duplicates = {stem: sorted(folders) for stem, folders in folders_of.items() if len(folders) > 1}
    if not duplicates:
        return
    paths = sorted({"/".join(folder) or "." for folders in duplicates.values() for folder in folders})
    raise UserError(
        f"{len(duplicates):,} file names occur in several folders of images, such as {next(iter(duplicates))}",
        found=", ".join(paths),
        expected="a unique name for each image of the dataset",
        fix=f"choose the folder of the images, such as --images {paths[0]}, or put the split in front of names",
    )


def _layout(groups: Sequence[ImageGroup], remaining: Sequence[ImageGroup], prefix: str = "", ending: str = "") -> str:
    """A folder that all of `groups` and none of `remaining` are in, or else (or with a prefix or ending) a pattern."""
    foreign = {word for group in remaining for word in group.words}
    common = [word for word in groups[0].folder if all(word in group.folder for group in groups)]
    words = [w for w in groups[0].words if w and w not in foreign and all(w in group.words for group in groups)]
    disjoint = {group.folder for group in groups}.isdisjoint(group.folder for group in remaining)
    folder = ""
    if words:
        names = {word for group in groups for word in group.folder if split_of(word)[1] == words[-1]}
        folder = names.pop() if len(names) == 1 else _starred(names, words[-1])
    elif disjoint and len({group.folder for group in groups}) == 1:
        folder = groups[0].path
    if folder and not prefix and not ending:
        return f"{folder}/*" if "*" in folder else folder
    suffix = groups[0].suffix
    # `find_images_and_masks` distinguishes images *.png from masks *_mask.png in one folder.
    distinct = suffix not in {group.suffix for group in remaining} or any(group.ending for group in remaining)
    if {group.suffix for group in groups} == {suffix} and (prefix or ending or disjoint or distinct):
        return f"{folder or (common[-1] if common else '.')}/{prefix}*{ending}{suffix}"
    raise UserError(
        "images and masks cannot be distinguished by folder or by file name",
        found=", ".join(paths_of((*groups, *remaining))),
        fix="put images and masks into folders of their own, such as images/ and masks/",
    )


def _starred(names: Iterable[str], rest: str) -> str:
    """A pattern of folders: *masks for train_masks and val_masks, whose common part is masks."""
    return f"*{rest}" if all(name.endswith(rest) for name in names) else f"{rest}*"
