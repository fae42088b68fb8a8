"""Hashes of files and folders, kept so that a file is read once as long as it does not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pipeline_src.data import pairing
from pipeline_src.data.entry import Layout
from pipeline_src.verified import hash_or_fault, readings

FINGERPRINTS = ".fingerprints"  # a record of each source, below the folder of unpacked sets


def hash_of(**parts: object) -> str:
    """64 hex digits for JSON-like values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def hash_of_archives(hashes: Iterable[str]) -> str:
    """The sha256 of one archive, or a hash of those of several."""
    hashes = list(hashes)
    return hashes[0] if len(hashes) == 1 else hash_of(archives=hashes)


def file_hash(path: Path, unpacked: Path) -> str:
    """`hash_or_fault` of a file; it is read again only when it has changed."""
    return _hashes(path, path.parent, [path.name], unpacked)[path.name]


def folder_hash(root: Path, layout: Layout, unpacked: Path) -> str:
    """Hash of names and bytes of all images and masks; only those that have changed are read again."""
    paths = [
        path
        for folders in (layout.images, layout.masks)
        if folders
        for group in pairing.find_files(root, folders).values()
        for path in group
    ]
    hashes = _hashes(root, root, paths, unpacked)
    return hash_of(files=[(path, hashes[path]) for path in paths])


def file_hashes(folder: Path) -> dict[str, str]:
    """The sha256 of all files below `folder` by their paths in it, sorted."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): hash_or_fault(path) for path in paths}


def _hashes(source: Path, folder: Path, names: list[str], unpacked: Path) -> dict[str, str]:
    """`hash_or_fault` of the files of a source by name, from its record in `unpacked` where nothing has changed."""
    read = readings(folder, names, unpacked / FINGERPRINTS / f"{hash_of(source=str(source.absolute()))[:16]}.json")
    return {name: read[name].sha256 if name in read else hash_or_fault(folder / name) for name in names}
