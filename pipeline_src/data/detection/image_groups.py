"""Groups the images of an unknown folder, and finds the groups that are masks of others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline_src.data.detection.mask_recognition import evenly_spaced
from pipeline_src.data.detection.split_recognition import split_of
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.pairing import walk
from pipeline_src.errors import UserError, listed

MASK_WORDS = ("gt", "mask", "ground", "label", "annot", "seg")  # in names of mask folders, the likeliest first
MASK_ENDING = re.compile(r"([_-](?:mask|gt|label|labels|seg|segmentation|annotation))$", re.IGNORECASE)
OOD_HINT = "for images without an object (textures), add --ood"


class ImageGroup(NamedTuple):
    """Images of one folder (its parts below the root), with one suffix, and one ending of their stems such as _mask."""

    folder: tuple[str, ...]
    suffix: str
    ending: str

    @property
    def path(self) -> str:
        return "/".join(self.folder) or "."

    def within(self, name: str) -> bool:
        """Whether the folder `name`, or a path of several, is part of this group's path."""
        return f"/{name.strip('/')}/" in f"/{self.path}/"


Groups = dict[ImageGroup, list[str]]  # with the paths of the images


@dataclass(frozen=True)
class MaskCandidate:
    """Groups that may be the masks, whose stems are those of the images between `prefix` and `ending`."""

    name: str
    groups: list[ImageGroup]
    prefix: str
    ending: str
    shared: int  # number of images with a mask

    @property
    def rank(self) -> tuple:
        """Sorts the likeliest masks first."""
        word = next((i for i, word in enumerate(MASK_WORDS) if word in self.name.lower()), len(MASK_WORDS))
        return -self.shared, word, self.name


def group_images(root: Path) -> Groups:
    groups = defaultdict(list)
    for path in sorted(walk(root)):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            ending = MASK_ENDING.search(path.stem)
            relative = path.relative_to(root)
            groups[ImageGroup(relative.parts[:-1], path.suffix, ending[1] if ending else "")].append(
                relative.as_posix()
            )
    return dict(groups)


def paths_of(groups: Iterable[ImageGroup]) -> list[str]:
    return sorted({group.path for group in groups})


def stems_of(group: ImageGroup, groups: Groups) -> list[str]:
    return [Path(path).stem for path in groups[group]]


def image_stem(mask: str, prefix: str, ending: str) -> str:
    """The stem of the image that the mask of a stem belongs to."""
    return mask.removeprefix(prefix).removesuffix(ending)


def words_of(group: ImageGroup) -> list[str]:
    """The parts of a group's folder without the names of splits."""
    return [split_of(name)[1] for name in group.folder]


def mask_candidates(
    root: Path, photos: list[ImageGroup], others: list[ImageGroup], groups: Groups, masks: str | None
) -> list[MaskCandidate]:
    """The likeliest first; the first has masks of some photos."""
    photo_words = {word for group in photos for word in words_of(group)}
    named = defaultdict(list)
    for group in others:
        own = [word for word in words_of(group) if word and word not in photo_words]
        named[masks or "/".join(own) or f"*{group.ending}{group.suffix}"].append(group)
    stems = {stem for group in photos for stem in stems_of(group, groups)}
    candidates = []
    for name, members in named.items():
        mask_stems = [stem for group in members for stem in stems_of(group, groups)]
        prefix, ending = _affixes(mask_stems, stems)
        shared = stems & {image_stem(stem, prefix, ending) for stem in mask_stems}
        candidates.append(MaskCandidate(name, members, prefix, ending, len(shared)))
    candidates.sort(key=lambda candidate: candidate.rank)
    if not candidates or not candidates[0].shared:
        raise UserError(
            f"no masks of the images in {root} were recognised",
            found=f"the folders{listed(_contents(root))}",
            expected="for each image a mask of its name, as .png, .jpg, .bmp, .tif or .webp",
            do=f"rename the masks, or give their folder by --masks; {OOD_HINT}",
        )
    return candidates


def _affixes(masks: Sequence[str], stems: set[str]) -> tuple[str, str]:
    """The text around the image's stem in most masks' stems: ("mask_", "") of mask_p1, if p1 is an image."""
    best = 0, "", ""
    for mask in evenly_spaced(masks):
        for start in range(len(mask)):
            stop = next((stop for stop in range(len(mask), start, -1) if mask[start:stop] in stems), None)
            if stop is not None:
                prefix, ending = mask[:start], mask[stop:]
                fits = sum(
                    m.startswith(prefix) and m.endswith(ending) and image_stem(m, prefix, ending) in stems
                    for m in masks
                )
                best = max(best, (fits, prefix, ending), key=lambda each: (each[0], -len(each[1] + each[2])))
                break
        if best[0] > len(masks) / 2:
            break
    return best[1:]


def _contents(root: Path) -> list[str]:
    """Each folder with its first files, images or not."""
    names = defaultdict(list)
    for path in sorted(walk(root)):
        names[path.parent.relative_to(root).as_posix()].append(path.name)
    return [f"{folder}: {', '.join(files[:3])}{', ...' if len(files) > 3 else ''}" for folder, files in names.items()]
