"""Hashes of files and folders, kept in a cache so that an unchanged archive is read once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline_src.data import pairing
from pipeline_src.data.entry import Layout
from pipeline_src.files import sha256, write_text

CACHE = ".fingerprints.json"


def digest(**parts: object) -> str:
    """64 hex digits for JSON-like values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def joined(hashes: Iterable[str]) -> str:
    """The sha256 of one archive, or a hash of those of several."""
    hashes = list(hashes)
    return hashes[0] if len(hashes) == 1 else digest(archives=hashes)


def file_hash(path: Path, unpacked: Path) -> str:
    """The sha256 of a file; computed again only when its size or mtime has changed."""
    info = path.stat()
    return _cached(str(path.absolute()), [info.st_size, info.st_mtime_ns], unpacked, lambda: sha256(path))


def folder_hash(root: Path, layout: Layout, unpacked: Path) -> str:
    """Hash of names and bytes of all images and masks; computed again only when a name, size or mtime has changed."""
    paths = [
        path
        for folders in (layout.images, layout.masks)
        if folders
        for group in pairing.find_files(root, folders).values()
        for path in group
    ]
    infos = [(path, (root / path).stat()) for path in paths]
    state = digest(files=[(path, info.st_size, info.st_mtime_ns) for path, info in infos])
    return _cached(
        f"{root.absolute()}/", state, unpacked, lambda: digest(files=[(path, sha256(root / path)) for path in paths])
    )


def _cached(key: str, state: object, unpacked: Path, compute: Callable[[], str]) -> str:
    cache = Path(unpacked) / CACHE
    try:
        hashes = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        hashes = {}
    if hashes.get(key, [None])[0] != state:
        hashes[key] = [state, compute()]
        write_text(cache, json.dumps(hashes, indent=1, sort_keys=True) + "\n")
    return hashes[key][1]
