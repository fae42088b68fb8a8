"""What an unknown folder holds: which of its pictures are images and which masks, of what kind, and in which splits."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_src.data import pairing
from pipeline_src.data.detection import splits as found_splits
from pipeline_src.data.detection.pictures import Meaning, kind, meaning, opened, some
from pipeline_src.data.detection.splits import split_of
from pipeline_src.errors import UserError, listed

HINTS = ("gt", "mask", "ground", "label", "annot", "seg")  # of names of folders of masks, the likeliest first
TAIL = re.compile(r"([_-](?:mask|gt|label|labels|seg|segmentation|annotation))$", re.IGNORECASE)
OOD = "if there is nothing to find in these images (textures), add --ood"


class Group(NamedTuple):
    """Pictures of one folder (its parts below the root), one suffix, and one ending of their stems such as _mask."""

    folder: tuple[str, ...]
    suffix: str
    tail: str

    @property
    def where(self) -> str:
        return "/".join(self.folder) or "."

    def within(self, name: str) -> bool:
        """Whether `name`, one folder or a path of them, is a part of this one's."""
        return f"/{name.strip('/')}/" in f"/{self.where}/"


Groups = dict[Group, list[str]]


@dataclass(frozen=True)
class Cluster:
    """Groups that may be the masks: `head` and `tail` are what their stems have around those of the images."""

    name: str
    groups: list[Group]
    head: str
    tail: str
    shared: int  # number of stems that are images', too

    @property
    def rank(self) -> tuple:
        """The likeliest masks first."""
        hint = next((i for i, hint in enumerate(HINTS) if hint in self.name.lower()), len(HINTS))
        return -self.shared, hint, self.name


@dataclass(frozen=True)
class Detected:
    """What a set's entry needs.

    Attributes:
        images, masks: as in `catalog.Layout`; no masks: it is a set without objects.
        pairs: (stem, image, mask) of each image with a mask (or "", without masks), paths below the root.
        lonely: number of images and masks without the other.
        unreadable: number of files, among those that were read, that cannot be.
        meaning: of the masks' values.
        splits: name -> folder or name list.
        others: other folders of masks that were found.
        remarks: what else the user should know.
    """

    images: str
    masks: str
    pairs: list[tuple[str, str, str]]
    lonely: int = 0
    unreadable: int = 0
    meaning: Meaning = field(default_factory=Meaning)
    splits: dict[str, Any] = field(default_factory=dict)
    others: Sequence[str] = ()
    remarks: Sequence[str] = ()


def detect(
    root: Path,
    lists: Iterable[Path] = (),
    prefix: str = "",
    images: str | None = None,
    masks: str | None = None,
    ood: bool = False,
) -> Detected:
    """Look into the folder `root`.

    Args:
        lists: name lists besides those in `root`.
        prefix: name of the set, which names of lists may begin with.
        images, masks: the folder of the images, of the masks, if it is known.
        ood: there is nothing to find in the images, and no masks are looked for.

    Raises:
        UserError: no pictures, no way to tell images from masks, no pairs, or masks that cannot be used.
    """
    groups = _groups(root)
    if not groups:
        raise UserError(f"there are no pictures in {root}", expected=", ".join(sorted(pairing.IMAGE_SUFFIXES)))
    kinds = {group: kind([root / path for path in paths]) for group, paths in groups.items()}
    for option, name in (("--images", images), ("--masks", masks)):
        if name is not None and not any(group.within(name) for group in groups):
            folders = sorted({group.where for group in groups})
            raise UserError(f"{option}: no pictures in a folder {name!r}", found=", ".join(folders))
    photos = [g for g in groups if (g.within(images) if images is not None else kinds[g] == "image")]
    if ood:
        return _without_masks(root, photos or list(groups), groups)
    photos = [g for g in photos if not (masks and g.within(masks))]
    photos = [g for g in photos if not g.tail] or photos
    if not photos:
        where = listed(sorted({group.where for group in groups}))
        do = "name a folder that has both, or say --images and the folder of the images"
        raise UserError(f"no photographs in {root}, only masks in the folders{where}", do=do)
    rest = [g for g in groups if g not in photos and (g.within(masks) if masks else kinds[g] != "image" or g.tail)]
    clusters = sorted(_clusters(photos, rest, groups, masks), key=lambda cluster: cluster.rank)
    if not clusters or not clusters[0].shared:
        raise UserError(
            f"no masks of the images in {root} were recognised",
            found=f"the folders{listed(_contents(root))}",
            expected="each mask in the name of its image, as .png, .jpg, .bmp, .tif or .webp",
            do=f"name the masks so, or say --masks and their folder; {OOD}",
        )
    chosen = clusters[0]
    if "colour" in {kinds[group] for group in chosen.groups}:
        raise UserError(
            f"the masks in {chosen.name} are coloured",
            expected="one channel: 0 and 255 for an object, or class ids 0, 1, 2...",
            do="save each colour as an id, with 8 bits",
        )
    masked = {_bare(path, chosen.head, chosen.tail) for group in chosen.groups for path in groups[group]}
    photos = [g for g in photos if masked & set(_stems(g, groups))]
    _refuse_same_names(photos, groups)
    layout = _layout(photos, chosen.groups), _layout(chosen.groups, photos, chosen.head, chosen.tail)
    found = pairing.both(root, [layout[0]], [layout[1]])
    both = sorted(found[0].keys() & found[1].keys())
    pairs = [(stem, found[0][stem][0], found[1][stem][0]) for stem in both]
    if not pairs:
        raise UserError(f"no image of {root} has a mask of its name", found=f"{layout[0]} and {layout[1]}", do=OOD)
    values = meaning(root / mask for _, _, mask in pairs)
    if values.empty:
        raise UserError(f"all masks in {chosen.name} are empty", found="no value but 0", do=OOD)
    splits, remarks = found_splits.from_folders(group.folder for group in photos)
    if not splits:
        splits, remarks = found_splits.from_lists([*sorted(root.rglob("*.txt")), *lists], set(both), prefix)
    return Detected(
        *layout,
        pairs,
        lonely=len(found[0].keys() ^ found[1].keys()),
        unreadable=values.unreadable + _unreadable(root, pairs),
        meaning=values,
        splits=splits,
        others=[cluster.name for cluster in clusters[1:] if cluster.shared],
        remarks=[*remarks, *filter(None, [values.remark])],
    )


def _groups(root: Path) -> Groups:
    found = defaultdict(list)
    for path in sorted(pairing.walk(root)):
        if path.suffix.lower() in pairing.IMAGE_SUFFIXES:
            tail = TAIL.search(path.stem)
            below = path.relative_to(root)
            found[Group(below.parts[:-1], path.suffix, tail[1] if tail else "")].append(below.as_posix())
    return dict(found)


def _contents(root: Path) -> list[str]:
    """Each folder with some of its files, whatever they are."""
    names = defaultdict(list)
    for path in sorted(pairing.walk(root)):
        names[path.parent.relative_to(root).as_posix()].append(path.name)
    return [f"{folder}: {', '.join(files[:3])}{', ...' if len(files) > 3 else ''}" for folder, files in names.items()]


def _bare(path: str, head: str, tail: str) -> str:
    return Path(path).stem.removeprefix(head).removesuffix(tail)


def _stems(group: Group, groups: Groups) -> list[str]:
    return [Path(path).stem for path in groups[group]]


def _without_masks(root: Path, photos: list[Group], groups: Groups) -> Detected:
    """All photographs, by the folder that holds them all."""
    _refuse_same_names(photos, groups)
    top = Path(os.path.commonpath([group.where for group in photos])).parts
    mixed = sorted({g.where for g in groups if g not in photos and g.folder[: len(top)] == top})
    if mixed:
        raise UserError(
            f"there are masks among the images of {root}",
            found=", ".join(mixed),
            do="put the images into a folder of their own, or say --images and their folder",
        )
    layout = "/".join(top) or "."
    pairs = [(stem, paths[0], "") for stem, paths in pairing.files(root, [layout]).items()]
    return Detected(layout, "", pairs, unreadable=_unreadable(root, pairs))


def _unreadable(root: Path, pairs: Sequence[tuple[str, str, str]]) -> int:
    return sum(opened(root / image) is None for _, image, _ in some(pairs))


def _plain(group: Group) -> list[str]:
    """The parts of a group's folder without the names of splits."""
    return [split_of(word)[1] for word in group.folder]


def _clusters(photos: list[Group], rest: list[Group], groups: Groups, masks: str | None) -> list[Cluster]:
    words = {word for group in photos for word in _plain(group)}
    named = defaultdict(list)
    for group in rest:
        own = [word for word in _plain(group) if word and word not in words]
        named[masks or "/".join(own) or f"*{group.tail}{group.suffix}"].append(group)
    stems = {stem for group in photos for stem in _stems(group, groups)}
    clusters = []
    for name, members in named.items():
        paths = [path for group in members for path in groups[group]]
        head, tail = _around([Path(path).stem for path in paths], stems)
        clusters.append(Cluster(name, members, head, tail, len(stems & {_bare(path, head, tail) for path in paths})))
    return clusters


def _around(masks: Sequence[str], stems: set[str]) -> tuple[str, str]:
    """What the names of most masks have before and after that of an image: ("mask_", "") of mask_p1, if p1 is one."""
    best = 0, "", ""
    for mask in some(masks):
        for start in range(len(mask)):
            stop = next((stop for stop in range(len(mask), start, -1) if mask[start:stop] in stems), None)
            if stop is not None:
                head, tail = mask[:start], mask[stop:]
                fits = sum(m.startswith(head) and m.endswith(tail) and _bare(m, head, tail) in stems for m in masks)
                best = max(best, (fits, head, tail), key=lambda each: (each[0], -len(each[1] + each[2])))
                break
        if best[0] > len(masks) / 2:
            break
    return best[1:]


def _refuse_same_names(photos: list[Group], groups: Groups) -> None:
    """Names are what pairs images with masks, so each may stand once."""
    places = defaultdict(set)
    for group in photos:
        for stem in _stems(group, groups):
            places[stem].add(group.folder)
    twice = {stem: sorted(folders) for stem, folders in places.items() if len(folders) > 1}
    if not twice:
        return
    folders = sorted({"/".join(folder) or "." for several in twice.values() for folder in several})
    one, two, *_ = next(iter(twice.values()))
    if all(split_of(word)[0] for word in {*one} ^ {*two}):
        raise UserError(
            f"{len(twice):,} names stand in several splits, {next(iter(twice))} for one",
            found=", ".join(folders),
            expected="each image in a name of its own, by which it is known everywhere",
            do="put the split's name in front of the names of images and masks",
        )
    raise UserError(
        f"{len(twice):,} names stand in several folders of images, {next(iter(twice))} for one",
        found=", ".join(folders),
        do=f"say which holds the images, such as --images {folders[0]}, or give each image a name of its own",
    )


def _layout(groups: Sequence[Group], others: Sequence[Group], head: str = "", tail: str = "") -> str:
    """A folder that all of `groups` and none of `others` are in, or else (or for a `head` or `tail`) a pattern."""
    theirs = {word for group in others for word in _plain(group)}
    common = [word for word in groups[0].folder if all(word in group.folder for group in groups)]
    own = [word for word in _plain(groups[0]) if word and word not in theirs and all(word in _plain(g) for g in groups)]
    apart = {group.folder for group in groups}.isdisjoint(group.folder for group in others)
    folder = ""
    if own:
        names = {word for group in groups for word in group.folder if split_of(word)[1] == own[-1]}
        folder = names.pop() if len(names) == 1 else _starred(names, own[-1])
    elif apart and len({group.folder for group in groups}) == 1:
        folder = groups[0].where
    if folder and not head and not tail:
        return f"{folder}/*" if "*" in folder else folder
    # Of images *.png and masks *_mask.png in one folder, `pairing.both` knows which are which.
    suffix = groups[0].suffix
    other = suffix not in {group.suffix for group in others} or any(group.tail for group in others)
    if {group.suffix for group in groups} == {suffix} and (head or tail or apart or other):
        return f"{folder or (common[-1] if common else '.')}/{head}*{tail}{suffix}"
    raise UserError(
        "images and masks cannot be told apart by folder or by ending",
        found=", ".join(sorted({group.where for group in (*groups, *others)})),
        do="put images and masks into folders of their own, such as images/ and masks/",
    )


def _starred(names: Iterable[str], rest: str) -> str:
    """A pattern of folders such as *_masks, for train_masks and val_masks, whose common rest is masks."""
    last = all(name.endswith(rest) for name in names)
    return f"*{rest}" if last else f"{rest}*"
