"""Which files of a folder are images and masks, and which belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pipeline_src.errors import UserError, listed

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def files(root: Path, layout: Iterable[str]) -> dict[str, list[str]]:
    """Image files by stem, as paths relative to `root` with forward slashes, both sorted.

    Args:
        root: folder of the source.
        layout: alternatives; the first of which a folder exists is used (`catalog.Layout`).

    Raises:
        UserError: no alternative exists.
    """
    layout = list(layout)
    below = None
    for alternative in layout:
        folder, pattern = _parsed(alternative)
        found = [root / folder] if (root / folder).is_dir() else []
        if not found:
            below = _folders(root) if below is None else below
            found = [root / path for path in below if _ends(path, folder)]
        if found:
            stems: dict[str, list[str]] = {}
            for path in sorted({path for top in found for path in walk(top)}):
                stem = _stem(path.name, pattern)
                if stem:
                    stems.setdefault(stem, []).append(path.relative_to(root).as_posix())
            return dict(sorted(stems.items()))
    raise UserError(
        f"no folder {' or '.join(layout)} in {root}",
        found="the folders" + listed(map(str, below)) if below else "no folders",
        do="correct `images:` or `masks:` of the data set",
    )


def both(root: Path, images: Iterable[str], masks: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Images and masks as `files` finds them. In one folder, images `*.png` and masks `*_mask.png`: those are masks.

    Raises:
        UserError: as `files`, or images and masks are the same files.
    """
    image_files, mask_files = files(root, images), files(root, masks)
    own = {path for group in mask_files.values() for path in group}
    rest = {stem: [path for path in group if path not in own] for stem, group in image_files.items()}
    rest = {stem: group for stem, group in rest.items() if group}
    if own and image_files and not rest:
        raise UserError(
            "the same files are images and masks",
            found=listed(sorted(own), 3),
            do="tell them apart by pattern, such as  images: Imgs/*.jpg  masks: Imgs/*.png",
        )
    return rest, mask_files


def names(path: Path) -> list[str]:
    """Stems of a name list: one a line, with or without folder and image suffix; empty and # lines are skipped."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"name list {path} is not UTF-8 text", found=error) from error
    stems = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            name = PurePosixPath(line.replace("\\", "/"))
            stems.append(name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name)
    return stems


def _ends(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Whether `path` ends with the parts of `folder`, in which a * stands for any text."""
    parts = path.parts[-len(folder.parts) :]
    return len(parts) == len(folder.parts) and all(map(_fits, parts, folder.parts))


def _fits(name: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    return name.startswith(before) and name.endswith(after) and len(name) >= len(before) + len(after)


def _parsed(alternative: str) -> tuple[PurePosixPath, tuple[str, str] | None]:
    """'Imgs/*_mask.png' -> (Imgs, ('', '_mask.png')); a folder alone has no pattern."""
    path = PurePosixPath(alternative)
    if "*" not in path.name:
        return path, None
    before, _, after = path.name.partition("*")
    return path.parent, (before, after)


def _stem(name: str, pattern: tuple[str, str] | None) -> str | None:
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in IMAGE_SUFFIXES:
        return None
    if pattern is None:
        return stem
    before, after = pattern
    if not (name.startswith(before) and name.endswith(after)) or len(name) <= len(before) + len(after):
        return None
    # 'folder/*' and 'folder/a*' leave the suffix to the star.
    return name[len(before) : len(name) - len(after)] if after else stem[len(before) :]


def walk(top: Path) -> Iterable[Path]:
    """Files below `top`, without hidden ones and what macOS adds to zip archives."""
    for folder, below, found in os.walk(top):
        below[:] = [name for name in below if not _hidden(name)]
        yield from (Path(folder, name) for name in found if not _hidden(name))


def _folders(root: Path) -> list[PurePosixPath]:
    found = []
    for folder, below, _ in os.walk(root):
        below[:] = sorted(name for name in below if not _hidden(name))
        found += [PurePosixPath(Path(folder, name).relative_to(root).as_posix()) for name in below]
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
