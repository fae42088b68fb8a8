"""The files of a set: which of them are pairs, and what is wrong with each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline_src.data import images, pairing
from pipeline_src.data.catalog import Entry, Layout
from pipeline_src.data.manifest import Row
from pipeline_src.errors import UserError

ReadMask = Callable[[Row, bytes, Layout], tuple[int, ...]]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file (or name list, or source), and what to do about it."""

    file: str
    problem: str
    do: str


def pair(entry: Entry, layout: Layout, root: Path) -> tuple[list[Row], list[Problem]]:
    """One row for each stem with exactly one image and one mask, and a problem for each file that is not in one."""
    try:
        if entry.ood:
            image_files, mask_files = pairing.files(root, layout.images), {}
        else:
            image_files, mask_files = pairing.both(root, layout.images, layout.masks)
    except UserError as error:
        raise UserError(f"data set {entry.name}: {error}") from None
    rows, problems = [], []
    for stem in sorted({*image_files, *mask_files}):
        groups = {"image": image_files.get(stem, []), "mask": mask_files.get(stem, [])}
        for kind, group in groups.items():
            if len(group) > 1:
                problems += [
                    Problem(path, f"{kind} of the same stem as another", "rename or remove one") for path in group
                ]
        if not groups["image"]:
            problems += [
                Problem(path, "mask without an image", "add the image or remove the mask") for path in groups["mask"]
            ]
        if not groups["mask"] and not entry.ood:
            problems += [
                Problem(path, "image without a mask", "add the mask or remove the image") for path in groups["image"]
            ]
        if len(groups["image"]) == 1 and len(groups["mask"]) == (not entry.ood):
            rows.append(Row(f"{entry.name}/{stem}", stem, groups["image"][0], "".join(groups["mask"])))
    return rows, problems


def verify(row: Row, root: Path, layout: Layout, read_mask: ReadMask, problems: list[Problem]) -> bool:
    """Fill in what the files tell; whether the sample is usable."""
    before = len(problems)

    def read(name: str, decode: Callable[[bytes], tuple[int, ...]]) -> tuple[str, tuple[int, ...] | None]:
        try:
            data = (root / name).read_bytes()
            return hashlib.sha256(data).hexdigest(), decode(data)
        except images.Unreadable as error:
            problems.append(Problem(name, error.problem, error.do))
        except OSError as error:
            problems.append(Problem(name, f"cannot be read: {error.strerror}", "look at its permissions"))
        return "", None

    row.sha256_image, image = read(row.image, lambda data: images.decode_image(data).shape[:2])
    if image is not None:
        row.height, row.width = image
    if row.mask:
        row.sha256_mask, mask = read(row.mask, lambda data: read_mask(row, data, layout))
        if image is not None and mask is not None and mask != image:
            sizes = f"mask is {mask[1]} x {mask[0]}, its image {row.width} x {row.height}"
            do = (
                "save the image turned upright (an EXIF orientation is not applied)"
                if mask == image[::-1]
                else "give both the same size"
            )
            problems.append(Problem(row.mask, f"{sizes} pixels", do))
    return len(problems) == before
