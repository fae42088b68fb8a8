"""Images and masks of a folder, paired by file name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.errors import UserError, listed
from pipeline_src.files import composed


def pair_files(entry: Entry, layout: Layout, root: Path) -> tuple[list[Row], list[Problem]]:
    """One row for each stem with exactly one image and one mask, and a problem for each other file.

    Raises:
        UserError: as `find_files` and `find_images_and_masks`.
    """
    mask_files: dict[str, list[str]] = {}
    if entry.ood:
        image_files = find_files(root, layout.images)
    else:
        image_files, mask_files = find_images_and_masks(root, layout.images, layout.masks)
    rows: list[Row] = []
    problems: list[Problem] = []
    for stem in sorted({*image_files, *mask_files}):
        images, masks = image_files.get(stem, []), mask_files.get(stem, [])
        for paths in (images, masks):
            if len(paths) > 1:
                problems += [Problem(path, "same stem as another file", "rename or remove one") for path in paths]
        if not images:
            fix = "add the image or remove the mask"
            problems += [Problem(path, "mask without an image", fix) for path in masks]
        if not masks and not entry.ood and not entry.skip_unmasked:
            fix = "add the mask or remove the image"
            problems += [Problem(path, "image without a mask", fix) for path in images]
        if len(images) == 1 and len(masks) == (not entry.ood):
            rows.append(Row(id=f"{entry.name}/{stem}", stem=stem, image=images[0], mask="".join(masks)))
    return rows, problems


def find_files(root: Path, layout: Iterable[str]) -> dict[str, list[str]]:
    """Image files by stem (`files.composed`), as paths relative to `root` with forward slashes, both sorted.

    Args:
        root: folder of the source.
        layout: alternatives; the first that exists is used (`entry.Layout`).

    Raises:
        UserError: no alternative exists.
    """
    layout = list(layout)
    folders: list[PurePosixPath] = []
    for alternative in layout:
        folder, pattern = _split_pattern(alternative)
        tops = [root / folder] if (root / folder).is_dir() else []
        if not tops:
            folders = folders or _folders(root)
            tops = [root / path for path in folders if _ends_with(path, folder)]
        if tops:
            stems: dict[str, list[str]] = {}
            for path in sorted({path for top in tops for path in walk(top)}):
                stem = _stem(path.name, pattern)
                if stem:
                    stems.setdefault(composed(stem), []).append(path.relative_to(root).as_posix())
            return dict(sorted(stems.items()))
    raise UserError(
        f"no folder {' or '.join(layout)} in {root}",
        found="the folders" + listed(map(str, folders)) if folders else "no folders",
        fix="correct `images:` or `masks:` under `datasets:` of params.yaml, also for a built-in dataset:  "
        "SOD: {folder: SOD, images: Imgs/*.jpg, masks: Imgs/*.png}",
    )


def find_images_and_masks(
    root: Path, images: Iterable[str], masks: Iterable[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Images and masks as from `find_files`. A file that matches both patterns (`*.png`, `*_mask.png`) is a mask.

    Raises:
        UserError: as `find_files`, or images and masks are the same files.
    """
    image_files, mask_files = find_files(root, images), find_files(root, masks)
    mask_paths = {path for group in mask_files.values() for path in group}
    only_images = {stem: [path for path in group if path not in mask_paths] for stem, group in image_files.items()}
    only_images = {stem: group for stem, group in only_images.items() if group}
    if mask_paths and image_files and not only_images:
        raise UserError(
            "the same files are images and masks",
            found=listed(sorted(mask_paths), 3),
            fix="distinguish them by pattern, such as  images: Imgs/*.jpg  masks: Imgs/*.png",
        )
    return only_images, mask_files


def walk(top: Path) -> Iterator[Path]:
    """Files below `top`, without hidden files and those that macOS adds to zip archives.

    Raises:
        UserError: a folder cannot be read.
    """
    for folder, subfolders, names in os.walk(top, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        yield from (Path(folder, name) for name in names if not _hidden(name))


def _folders(root: Path) -> list[PurePosixPath]:
    paths = []
    for folder, subfolders, _ in os.walk(root, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        paths += [PurePosixPath(Path(folder, name).relative_to(root).as_posix()) for name in subfolders]
    return paths


def _refuse(error: OSError) -> None:
    raise UserError(f"folder {error.filename} cannot be read", found=error.strerror, fix="change its permissions")


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _ends_with(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Whether `path` ends with the parts of `folder`, in which a * stands for any text."""
    pattern = "/".join(re.escape(composed(part)).replace(r"\*", "[^/]*") for part in folder.parts)
    return re.search(f"(^|/){pattern}$", composed(str(path))) is not None


def _split_pattern(alternative: str) -> tuple[PurePosixPath, tuple[str, str] | None]:
    """'Imgs/*_mask.png' -> (Imgs, ('', '_mask.png')); a folder has no pattern."""
    path = PurePosixPath(alternative)
    if "*" not in path.name:
        return path, None
    start, _, end = path.name.partition("*")
    return path.parent, (start, end)


def _stem(name: str, pattern: tuple[str, str] | None) -> str | None:
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in IMAGE_SUFFIXES:
        return None
    if pattern is None:
        return stem
    start, end = pattern
    if not (name.startswith(start) and name.endswith(end)) or len(name) <= len(start) + len(end):
        return None
    # 'folder/*' and 'folder/a*' leave the suffix to the star.
    return name[len(start) : len(name) - len(end)] if end else stem[len(start) :]
