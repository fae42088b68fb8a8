"""The source of a dataset: which one is available, the digest of its content, its folder, and its
download.

The identity of a dataset does not depend on the machine. If the files are missing, as in a clone
with pulled results, the identity that `prepare` recorded is used, as long as the entry is the same.
"""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline_src.data import pairing
from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.pairing import find_name_list, find_path, read_name_list
from pipeline_src.data.unpacked import DIGESTS, write_digests
from pipeline_src.data.unpacking import unpack
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic_folder, digests, hash_of, sha256
from pipeline_src.processes import alone
from pipeline_src.python_source import ROOT

GENERATOR = "pipeline_src.data.synthetic.scenes"
GENERATOR_FILES = (*sorted((ROOT / "data" / "synthetic").glob("*.py")), ROOT / "rng.py")
FINGERPRINTS = (
    ".fingerprints"  # digests of the files of each source, below the folder of unpacked datasets
)
PROSE = {
    "get",
    "download",
    "lists",
    "note",
    "max_unpacked_gb",
}  # keys of a source that do not change the samples


class MissingSourceError(UserError):
    """No source of a dataset is available."""


@dataclass(frozen=True)
class Located:
    """An available source of the dataset `name`: its `archives`, or its folder `root`.

    `content` is a digest of 64 hex digits.
    """

    name: str
    key: str
    source: Source
    layout: Layout
    content: str
    archives: tuple[Path, ...] = ()
    root: Path | None = None


@dataclass(frozen=True)
class Identity:
    """The input of `prepare` for a dataset.

    Attributes:
        parameters: in JSON's types: `set`, `ood`, `content` (64 hex digits for the files),
            `layout`, `count`, and `splits` with a digest for each name list.
        unchecked: the reason why the files cannot be checked; empty if they are available.
    """

    parameters: Mapping[str, Any]
    unchecked: str = ""


def available_source(entry: Entry, data_root: Path | str | None) -> str | None:
    """Return the key of the first source in `data_root`, without reading its files; None if there is none."""
    keys = (
        key
        for key, source in entry.sources.items()
        if _find(source, entry.layout(source), data_root)
    )
    return next(keys, None)


def count_images(entry: Entry, data_root: Path | str | None) -> int | None:
    """Return the number of images of the first available source, with or without a mask; None if it is not known."""
    for source in entry.sources.values():
        if files := _find(source, entry.layout(source), data_root):
            root, _, layout = files
            return len(pairing.find_files(root, layout.images)) if root else source.count
    return None


def locate(entry: Entry, data_root: Path | str | None, unpacked: Path) -> Located:
    """Return the first available source of the dataset.

    Raises:
        MissingSourceError: no source is available.
        UserError: a folder has another layout than the entry, or an archive is a folder or a
            device.
    """
    for key, source in entry.sources.items():
        if (files := _find(source, entry.layout(source), data_root)) is None:
            continue
        root, archives, layout = files
        irregular = [str(path) for path in archives if not path.is_file()]
        if irregular:
            fix = "write `folder:` instead of `archive:` for unpacked files"
            raise UserError(f"dataset {entry.name}: {irregular[0]} is not a regular file", fix=fix)
        if source.generator:
            content = hash_of(generator=source.generator.model_dump())
        elif root:
            content = _folder_hash(entry, root, layout, unpacked)
        else:
            declared = source.sha256 or (None,) * len(archives)
            known = [
                digest
                or digests(path.parent, [path.name], _record(path, unpacked)).get(path.name)
                or sha256(path)
                for path, digest in zip(archives, declared, strict=True)
            ]
            content = hash_of(archives=known)
        return Located(entry.name, key, source, layout, content, archives, root)
    sources = entry.sources.values()
    fetched = (
        f"run: dense-calibration data get {entry.name}; or "
        if any(source.download for source in sources)
        else ""
    )
    notes = [f"{source.label}: {source.note}" for source in sources if source.note]
    raise MissingSourceError(
        f"dataset {entry.name} is not available",
        found=None
        if not data_root or Path(data_root).expanduser().is_dir()
        else f"no folder {data_root}",
        expected=f"one of these in {data_root or '`data_root` of params.yaml, which is not set'}:"
        + listed(source.description for source in sources),
        fix=f"{fetched}put it there (archives as they are), or correct `data_root` in params.yaml{listed(notes)}",
    )


def _find(
    source: Source, layout: Layout, data_root: Path | str | None
) -> tuple[Path | None, tuple[Path, ...], Layout] | None:
    """Return root, archives and layout of a source; None if it is missing.

    The root of images and masks that are given directly is the folder above both.
    """
    if source.generator:
        return None, (), layout
    if source.archive:
        archives = tuple(
            path for name in source.archive if (path := find_path(name, data_root, "archives"))
        )
        return (None, archives, layout) if len(archives) == len(source.archive) else None
    if source.folder:
        root = find_path(source.folder, data_root, ".")
        return (root, (), layout) if root and root.is_dir() else None
    folders: list[Path] = []
    for alternatives in filter(None, (layout.images, layout.masks)):
        if (
            first := next(
                (path for given in alternatives if (path := _given(given, data_root))), None
            )
        ) is None:
            return None
        folders.append(first)
    root = Path(os.path.commonpath([path.parent if "*" in path.name else path for path in folders]))
    paths = tuple(path.relative_to(root).as_posix() for path in folders)
    return root, (), layout.model_copy(update={"images": paths[:1], "masks": paths[1:]})


def _given(given: str, data_root: Path | str | None) -> Path | None:
    """Return a folder that is given directly, with its pattern; None if it does not exist."""
    pattern = Path(given).name if "*" in Path(given).name else ""
    folder = find_path(str(Path(given).parent) if pattern else given, data_root, ".")
    return folder.absolute() / pattern if folder and folder.is_dir() else None


def _folder_hash(entry: Entry, root: Path, layout: Layout, unpacked: Path) -> str:
    """Return a digest of names and bytes of all images and masks; only changed files are read again."""
    try:
        groups = [
            pairing.find_files(root, folders)
            for folders in (layout.images, layout.masks)
            if folders
        ]
    except UserError as error:
        raise UserError(f"dataset {entry.name}: {error}") from None
    paths = [path for stems in groups for several in stems.values() for path in several]
    return hash_of(files=[*digests(root, paths, _record(root, unpacked)).items()])


def _record(source: Path, unpacked: Path) -> Path:
    return unpacked / FINGERPRINTS / f"{hash_of(source=str(source.absolute()))[:16]}.json"


def open_root(located: Located, unpacked: Path) -> Path:
    """Return the folder of the dataset's files: the user's folder, or one below `unpacked`, which is filled first."""
    if located.root is not None:
        return located.root
    content = located.content
    if located.source.generator:  # another version of the generator draws other files
        content = hash_of(content=content, code=[sha256(file) for file in GENERATOR_FILES])
    folder = Path(unpacked) / f"{located.name}-{content[:8]}"
    if not (folder / DIGESTS).is_file():
        with alone(
            located.name, folder.parent / f".{located.name}.lock"
        ):  # parallel jobs may need the same dataset
            if not (folder / DIGESTS).is_file():
                _fill(located, folder)
    return folder


def check_archives(located: Located) -> None:
    """Compare the located archives with their declared sha256.

    Raises:
        UserError: an archive has another sha256.
    """
    for path, declared in zip(located.archives, located.source.sha256, strict=False):
        if declared and (actual := sha256(path)) != declared:
            raise UserError(
                f"{path} is not the archive that dataset {located.name} names",
                found=f"sha256 {actual}",
                expected=f"sha256 {declared}",
                fix="download it again, or correct `sha256` of the dataset",
            )


def _fill(located: Located, folder: Path) -> None:
    check_archives(located)
    with atomic_folder(folder) as temporary:
        if generator := located.source.generator:
            # Imported by name: numpy and OpenCV are not loaded at every start.
            write_set = import_module(GENERATOR).write_set
            for split, count in generator.counts.items():
                write_set(generator.kind, split, count, generator.seed, temporary / split)
        for path in located.archives:
            into = temporary / path.name if len(located.archives) > 1 else temporary
            unpack(path, into, located.source.max_unpacked_gb)
        write_digests(temporary)


def identify(
    entry: Entry, data_root: Path | str | None, unpacked: Path, prepared: Path | None = None
) -> Identity:
    """Return the identity of a dataset.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        prepared: the folder that `prepare` wrote for the dataset, which counts if no source is
            available.

    Raises:
        MissingSourceError: no source is available, and the dataset was not prepared by the same
            entry.
    """
    try:
        return Identity(_parameters(entry, locate(entry, data_root, unpacked), data_root))
    except MissingSourceError as missing:
        recorded = _recorded(prepared)
        if recorded.get("entry") != _entry_digest(entry):
            raise
        reason = f"{str(missing).partition(chr(10))[0]} in {data_root}"
        return Identity(recorded["parameters"], f"{reason}, so it can't be checked here")


def recorded_identity(
    entry: Entry, located: Located, data_root: Path | str | None
) -> dict[str, Any]:
    """Return the part of summary.json by which `identify` knows a dataset without its files."""
    return {"entry": _entry_digest(entry), "parameters": _parameters(entry, located, data_root)}


def _parameters(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, Any]:
    return {
        "set": entry.name,
        "ood": entry.ood,
        "content": located.content,
        "layout": located.layout.model_dump(mode="json"),
        "count": located.source.count,
        "splits": {
            name: {
                **split.model_dump(mode="json"),
                "names": [_list_digest(file, data_root, located.root) for file in split.names],
            }
            for name, split in sorted(entry.splits_of(located.source).items())
        },
    }


def _list_digest(file: str, data_root: Path | str | None, root: Path | None) -> str | None:
    """Return a digest of a name list; None if it is missing or inside an archive, whose digest covers it."""
    path = find_name_list(file, data_root, root)
    return None if path is None else hash_of(names=read_name_list(path))


def _entry_digest(entry: Entry) -> str:
    """Return a digest of all facts of an entry that choose its samples."""
    sources = {
        key: source.model_dump(mode="json", exclude=PROSE) for key, source in entry.sources.items()
    }
    shared = entry.model_dump(
        mode="json", include={"ood", "images", "masks", "foreground", "splits"}
    )
    return hash_of(sources=sources, **shared)


def _recorded(prepared: Path | None) -> dict[str, Any]:
    """Return the `recorded_identity` of a prepared dataset; empty if it was not prepared."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return dict(
            json.loads((Path(prepared or "") / "summary.json").read_text(encoding="utf-8"))[
                "identity"
            ]
        )
    return {}


def downloadable(entry: Entry) -> Source | None:
    """Return the first source of a dataset whose archives have addresses; None if there is none."""
    return next((source for source in entry.sources.values() if source.download), None)


def download(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing archives of a dataset into the folder of downloads; return the new
    files.

    Raises:
        UserError: the dataset has no address, an address does not give the right file, or the
            folder is not writable.
    """
    if (source := downloadable(entry)) is None:
        notes = [f"{source.description} {source.note}" for source in entry.sources.values()]
        raise UserError(
            f"dataset {entry.name} cannot be downloaded by a command",
            found="no address of a file: its authors ask for a click or a registration, or it is passed on by hand",
            expected=f"one of these in {folder}:{listed(notes)}",
            fix="get it by hand and put it there",
        )
    declared = source.sha256 or (None,) * len(source.archive)
    return [
        _fetch(address, folder / name, digest)
        for name, address, digest in zip(source.archive, source.download, declared, strict=True)
        if not find_path(name, folder, "archives")
    ]


def download_lists(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing name lists of the available source; return the new files."""
    key = available_source(entry, folder)
    lists = entry.sources[key].lists if key else {}
    absent = [name for name in lists if not find_name_list(name, folder, None)]
    return [_fetch(lists[name].download, folder / name, lists[name].sha256) for name in absent]


def _fetch(address: str, path: Path, declared: str | None) -> Path:
    import pooch  # not needed at every start

    try:
        known = f"sha256:{declared}" if declared else None
        pooch.retrieve(address, known, path.name, path.parent, progressbar=True)
        if not (declared or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
            path.unlink()
            raise ValueError("a file that is no zip or tar archive")
    except (OSError, ValueError) as error:  # no connection, no such file, another sha256
        raise UserError(
            f"{path.name} could not be downloaded from {address}",
            found=error,
            expected=f"a file with sha256 {declared}" if declared else "a zip or tar archive",
            fix=f"start the same command again, or put the file there by hand: {path}",
        ) from error
    return path
