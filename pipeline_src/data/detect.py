"""What an unknown folder holds: which of its pictures are images and which masks, of what kind, and in which splits."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline_src.data import pairing
from pipeline_src.errors import UserError, listed

HINTS = ("gt", "mask", "ground", "label", "annot", "seg")  # of names of folders of masks, the likeliest first
TAIL = re.compile(r"([_-](?:mask|gt|label|labels|seg|segmentation|annotation))$", re.IGNORECASE)
SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
LOOK = 24  # pictures of a folder that are looked at
MOST_CLASSES = 64
MOST_COLOURS = 64  # a mask of colours has fewer, a photograph has more
IN_LIST = 0.9  # share of a list's names that must be images of the set


class Group(NamedTuple):
    """Pictures of one folder (its parts below the root), one suffix, and one ending of their stems such as _mask."""

    folder: tuple[str, ...]
    suffix: str
    tail: str


@dataclass(frozen=True)
class Detected:
    """What a set's entry needs.

    Attributes:
        images, masks: as in `catalog.Layout`; no masks: none were found.
        pairs: (stem, image, mask) of each image with a mask (or "", without masks), paths below the root.
        lonely: images and masks without the other.
        foreground: value of the object's pixels, if it is not 255.
        classes: number of class ids, 0 for masks of an object.
        splits: name -> folder or name list.
        others: other folders of masks that were found.
    """

    images: str
    masks: str
    pairs: list[tuple[str, str, str]]
    lonely: int
    foreground: int | None = None
    classes: int = 0
    splits: dict[str, Any] = field(default_factory=dict)
    others: Sequence[str] = ()


def detect(root: Path, lists: Iterable[Path] = (), prefix: str = "", masks: str | None = None) -> Detected:
    """Look into the folder `root`.

    Args:
        lists: name lists besides those in `root`.
        prefix: name of the set, which names of lists may begin with.
        masks: the folder of the masks, if it is known.

    Raises:
        UserError: no pictures, no way to tell images from masks, masks in colours.
    """
    groups = _groups(root)
    if not groups:
        raise UserError(f"there are no pictures in {root}", expected=", ".join(sorted(pairing.IMAGE_SUFFIXES)))
    kinds = {group: _kind([root / path for path in paths]) for group, paths in groups.items()}
    pictures = [group for group in groups if kinds[group] == "image" and not group.tail]
    if masks is not None:
        pictures = [group for group in pictures if masks not in group.folder]
    if not pictures:
        where = listed({"/".join(group.folder) or "." for group in groups})
        raise UserError(f"no photographs in {root}, only masks in the folders{where}", do="name a folder that has both")
    words = {word for group in pictures for word in group.folder}
    clusters = defaultdict(list)
    for group in groups:
        if group not in pictures:
            own = tuple(word for word in group.folder if word not in words and word.lower() not in SPLITS)
            clusters["/".join(own) or f"*{group.tail}{group.suffix}"].append(group)
    if masks is not None and masks not in clusters:
        raise UserError(f"no masks in a folder {masks!r}", found=", ".join(clusters) or "no masks at all")
    stems = {stem for group in pictures for stem in map(_stem(group), groups[group])}

    def rank(name: str) -> tuple:
        shared = len(stems & {stem for group in clusters[name] for stem in map(_stem(group), groups[group])})
        hint = next((i for i, hint in enumerate(HINTS) if hint in name.lower()), len(HINTS))
        return -shared, hint, name

    names = [masks] if masks is not None else sorted(clusters, key=rank)
    names = [name for name in names if rank(name)[0] < 0]
    chosen = clusters[names[0]] if names else []
    if "colour" in {kinds[group] for group in chosen}:
        raise UserError(
            f"the masks in {names[0]} are coloured",
            expected="one channel: 0 and 255 for an object, or class ids 0, 1, 2...",
            do="save each colour as an id, with 8 bits",
        )
    layout = [_layout(pictures, chosen), _layout(chosen, pictures)] if chosen else [_layout(pictures, []), ""]
    found = [pairing.files(root, [each]) if each else {} for each in layout]
    both = found[0].keys() & found[1].keys() if chosen else found[0].keys()
    pairs = [(stem, found[0][stem][0], found[1][stem][0] if chosen else "") for stem in sorted(both)]
    values = _values([root / mask for _, _, mask in _some(pairs)]) if chosen else set()
    if values == {0}:  # masks without any object, as some give to textures, are none
        layout[1], pairs = "", [(stem, image, "") for stem, image, _ in pairs]
    splits = {
        SPLITS[word.lower()]: {"folder": word}
        for group in pictures
        for word in group.folder
        if word.lower() in SPLITS and len(pictures) > 1
    }
    splits = splits or _from_lists([*sorted(root.rglob("*.txt")), *lists], set(both), prefix)
    return Detected(
        *layout, pairs, len(found[0].keys() ^ both) + len(found[1].keys() - both), *_meaning(values), splits, names[1:]
    )


def _groups(root: Path) -> dict[Group, list[str]]:
    found = defaultdict(list)
    for path in sorted(pairing._walk(root)):
        if path.suffix.lower() in pairing.IMAGE_SUFFIXES:
            tail = TAIL.search(path.stem)
            below = path.relative_to(root)
            found[Group(below.parts[:-1], path.suffix, tail[1] if tail else "")].append(below.as_posix())
    return dict(found)


def _stem(group: Group):
    return lambda path: Path(path).stem.removesuffix(group.tail)


def _some(items: Sequence) -> list:
    """At most `LOOK` of them, evenly spread."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, LOOK).astype(int))] if items else []


def _kind(paths: Sequence[Path]) -> str:
    """image, mask, or colour for masks whose classes are colours."""
    votes = [kind for path in _some(paths) if (kind := _kind_of(path))]
    return max(("image", "mask", "colour"), key=votes.count) if votes else "image"


def _kind_of(path: Path) -> str | None:
    picture = _open(path)
    if picture is None:
        return None
    values = np.array(picture if picture.mode in ("L", "P", "1") else picture.convert("RGB"))
    if values.ndim == 3:
        if np.ptp(values.astype(np.int16), axis=2).max() > 16:
            few = len(np.unique(values.reshape(-1, 3), axis=0)) <= MOST_COLOURS
            return "colour" if few and path.suffix.lower() == ".png" else "image"
        values = values[..., 1]
    counts = np.bincount(values.astype(np.uint8).ravel(), minlength=256)
    extreme = counts[:8].sum() + counts[248:].sum() >= 0.9 * counts.sum()  # soft edges and JPEG's noise are allowed
    ids = counts[MOST_CLASSES:255].sum() == 0
    return "mask" if ids or extreme else "image"


def _open(path: Path) -> Image.Image | None:
    try:
        picture = Image.open(path)
        picture.load()
        return picture
    except (OSError, SyntaxError, ValueError):
        return None


def _layout(groups: Sequence[Group], others: Sequence[Group]) -> str:
    """A folder that all of `groups` and none of `others` are in, or else a pattern."""
    theirs = {word for group in others for word in group.folder}
    common = [word for word in groups[0].folder if all(word in group.folder for group in groups)]
    own = [word for word in common if word not in theirs and word.lower() not in SPLITS]
    if own:
        return own[-1]
    alone = len({group.folder for group in groups}) == 1 and groups[0].folder not in {each.folder for each in others}
    if not others or alone:
        return "/".join(groups[0].folder) or "."
    kinds = {(group.suffix, group.tail) for group in groups}
    if len(kinds) == 1 and kinds.isdisjoint((group.suffix, group.tail) for group in others):
        ((suffix, tail),) = kinds
        return f"{common[-1] if common else '.'}/*{tail}{suffix}"
    raise UserError(
        "images and masks cannot be told apart by folder or by ending",
        found=", ".join(sorted({"/".join(group.folder) or "." for group in (*groups, *others)})),
        do="put images and masks into folders of their own, such as images/ and masks/",
    )


def _values(paths: Sequence[Path]) -> set[int]:
    found: set[int] = set()
    for path in paths:
        picture = _open(path)
        if picture is not None:
            found |= set(np.unique(np.array(picture if picture.mode in ("L", "P") else picture.convert("L"))).tolist())
    return found


def _meaning(values: set[int]) -> tuple[int | None, int]:
    """The object's value if not 255, and the number of class ids, from the values that masks hold."""
    ids = values - {255}
    if not ids or max(ids) >= MOST_CLASSES or ids == {0}:
        return None, 0
    if len(ids) == 2 and 0 in ids and 255 not in values:
        return max(ids), 0
    return None, max(ids) + 1


def _from_lists(files: Iterable[Path], stems: set[str], prefix: str) -> dict[str, str]:
    found = {}
    for file in files:
        try:
            names = pairing.names(file)
        except (UserError, OSError):
            continue
        last = re.split("[-_]", file.stem)[-1].lower()
        name = SPLITS.get(last) or re.sub(rf"^{re.escape(prefix)}[-_]?", "", file.stem) or file.stem
        fits = names and len(stems.intersection(names)) >= IN_LIST * len(names)
        if fits and name != "all" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            found[name] = os.fspath(file)
    return found
