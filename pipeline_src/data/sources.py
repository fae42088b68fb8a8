"""The source of a dataset that is available: its files, the hash of their content, and the folder that holds them."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pipeline_src.data import pairing
from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.lookup import find_path
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic_folder, sha256, writing
from pipeline_src.processes import alone
from pipeline_src.python_source import ROOT
from pipeline_src.verified import digests

GENERATOR = "pipeline_src.data.synthetic.scenes"
GENERATOR_FILES = (*sorted((ROOT / "data" / "synthetic").glob("*.py")), ROOT / "rng.py")
FINGERPRINTS = ".fingerprints"  # digests of the files of each source, below the folder of unpacked datasets
NOT_UNPACKED = (".rar", ".7z")  # archives that users unpack themselves


class MissingSourceError(UserError):
    """No source of a dataset is available."""


@dataclass(frozen=True)
class Located:
    """An available source of the dataset `name`: its `archives`, or its folder `root`.

    `content` is a hash of 64 hex digits.
    """

    name: str
    key: str
    source: Source
    layout: Layout
    content: str
    archives: tuple[Path, ...] = ()
    root: Path | None = None


def hash_of(**values: object) -> str:
    """64 hex digits for JSON-like values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def hash_of_archives(hashes: Iterable[str]) -> str:
    """The sha256 of one archive, or a hash of those of several."""
    hashes = list(hashes)
    return hashes[0] if len(hashes) == 1 else hash_of(archives=hashes)


@contextmanager
def naming(entry: Entry) -> Iterator[None]:
    """Put the name of a dataset in front of the text of a UserError."""
    try:
        yield
    except UserError as error:
        raise UserError(f"dataset {entry.name}: {error}") from None


def available_source(entry: Entry, data_root: Path | str | None) -> str | None:
    """Key of the first source in `data_root`, without reading its files; None if there is none."""
    for key, source in entry.sources.items():
        if source.kind in ("folder", "paths"):
            available = _find_folder(source, entry.layout(source), data_root) is not None
        else:
            available = all(find_path(name, data_root, "archives") for name in source.archive)
        if available:
            return key
    return None


def locate(entry: Entry, data_root: Path | str | None, unpacked: Path) -> Located:
    """The first available source of the dataset. An archive of known sha256 may be gone once it is unpacked.

    Raises:
        MissingSourceError: no source is available.
        UserError: a folder has another layout than the entry.
    """
    for key, source in entry.sources.items():
        layout = entry.layout(source)
        if source.generator:
            return Located(entry.name, key, source, layout, hash_of(generator=source.generator.model_dump()))
        if source.kind in ("folder", "paths"):
            if folder := _find_folder(source, layout, data_root):
                root, layout = folder
                with naming(entry):
                    content = _folder_hash(root, layout, unpacked)
                return Located(entry.name, key, source, layout, content, root=root)
            continue
        declared = hash_of_archives(map(str, source.sha256)) if source.sha256 and all(source.sha256) else None
        archives = tuple(path for name in source.archive if (path := find_path(name, data_root, "archives")))
        if len(archives) == len(source.archive):
            content = declared or hash_of_archives(_archive_hash(path, unpacked) for path in archives)
            return Located(entry.name, key, source, layout, content, archives)
        if declared:
            unpacked_before = Located(entry.name, key, source, layout, declared)
            if root_folder(unpacked_before, unpacked).is_dir():
                return unpacked_before
    raise _missing(entry, data_root)


def _folder_hash(root: Path, layout: Layout, unpacked: Path) -> str:
    """Hash of names and bytes of all images and masks; only changed files are read again."""
    groups = [pairing.find_files(root, folders) for folders in (layout.images, layout.masks) if folders]
    paths = [path for stems in groups for several in stems.values() for path in several]
    read = digests(root, paths, _record(root, unpacked))
    return hash_of(files=[(path, read.get(path, "cannot be read")) for path in paths])


def _archive_hash(path: Path, unpacked: Path) -> str:
    """The sha256 of an archive; only a changed file is read again."""
    return digests(path.parent, [path.name], _record(path, unpacked))[path.name]


def _record(source: Path, unpacked: Path) -> Path:
    return unpacked / FINGERPRINTS / f"{hash_of(source=str(source.absolute()))[:16]}.json"


def open_root(located: Located, unpacked: Path, needed: Iterable[str] = ()) -> Path:
    """The folder of the dataset's files: the user's folder, or one below `unpacked`, which is filled if necessary.

    Args:
        needed: paths in it; if one of them is missing, the archive is unpacked again.
    """
    folder = root_folder(located, unpacked)
    if located.root is None:
        with alone(located.name, folder.parent / f".{located.name}.lock"):  # parallel jobs may need the same dataset
            if not folder.is_dir() or not all((folder / path).is_file() for path in needed):
                _fill(located, folder)
    return folder


def root_folder(located: Located, unpacked: Path) -> Path:
    """The folder of the dataset's files: the user's folder, or one below `unpacked`, which exists once it is filled."""
    if located.root is not None:
        return located.root
    content = located.content
    if located.source.generator:  # another version of the generator draws other files
        content = hash_of(content=content, code=[sha256(file) for file in GENERATOR_FILES])
    return Path(unpacked) / f"{located.name}-{content[:8]}"


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
                write_set(generator.kind, split, count, generator.seed, temporary / split, **generator.options)
        for path in located.archives:
            unpack(path, temporary / path.name if len(located.archives) > 1 else temporary)


def unpack(archive: Path, into: Path) -> None:
    """Unpack a zip or (compressed) tar archive into a folder; links and names that lead out of it are refused.

    Raises:
        UserError: the archive is broken, encrypted, unsafe or of another kind.
    """
    try:
        with writing(into):
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as zipped:
                    zipped.extractall(into)
            else:
                with tarfile.open(archive) as packed:
                    packed.extractall(into, filter="data")
    except UserError:
        raise
    except Exception as error:  # zipfile, tarfile and their decompressors raise many types
        raise UserError(
            f"archive {archive} cannot be unpacked",
            found=f"{type(error).__name__}: {error}",
            expected="a complete .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, not encrypted",
            fix="download it again, or unpack it yourself (as a .rar or .7z) and write `folder:` instead of `archive:`",
        ) from error


def _find_folder(source: Source, layout: Layout, data_root: Path | str | None) -> tuple[Path, Layout] | None:
    """Root and layout of a folder source; the root of images and masks given directly is the folder above both."""
    if source.folder is not None:
        root = find_path(source.folder, data_root, ".")
        return (root, layout) if root is not None and os.path.isdir(root) else None
    folders: list[Path] = []
    for given in (*layout.images, *layout.masks):
        pattern = Path(given).name if "*" in Path(given).name else ""
        folder = find_path(str(Path(given).parent) if pattern else given, data_root, ".")
        if folder is None or not folder.is_dir():
            return None
        folders.append(folder.absolute() / pattern)
    root = Path(os.path.commonpath([path.parent if "*" in path.name else path for path in folders]))
    paths = [path.relative_to(root).as_posix() for path in folders]
    number = len(layout.images)
    return root, layout.model_copy(update={"images": tuple(paths[:number]), "masks": tuple(paths[number:])})


def _missing(entry: Entry, data_root: Path | str | None) -> MissingSourceError:
    sources = entry.sources.values()
    as_archive = " as it is (archives need not be unpacked)" if any(source.archive for source in sources) else ""
    fetched = f"run: dense-calibration data get {entry.name}; or " if any(source.download for source in sources) else ""
    where = f"the folder {data_root}" if data_root else "the folder named by `data_root` in params.yaml (it is not set)"
    fix = f"{fetched}put it there{as_archive}, or set `data_root` in params.yaml to the folder that has it"
    notes = download_notes(entry, data_root)
    return MissingSourceError(
        f"dataset {entry.name} is not available",
        found=None if not data_root or Path(data_root).expanduser().is_dir() else f"no folder {data_root}",
        expected=f"one of these in {where}:{listed(source.description for source in sources)}",
        fix=fix + (listed(notes) if notes else ""),
    )


def download_notes(entry: Entry, data_root: Path | str | None) -> list[str]:
    """Notes on the sources of a dataset, and its downloaded archives that have to be unpacked by hand."""
    lines = [f"{source.label}: {source.note}" for source in entry.sources.values() if source.note]
    folder = next((source.folder for source in entry.sources.values() if source.folder), entry.name)
    root = Path(data_root).expanduser() if data_root else Path()
    for suffix in NOT_UNPACKED:
        if data_root and (archive := find_path(f"{entry.name}{suffix}", data_root, "archives")):
            lines.append(f"unpack {archive} by hand into {root / folder}/")
    return lines
