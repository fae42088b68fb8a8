"""Detection of the images, masks and splits of an unknown folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline_src.data import image_io, pairing
from pipeline_src.data.entry import SET_NAME
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.data.lookup import IMAGE_SUFFIXES, read_name_list
from pipeline_src.data.masks import MAX_CLASSES
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import content
from pipeline_src.params.parts import ALL

MASK_WORDS = ("gt", "mask", "ground", "label", "annot", "seg")  # in names of mask folders and endings, likeliest first
IMAGE_WORDS = ("im", "photo", "picture", "orig", "input")  # in names of image folders
MASK_ENDING = re.compile(r"[_-](?:mask|gt|label|labels|seg|segmentation|annotation)$", re.IGNORECASE)
SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
MIN_FILES = 0.1  # share of the files that a folder of images or masks has
MIN_SHARE = 0.9  # share of a list's names that must be images of the dataset
VOID_RATIO = 4  # next to class ids, 255 is void if it is at most this many times as frequent

Files = dict[str, list[str]]  # paths by stem, as from `pairing.find_files`


class MaskValues(NamedTuple):
    """The meaning of mask values: the value of an object that is not 255, or the class ids that occur."""

    foreground: int | None = None
    ids: Sequence[int] = ()

    @property
    def classes(self) -> int:
        """Number of classes, 0 for masks of one object."""
        return self.ids[-1] + 1 if self.ids else 0


class Detected(NamedTuple):
    """The facts for a dataset's entry.

    Attributes:
        images, masks: as in `entry.Layout`; no masks for a dataset without objects.
        pairs: number of images with a mask, or of images without an object.
        splits: name -> {"folder": name} or the path of a name list.
        notes: remarks for the user.
    """

    images: str
    masks: str
    pairs: int
    values: MaskValues
    splits: Mapping[str, Any]
    notes: Sequence[str]


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
        UserError: no images, no masks with the names of images, duplicate names, or masks that cannot be used.
    """
    files = [path.relative_to(root) for path in pairing.walk(root) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise UserError(f"there are no images in {root}", expected=", ".join(sorted(IMAGE_SUFFIXES)))
    if ood:
        found = pairing.find_files(root, [images or "."])
        _check_unique_names(found)
        return Detected(images or ".", "", len(found), MaskValues(), {}, [])
    layouts = {layout: pairing.find_files(root, [layout]) for layout in _layouts(files, images, masks)}
    image_layout, mask_layout = _best_layouts(layouts, images, masks, root)
    image_files, mask_files = pairing.find_images_and_masks(root, [image_layout], [mask_layout])
    stems = sorted(image_files.keys() & mask_files.keys())
    for several in (image_files, mask_files):
        _check_unique_names({stem: several[stem] for stem in stems})
    values, note = _interpret_masks([root / mask_files[stem][0] for stem in stems])
    splits, notes = _splits_from_folders(image_files[stem][0] for stem in stems)
    if not splits:
        splits, notes = _splits_from_lists([*sorted(root.rglob("*.txt")), *lists], set(stems), prefix)
    return Detected(image_layout, mask_layout, len(stems), values, splits, [*notes, *filter(None, [note])])


def _layouts(files: Sequence[Path], *given: str | None) -> list[str]:
    """Folders and patterns that may be the layout of images or masks."""
    count = Counter(name for file in files for name in {*file.parent.parts})
    names = [name for name in count if count[name] >= MIN_FILES * len(files)]
    layouts = list(dict.fromkeys([*names, ".", *filter(None, given)]))
    for name in [*layouts]:
        inside = [file for file in files if name == "." or f"/{name.strip('/')}/" in f"/{file.parent.as_posix()}/"]
        for suffix in {file.suffix for file in inside}:
            stems = [file.stem for file in inside if file.suffix == suffix]
            # The text before the last and after the first separator that all stems share: mask_ and _lesion.
            start = re.sub("[^_-]*$", "", os.path.commonprefix(stems))  # noqa: RUF071 (of texts)
            end = re.sub("^[^_-]*", "", os.path.commonprefix([stem[::-1] for stem in stems])[::-1])  # noqa: RUF071
            endings = {match[0] for stem in stems if (match := MASK_ENDING.search(stem))}
            for prefix in {"", start}:
                layouts += [f"{name}/{prefix}*{ending}{suffix}" for ending in {"", end, *endings}]
    for name in names:  # *masks/* for train_masks and val_masks
        split, rest = _split_of(name)
        if split and rest:
            layouts.append(f"*{rest}/*" if name.endswith(rest) else f"{rest}*/*")
    return layouts


def _best_layouts(layouts: Mapping[str, Files], images: str | None, masks: str | None, root: Path) -> tuple[str, str]:
    """The layouts of images and masks with most pairs, then fewest images without a mask, then the usual names."""
    ranked = []
    for mask_layout, mask_files in layouts.items():
        mask_folder = _folder(mask_layout)
        word = next((i for i, word in enumerate(MASK_WORDS) if word in mask_layout.lower()), len(MASK_WORDS))
        mask_paths = {path for several in mask_files.values() for path in several}
        for layout, image_files in layouts.items():
            together = mask_layout.endswith(".png") and mask_folder == _folder(layout)
            named = mask_folder == masks if masks else together or word < len(MASK_WORDS)
            if not named or (images and _folder(layout) != images):
                continue
            stems = {stem for stem, several in image_files.items() if not mask_paths.issuperset(several)}
            pairs = len(stems & mask_files.keys())
            usual = any(name in layout.lower() for name in IMAGE_WORDS), -word
            simplicity = _folder(layout) != ".", mask_folder != ".", "*" not in layout, "*" not in mask_layout
            ranked.append((pairs, pairs - len(stems), usual, simplicity, layout, mask_layout))
    best = max(ranked, default=(0, 0, (), (), "", ""))
    if best[0] == 0:
        raise UserError(
            f"no masks of the images in {root} were recognized",
            found=f"the folders and patterns{listed(layouts)}",
            expected="for each image a mask of its name, in a folder or with an ending that is called "
            f"{', '.join(MASK_WORDS)}",
            fix="give the folders by --images and --masks, or write the entry yourself; "
            "for images without an object (textures), add --ood",
        )
    return best[4], best[5]


def _folder(layout: str) -> str:
    """The folder of a layout without its pattern."""
    return layout.rpartition("/")[0] if "*" in layout else layout


def _check_unique_names(files: Files) -> None:
    """Images and masks are paired by name: each name must be unique."""
    duplicates = [several for several in files.values() if len(several) > 1]
    if duplicates:
        folder = Path(duplicates[0][0]).parent
        raise UserError(
            f"{len(duplicates):,} file names occur in several folders",
            found=", ".join(duplicates[0]),
            expected="a unique name for each image of the dataset",
            fix=f"choose the folders, such as --images {folder}, or put the split in front of names",
        )


def _interpret_masks(masks: Sequence[Path]) -> tuple[MaskValues, str]:
    """The meaning of the values of all masks, and a note; a single mask may hold the only object or the third id.

    Raises:
        UserError: no mask can be used, all are empty, or their values are neither those of an object nor class ids.
    """
    counts, palette, unreadable = np.zeros(256, np.int64), False, ""
    for path in masks:
        try:
            data = content(path)
            counts += np.bincount(image_io.mask_values(data, indices=True).ravel(), minlength=256)
            palette = palette or image_io.palette_indices(data) is not None
        except (OSError, UnreadableImageError) as error:  # `data check` lists all
            unreadable = f"{path}: {error}"
    values = counts.nonzero()[0].tolist()
    ids = [value for value in values if value not in (0, 255)]
    if not values:
        raise UserError("none of the masks can be used", found=unreadable)
    if values == [0]:
        raise UserError(f"all masks are empty, such as {masks[0]}", fix="for images without an object, add --ood")
    if counts[255] > VOID_RATIO * counts[ids].sum():  # other values are stray pixels, not ids
        return MaskValues(255 if palette else None), ""  # without `foreground`, the colors of a palette would count
    if len(ids) == 1 and (255 not in values or ids[0] < MAX_CLASSES):
        note = f"The masks have the values 0, {ids[0]} and 255; 255 counts as background (one object has no void)."
        return MaskValues(ids[0]), note if 255 in values else ""
    if ids[-1] < MAX_CLASSES:
        return MaskValues(ids=[value for value in values if value != 255]), ""
    near_ends = counts[:8].sum() + counts[248:].sum()  # soft edges or JPEG noise
    if len(values) > MAX_CLASSES or (counts[248:].any() and near_ends >= counts.sum() / 2):
        return MaskValues(), ""
    raise UserError(
        f"the masks have {len(values)} values that are neither those of an object nor class ids",
        found=few(values, 12),
        expected=f"0 and 255 for an object, or class ids 0, 1, 2... below {MAX_CLASSES}",
        fix="save them with these values, or write the entry yourself with `foreground:` or `classes:` and `void:`",
    )


def _split_of(folder: str) -> tuple[str | None, str]:
    """Split in a folder's name, and the rest of the name: (train, masks) of train_masks, (None, "GT") of GT."""
    parts = re.split(r"[-_ ]+", folder)
    place = next((i for i, part in enumerate(parts) if part.lower() in SPLITS), None)
    if place is None:
        return None, folder
    return SPLITS[parts[place].lower()], "_".join(parts[:place] + parts[place + 1 :])


def _splits_from_folders(images: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Splits by the parts of the images' folders, and notes; none if all images are of one split."""
    names = dict.fromkeys(name for image in images for name in Path(image).parent.parts)
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
