"""Groups the images of an unknown folder, and finds the groups that are masks of others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline_src.data.detection.mask_recognition import evenly_spaced, image_kind
from pipeline_src.data.detection.split_recognition import split_of
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.pairing import walk
from pipeline_src.files import composed

MASK_WORDS = ("gt", "mask", "ground", "label", "annot", "seg")  # in names of mask folders, the likeliest first
MASK_ENDING = re.compile(r"([_-](?:mask|gt|label|labels|seg|segmentation|annotation))$", re.IGNORECASE)


@dataclass(eq=False)
class ImageGroup:
    """Images of one folder (its parts below the root), with one suffix, and one ending of their stems such as _mask."""

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
        """image, mask or colour."""
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
    """Groups that may be the masks of the images: their stems are those of images between `prefix` and `ending`."""

    name: str
    groups: list[ImageGroup]
    prefix: str
    ending: str
    images: set[str]  # stems of the images that have a mask

    @property
    def rank(self) -> tuple:
        """Sorts the likeliest masks first."""
        word = next((i for i, word in enumerate(MASK_WORDS) if word in self.name.lower()), len(MASK_WORDS))
        return -len(self.images), word, self.name


def group_images(root: Path) -> list[ImageGroup]:
    """All images below `root`."""
    groups: dict[tuple, ImageGroup] = {}
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
    photos: Sequence[ImageGroup], others: Sequence[ImageGroup], masks: str | None
) -> list[MaskCandidate]:
    """The `others` that are masks of some photos, by the name of their folder (or `masks`), the likeliest first."""
    photo_words = {word for group in photos for word in group.words}
    named = defaultdict(list)
    for group in others:
        own = [word for word in group.words if word and word not in photo_words]
        named[masks or "/".join(own) or f"*{group.ending}{group.suffix}"].append(group)
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
                best = max(best, (fits, prefix, ending), key=lambda each: (each[0], -len(each[1] + each[2])))
                break
        if best[0] > len(masks) / 2:
            break
    return best[1:]
