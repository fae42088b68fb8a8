"""Hashes of files and folders, kept in a cache so that an unchanged archive is read once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pipeline_src.data import pairing
from pipeline_src.data.entry import Layout
from pipeline_src.errors import UserError
from pipeline_src.files import fault, sha256, state, write_text

CACHE = ".fingerprints.json"


def hash_of(**parts: object) -> str:
    """64 hex digits for JSON-like values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def hash_of_archives(hashes: Iterable[str]) -> str:
    """The sha256 of one archive, or a hash of those of several."""
    hashes = list(hashes)
    return hashes[0] if len(hashes) == 1 else hash_of(archives=hashes)


def file_hash(path: Path, unpacked: Path) -> str:
    """The sha256 of a file; computed again only when the file has changed (`_state`)."""
    return _cached(str(path.absolute()), _state(path), unpacked, lambda: sha256(path))


def folder_hash(root: Path, layout: Layout, unpacked: Path) -> str:
    """Hash of names and bytes of all images and masks; computed again only when one of them has changed (`_state`)."""
    paths = [
        path
        for folders in (layout.images, layout.masks)
        if folders
        for group in pairing.find_files(root, folders).values()
        for path in group
    ]
    state = hash_of(files=[(path, *_state(root / path)) for path in paths])
    return _cached(
        f"{root.absolute()}/", state, unpacked, lambda: hash_of(files=[(path, _hash(root / path)) for path in paths])
    )


def file_hashes(folder: Path) -> dict[str, str]:
    """The sha256 of all files below `folder` by their paths in it, sorted."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): _hash(path) for path in paths}


def _state(path: Path) -> list[object]:
    """What tells that a file has changed, or why it cannot be read."""
    reason = fault(path)
    return [reason] if reason else [*state(path)]


def _hash(path: Path) -> str:
    """The sha256 of a file, or why it cannot be read: `prepare` lists it, or leaves it out."""
    try:
        return fault(path) or sha256(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _cached(key: str, state: object, unpacked: Path, compute: Callable[[], str]) -> str:
    cache = Path(unpacked) / CACHE
    try:
        hashes = json.loads(cache.read_text(encoding="utf-8"))
        cached_state, hashed = hashes.get(key, (None, None))
    except (OSError, ValueError, AttributeError, TypeError):  # none, or not ours
        hashes, cached_state, hashed = {}, None, None
    if cached_state != state or not re.fullmatch("[0-9a-f]{64}", str(hashed)):
        hashes[key] = [state, hashed := compute()]
        with suppress(OSError, UserError):  # a folder that cannot be written costs time and nothing else
            write_text(cache, json.dumps(hashes, indent=1, sort_keys=True) + "\n")
    return hashed
