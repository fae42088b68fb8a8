"""Files of a dataset: found in the user's folders, paired by name, and name lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.errors import UserError, listed
from pipeline_src.files import composed, read_bytes, reading

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
LISTS = Path(__file__).parent / "lists"


def find_path(name: str, data_root: Path | str | None, subfolder: str) -> Path | None:
    """Return a file or folder in `data_root`, in its `subfolder`, or in the working folder; None if it is missing."""
    path = Path(name).expanduser()
    roots = (
        [Path(data_root).expanduser(), Path(data_root).expanduser() / subfolder]
        if data_root
        else []
    )
    return next((root / path for root in (*roots, Path()) if (root / path).exists()), None)


def find_name_list(name: str, data_root: Path | str | None, root: Path | None) -> Path | None:
    """Return a name list in `root` (the dataset), `data_root`, its splits/, the working folder or LISTS; else None."""
    if root is not None and (root / name).is_file():
        return root / name
    return find_path(name, data_root, "splits") or (
        LISTS / name if (LISTS / name).is_file() else None
    )


def read_name_list(path: Path) -> list[str]:
    """Return the stems of a name list: one a line, with or without folder and suffix. Empty and # lines are skipped."""
    with reading(
        f"name list {path} cannot be read",
        expected="a text file in UTF-8, one name a line",
        fix="correct the file, or the split that names it",
    ):
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    stems = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            name = PurePosixPath(line.replace("\\", "/"))
            stems.append(
                composed(name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name)
            )
    return stems


def pair_files(entry: Entry, layout: Layout, root: Path) -> tuple[list[Row], list[Problem]]:
    """Return one row for each stem with exactly one image and one mask, and a problem for each
    other file.

    A file that matches the patterns of images and masks (`*.png`, `*_mask.png`) is a mask.

    Raises:
        UserError: as `find_files`, or images and masks are the same files.
    """
    image_files = find_files(root, layout.images)
    mask_files = {} if entry.ood else find_files(root, layout.masks)
    mask_paths = {path for paths in mask_files.values() for path in paths}
    images_only = {
        stem: [path for path in paths if path not in mask_paths]
        for stem, paths in image_files.items()
    }
    if mask_paths and image_files and not any(images_only.values()):
        raise UserError(
            "the same files are images and masks",
            found=listed(sorted(mask_paths), 3),
            fix="distinguish them by pattern, such as  images: Imgs/*.jpg  masks: Imgs/*.png",
        )
    rows: list[Row] = []
    problems: list[Problem] = []
    for stem in sorted({*images_only, *mask_files}):
        images, masks = images_only.get(stem, []), mask_files.get(stem, [])
        for paths in (images, masks):
            if len(paths) > 1:
                problems += [
                    Problem(path, "same stem as another file", "rename or remove one")
                    for path in paths
                ]
        if not images:
            problems += [
                Problem(path, "mask without an image", "add the image or remove the mask")
                for path in masks
            ]
        if not masks and not entry.ood and not entry.skip_unmasked:
            problems += [
                Problem(path, "image without a mask", "add the mask or remove the image")
                for path in images
            ]
        if len(images) == 1 and len(masks) == (not entry.ood):
            rows.append(
                Row(id=f"{entry.name}/{stem}", stem=stem, image=images[0], mask="".join(masks))
            )
    return rows, problems


def find_files(root: Path, layout: Iterable[str]) -> dict[str, list[str]]:
    """Return image files by stem (`files.composed`), as paths relative to `root` with forward
    slashes, both sorted.

    Args:
        root: folder of the source.
        layout: alternatives; the first that exists is used (`entry.Layout`).

    Raises:
        UserError: no alternative exists, or the name of an image file is not UTF-8.
    """
    layout = list(layout)
    for alternative in layout:
        path = PurePosixPath(alternative)
        folder, pattern = (path.parent, path.name) if "*" in path.name else (path, "")
        tops = [root / folder]
        if not tops[0].is_dir():
            tops = [root / top for top in _folders(root) if _ends(top, folder)]
        if tops:
            stems: dict[str, list[str]] = {}
            for file in sorted({file for top in tops for file in walk(top)}):
                if stem := _stem(file.name, pattern):
                    relative = file.relative_to(root).as_posix()
                    composed(relative)  # a UserError if it is not UTF-8
                    stems.setdefault(composed(stem), []).append(relative)
            return dict(sorted(stems.items()))
    raise UserError(
        f"no folder {' or '.join(layout)} in {root}",
        found="the folders" + listed(_folders(root)),
        fix="correct `images:` or `masks:` under `datasets:` of params.yaml, also for a built-in dataset:  "
        "SOD: {folder: SOD, images: Imgs/*.jpg, masks: Imgs/*.png}",
    )


def walk(top: Path) -> Iterator[Path]:
    """Yield the files below `top`, without hidden files and those that macOS adds to zip archives."""
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        yield from (Path(folder, name) for name in names if not _hidden(name))


def _folders(root: Path) -> Iterator[PurePosixPath]:
    for folder, subfolders, _ in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        yield from (
            PurePosixPath(Path(folder, name).relative_to(root).as_posix()) for name in subfolders
        )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _ends(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Return whether `path` ends with the parts of `folder`, in which a * stands for any text."""
    pattern = "/".join(re.escape(composed(part)).replace(r"\*", "[^/]*") for part in folder.parts)
    return re.search(f"(^|/){pattern}$", composed(str(path))) is not None


def _stem(name: str, pattern: str) -> str:
    """Return the stem of an image file; empty for other files and for those that `pattern` (`*_mask.png`) excludes."""
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in IMAGE_SUFFIXES:
        return ""
    start, _, end = pattern.partition("*")
    if not (name.startswith(start) and name.endswith(end)):
        return ""
    # '*' and 'a*' leave the suffix to the star.
    return name[len(start) : len(name) - len(end)] if end else stem[len(start) :]
