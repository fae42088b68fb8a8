"""The source of a dataset: which one is available, the digest of its content, its folder, and its
download.

A dataset can have several sources: archives, a folder or a generator of synthetic images. The
identity of a dataset is all that determines its samples. It is part of the fingerprints of jobs,
and equal on every machine. If the files are missing, as in a clone with pulled results, the
identity that `prepare` recorded is used, unless the dataset's entry has changed since.
"""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.pairing import (
    find_files,
    find_name_list,
    find_path,
    read_name_list,
    split_pattern,
)
from pipeline_src.data.unpacking import DIGESTS, unpack, write_digests
from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content, atomic_folder, digests, hash_of, reading, sha256
from pipeline_src.processes import alone
from pipeline_src.python_source import ROOT

GENERATOR = "pipeline_src.data.synthetic.scenes"  # the module that draws synthetic images
# All code that these images depend on.
GENERATOR_FILES = (*sorted((ROOT / "data" / "synthetic").glob("*.py")), ROOT / "rng.py")
# Folder with the digests of the files of each source, below the folder of unpacked datasets.
FINGERPRINTS = ".fingerprints"
# Keys of a source that do not change the samples, and so are no part of the dataset's identity.
PROSE = {"get", "download", "lists", "note", "max_unpacked_gb"}


class MissingSourceError(UserError):
    """No source of a dataset is available on this machine, which may have its results."""


@dataclass(frozen=True)
class Located:
    """A source of a dataset, found on this machine.

    Attributes:
        key: name of the source in the dataset's entry.
        layout: the folders of images and masks.
        archives: files of the archives, if the source has these.
        root: the folder of the files; None for an archive or a generator.
        content: a digest of 64 hex digits; empty as long as `locate` has not read the files.
    """

    entry: Entry
    key: str
    source: Source
    layout: Layout
    archives: tuple[Path, ...] = ()
    root: Path | None = None
    content: str = ""


@dataclass(frozen=True)
class Identity:
    """All that determines the samples of a dataset, the input of `prepare`.

    Attributes:
        parameters: in JSON's types: `set`, `ood`, `content` (64 hex digits for the files),
            `layout`, `count`, and `splits` with a digest for each name list.
        unchecked: the reason why the files cannot be checked; empty if they are available.
    """

    parameters: Mapping[str, Any]
    unchecked: str = ""


def available_source(entry: Entry, data_root: Path) -> str | None:
    """Return the name of the first source that is available, or None, without reading its files.

    Args:
        data_root: the user's folder of downloads.
    """
    located = _first(entry, data_root)
    return located.key if located else None


def count_images(entry: Entry, data_root: Path) -> int | None:
    """Return the number of images of the first available source, with or without a mask.

    The result is None if no source is available, or if the number is not known.
    """
    located = _first(entry, data_root)
    if located is None:
        return None
    if located.root is None:  # an archive or a generator, of which the entry may state the number
        return located.source.count
    return len(find_files(located.root, located.layout.images))


def locate(entry: Entry, data_root: Path, unpacked: Path) -> Located:
    """Return the first available source of the dataset, with a digest of its files.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder, which also has the digests of unchanged files.

    Raises:
        MissingSourceError: no source is available.
        UserError: a folder has another layout than the entry, or an archive is a folder or a
            device.
    """
    located = _first(entry, data_root)
    if located is None:
        raise _missing(entry, data_root)
    for path in located.archives:
        if not path.is_file():
            raise UserError(
                f"dataset {entry.name}: {path} is not a regular file",
                fix="write `folder:` instead of `archive:` for unpacked files",
            )
    return replace(located, content=_content(located, unpacked))


def _first(entry: Entry, data_root: Path) -> Located | None:
    """Return the first source of a dataset that is available, without a digest, or None."""
    for key, source in entry.sources.items():
        located = _find(Located(entry, key, source, entry.layout(source)), data_root)
        if located:
            return located
    return None


def _find(located: Located, data_root: Path) -> Located | None:
    """Return a source with its files on this machine (root or archives), or None without them.

    A generator needs no files. All archives of a source must be there. A source that names only the
    folders of images and masks gets the folder above both as its root, and a layout relative to it.
    """
    source = located.source
    layout = located.layout
    if source.generator:
        return located
    if source.archive:
        paths = [find_path(name, data_root, data_root / "archives") for name in source.archive]
        archives = tuple(path for path in paths if path)
        return replace(located, archives=archives) if len(archives) == len(paths) else None
    if source.folder:
        root = find_path(source.folder, data_root)
        return replace(located, root=root) if root and root.is_dir() else None
    # Only folders of images and masks.
    given = [_first_path(alternatives, data_root) for alternatives in (layout.images, layout.masks)]
    paths = [path for path in given if path]
    if len(paths) < bool(layout.images) + bool(layout.masks):  # sets of textures have no masks
        return None
    root = Path(os.path.commonpath([split_pattern(path)[0] for path in paths]))
    names = tuple(path.relative_to(root).as_posix() for path in paths)
    # The layout now names the folders that were found, relative to the root: images, then masks.
    layout = layout.model_copy(update={"images": names[:1], "masks": names[1:]})
    return replace(located, layout=layout, root=root)


def _first_path(alternatives: tuple[str, ...], data_root: Path) -> Path | None:
    """Return the first alternative whose folder exists, as an absolute path, or None.

    Args:
        alternatives: folders, some with a pattern of file names, which the result keeps.
    """
    for alternative in alternatives:
        path, pattern = split_pattern(Path(alternative))
        folder = find_path(path, data_root)
        if folder and folder.is_dir():
            return folder.absolute() / pattern
    return None


def _missing(entry: Entry, data_root: Path) -> MissingSourceError:
    """Return the error that no source of a dataset is available.

    It names all sources, and the ways to get them.
    """
    sources = entry.sources.values()
    fix = "put it there (archives as they are), or correct `data_root` in params.yaml"
    if downloadable(entry):
        fix = f"run: dense-calibration data get {entry.name}; or {fix}"
    notes = [f"{source.label}: {source.note}" for source in sources if source.note]
    descriptions = [source.description for source in sources]
    return MissingSourceError(
        f"dataset {entry.name} is not available",
        found=None if data_root.is_dir() else f"no folder {data_root}",
        expected=f"one of these in {data_root}:{listed(descriptions)}",
        fix=fix + listed(notes),
    )


def _content(located: Located, unpacked: Path) -> str:
    """Return a digest of a source's files, or of the settings of a generator.

    A declared sha256 of an archive is trusted, because unpacking checks it (`check_archives`).
    Files that did not change since their digest was stored are not read again.
    """
    if located.source.generator:
        return hash_of(generator=located.source.generator.model_dump())
    if located.root:
        return _folder_hash(located, located.root, unpacked)
    hashes = []
    for path, declared in zip_longest(located.archives, located.source.sha256):
        if not declared:
            stored = digests(path.parent, [path.name], _cached_digests_file(path, unpacked))
            declared = stored.get(path.name) or sha256(path)
        hashes.append(declared)
    return hash_of(archives=hashes)


def _folder_hash(located: Located, root: Path, unpacked: Path) -> str:
    """Return a digest of the names and bytes of all images and masks in the folder `root`.

    Other files may change.

    Raises:
        UserError: a folder of the layout does not exist.
    """
    paths: list[str] = []
    for folders in (located.layout.images, located.layout.masks):
        if folders:
            try:
                stems = find_files(root, folders)
            except UserError as error:
                raise UserError(f"dataset {located.entry.name}: {error}") from None
            for files in stems.values():
                paths += files
    return hash_of(files=[*digests(root, paths, _cached_digests_file(root, unpacked)).items()])


def _cached_digests_file(source: Path, unpacked: Path) -> Path:
    """Return the file in which `digests` keeps the digests of a source's files between commands.

    Its name is a hash of the source's path, because each folder or archive has a file of its own.
    """
    return unpacked / FINGERPRINTS / f"{hash_of(source=str(source.absolute()))[:16]}.json"


def open_root(located: Located, unpacked: Path) -> Path:
    """Return the folder of the dataset's files: the user's folder or one below `unpacked`.

    A folder below `unpacked` is filled first, by unpacking or generating. Its name has a digest of
    the content, so another archive gets another folder.
    """
    if located.root is not None:
        return located.root
    name = located.entry.name
    content = located.content
    if located.source.generator:  # another version of the generator draws other files
        content = hash_of(content=content, code=[sha256(file) for file in GENERATOR_FILES])
    folder = unpacked / f"{name}-{content[:8]}"
    if not (folder / DIGESTS).is_file():
        with alone(name, unpacked / f".{name}.lock"):  # parallel jobs may need the same dataset
            # Another job may have filled it while this one waited.
            if not (folder / DIGESTS).is_file():
                _fill(located, folder)
    return folder


def check_archives(located: Located) -> None:
    """Check that the located archives have the sha256 that the dataset's entry declares.

    An archive without a declared sha256 passes.

    Raises:
        UserError: an archive has another sha256.
    """
    for path, declared in zip_longest(located.archives, located.source.sha256):
        actual = sha256(path) if declared else None
        if actual != declared:
            raise UserError(
                f"{path} is not the archive that dataset {located.entry.name} names",
                found=f"sha256 {actual}",
                expected=f"sha256 {declared}",
                fix="download it again, or correct `sha256` of the dataset",
            )


def _fill(located: Located, folder: Path) -> None:
    """Write the files of a source into `folder`: unpacked archives, or generated images.

    The digests of the files are written too.

    Raises:
        UserError: an archive has another sha256, or cannot be unpacked.
    """
    check_archives(located)
    generator = located.source.generator
    with atomic_folder(folder) as temporary:
        if generator:
            # Imported by name: numpy and OpenCV are not loaded at every start.
            write_set = import_module(GENERATOR).write_set
            for split, count in generator.counts.items():
                write_set(generator.kind, split, count, generator.seed, temporary / split)
        for path in located.archives:
            into = temporary / path.name if len(located.archives) > 1 else temporary
            unpack(path, into, located.source.max_unpacked_gb)
        write_digests(temporary)


def identify(
    entry: Entry, data_root: Path, unpacked: Path, prepared: Path | None = None
) -> Identity:
    """Return all that determines the samples of a dataset, from its files or as recorded.

    The record lets a clone with pulled results work without the files of the dataset.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        prepared: the folder that `prepare` wrote for the dataset, whose record is used if no
            source is available.

    Raises:
        MissingSourceError: no source is available, and the dataset was not prepared by the same
            entry.
    """
    try:
        return Identity(_parameters(locate(entry, data_root, unpacked), data_root))
    except MissingSourceError as missing:
        recorded: Content = {}
        with suppress(OSError, ValueError, LookupError, TypeError):  # a damaged one counts as none
            if prepared:
                summary = json.loads((prepared / "summary.json").read_text(encoding="utf-8"))
                recorded = dict(summary["identity"])  # as `recorded_identity` returned it
        if recorded.get("entry") != _entry_digest(entry):
            raise
        problem = str(missing).splitlines()[0]  # without what is expected and the advice
        return Identity(
            recorded["parameters"], f"{problem} in {data_root}, so it can't be checked here"
        )


def recorded_identity(located: Located, data_root: Path) -> Content:
    """Return the part of summary.json by which `identify` knows a dataset without its files.

    Returns:
        `entry`, a digest of the dataset's entry, and `parameters`, its `Identity.parameters`.
    """
    return {
        "entry": _entry_digest(located.entry),
        "parameters": _parameters(located, data_root),
    }


def _parameters(located: Located, data_root: Path) -> Content:
    """Return all that determines the samples of a located source, in JSON's types.

    Its name lists are replaced by digests of their names.
    """
    entry = located.entry
    splits = {}
    for name, split in sorted(entry.splits_of(located.source).items()):
        splits[name] = split.model_dump(mode="json")
        splits[name]["names"] = [_list_digest(file, located, data_root) for file in split.names]
    return {
        "set": entry.name,
        "ood": entry.ood,
        "content": located.content,
        "layout": located.layout.model_dump(mode="json"),
        "count": located.source.count,
        "splits": splits,
    }


def _list_digest(file: str, located: Located, data_root: Path) -> str | None:
    """Return a digest of the names in a name list, a text file with the images of a split.

    The digest is None if the list is missing, or inside an archive, whose digest covers it.
    """
    path = find_name_list(file, data_root, located.root)
    return hash_of(names=read_name_list(path)) if path else None


def _entry_digest(entry: Entry) -> str:
    """Return a digest of all values of an entry that choose its samples, not of notes and links."""
    sources = {
        key: source.model_dump(mode="json", exclude=PROSE) for key, source in entry.sources.items()
    }
    keys = {"ood", "images", "masks", "foreground", "splits"}
    return hash_of(sources=sources, **entry.model_dump(mode="json", include=keys))


def downloadable(entry: Entry) -> Source | None:
    """Return the first source of a dataset whose archives have addresses, or None."""
    for source in entry.sources.values():
        if source.download:
            return source
    return None


def download(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing archives of a dataset to the folder of downloads; return the new files.

    Raises:
        UserError: the dataset has no address, an address does not give the right file, or the
            folder is not writable.
    """
    source = downloadable(entry)
    if source is None:
        notes = [f"{source.description} {source.note}" for source in entry.sources.values()]
        raise UserError(
            f"dataset {entry.name} cannot be downloaded by a command",
            found="no address of a file: its authors ask for a click or a registration, or it is "
            "passed on by hand",
            expected=f"one of these in {folder}:{listed(notes)}",
            fix="get it by hand and put it there",
        )
    files = []
    for name, address, declared in zip_longest(source.archive, source.download, source.sha256):
        if not find_path(name, folder, folder / "archives"):
            files.append(_fetch(address, folder / name, declared))
    return files


def download_lists(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing name lists of a dataset's available source; return the new files.

    A name list is a text file that names the images of a split.

    Args:
        folder: the user's folder of downloads.

    Raises:
        UserError: a download fails, or a file has another sha256.
    """
    located = _first(entry, folder)
    files = []
    for name, published in located.source.lists.items() if located else ():
        if not find_name_list(name, folder):
            files.append(_fetch(published.download, folder / name, published.sha256))
    return files


def _fetch(address: str, path: Path, declared: str | None) -> Path:
    """Return `path` after downloading the file at `address` to it.

    Args:
        declared: the sha256 of the file; if it is None, the file has to be a zip or tar archive.

    Raises:
        UserError: the download fails, or the file is not the right one.
    """
    import pooch  # not needed at every start

    with reading(
        f"{path.name} could not be downloaded from {address}",
        expected=f"a file with sha256 {declared}" if declared else "a zip or tar archive",
        fix=f"start the same command again, or put the file there by hand: {path}",
    ):
        known_hash = f"sha256:{declared}" if declared else None
        pooch.retrieve(address, known_hash, path.name, path.parent, progressbar=True)
        # Some sites answer with a web page in place of the file.
        if not (declared or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
            path.unlink()
            raise ValueError("a file that is no zip or tar archive")
    return path
