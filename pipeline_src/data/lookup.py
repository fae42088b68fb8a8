"""Files that a user has downloaded or written: archives, folders and name lists."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from pipeline_src.data.entry import Entry
from pipeline_src.files import composed, content, reading

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
LISTS = Path(__file__).parent / "lists"


def find_path(name: str, data_root: Path | str | None, subfolder: str) -> Path | None:
    """A file or folder in `data_root`, in its `subfolder`, or in the working folder; None if it is missing."""
    path = Path(name).expanduser()
    roots = [Path(data_root).expanduser(), Path(data_root).expanduser() / subfolder] if data_root else []
    return next((root / path for root in (*roots, Path()) if os.path.exists(root / path)), None)


def find_name_list(name: str, data_root: Path | str | None, root: Path | None) -> Path | None:
    """A name list in the dataset's folder `root`, in `data_root` or its splits/, in the working folder, or in LISTS."""
    if root is not None and (root / name).is_file():
        return root / name
    return find_path(name, data_root, "splits") or (LISTS / name if (LISTS / name).is_file() else None)


def read_name_list(path: Path) -> list[str]:
    """Stems of a name list: one a line, with or without folder and image suffix; empty and # lines are skipped."""
    with reading(
        f"name list {path} cannot be read",
        expected="a text file in UTF-8, one name a line",
        fix="correct the file, or the split that names it",
    ):
        lines = content(path).decode("utf-8-sig").splitlines()
    stems = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            name = PurePosixPath(line.replace("\\", "/"))
            stems.append(composed(name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name))
    return stems


def benchmark_file(entry: Entry, data_root: Path | str | None) -> Path | None:
    """Name list of the images of published benchmarks; None if the dataset has none, or the list is missing."""
    return find_path(entry.benchmark_list, data_root, "splits") if entry.benchmark_list else None


def origin(entry: Entry, file: str) -> str:
    """The place that offers a name list, as the end of a line; empty if it is unknown."""
    return f" (it is {entry.lists[file]})" if file in entry.lists else ""
