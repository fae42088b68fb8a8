"""From a set's entry to its files: which source is available, what identifies its content, and the folder it is in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from filelock import FileLock

from pipeline_src.data.content_hash import digest, file_hash, folder_hash, joined
from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.lookup import find_name_list, find_path, read_name_list
from pipeline_src.data.unpack import unpack, whole_folder
from pipeline_src.errors import UserError, listed
from pipeline_src.files import sha256
from pipeline_src.python_source import ROOT

GENERATOR = "pipeline_src.data.synthetic.scenes"
GENERATOR_FILES = (*sorted((ROOT / "data" / "synthetic").glob("*.py")), ROOT / "rng.py")


class MissingSourceError(UserError):
    """No source of a set is available."""


@dataclass(frozen=True)
class Located:
    """An available source of the set `name`: its `archives`, or its folder `root`; `content` is 64 hex digits."""

    name: str
    key: str
    source: Source
    layout: Layout
    content: str
    archives: tuple[Path, ...] = ()
    root: Path | None = None


def fingerprint(entry: Entry, data_root: Path | str | None, unpacked: Path, recorded: Path | None = None) -> str:
    """64 hex digits for what `prepare` reads of the set: content, layout, splits, count; nothing of this machine.

    The content is the declared sha256 of an archive, the parameters of a generator, or the hash of archive or folder.

    Args:
        entry: the set.
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        recorded: the set's manifest folder; its summary is used if no source is available (a clone with pulled
            results).

    Raises:
        MissingSourceError: no source is available, and nothing is recorded.
    """
    try:
        located = locate(entry, data_root, unpacked)
    except MissingSourceError:
        summary = Path(recorded) / "summary.json" if recorded else None
        if summary and summary.is_file():
            return json.loads(summary.read_text(encoding="utf-8"))["fingerprint"]
        raise
    return fingerprint_of(entry, located, data_root)


def fingerprint_of(entry: Entry, located: Located, data_root: Path | str | None) -> str:
    """The fingerprint of a located source."""

    def list_digest(file: str) -> str | None:
        """None for a missing list, and for one in an archive, which the archive's hash covers."""
        path = find_name_list(file, data_root, located.root)
        return None if path is None else digest(names=read_name_list(path))

    splits = {
        name: {**split.model_dump(exclude={"names"}), "names": [list_digest(file) for file in split.names]}
        for name, split in entry.splits_of(located.source).items()
    }
    return digest(
        set=entry.name,
        ood=entry.ood,
        content=located.content,
        layout=located.layout.model_dump(),
        count=located.source.count,
        splits=splits,
    )


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
    """The first available source of the set. An archive of known sha256 may be gone once it is unpacked.

    Raises:
        MissingSourceError: no source is available.
        UserError: a folder has another layout than the entry.
    """
    for key, source in entry.sources.items():
        layout = entry.layout(source)
        if source.kind == "generator":
            return Located(entry.name, key, source, layout, digest(generator=source.generator.model_dump()))
        if source.kind in ("folder", "paths"):
            if folder := _find_folder(source, layout, data_root):
                root, layout = folder
                try:
                    content = folder_hash(root, layout, unpacked)
                except UserError as error:
                    raise UserError(f"data set {entry.name}: {error}") from None
                return Located(entry.name, key, source, layout, content, root=root)
            continue
        declared = joined(source.sha256) if source.sha256 and all(source.sha256) else None
        archives = tuple(path for name in source.archive if (path := find_path(name, data_root, "archives")))
        if len(archives) == len(source.archive):
            content = declared or joined(file_hash(path, unpacked) for path in archives)
            return Located(entry.name, key, source, layout, content, archives)
        if declared and unpacked_folder(entry.name, declared, unpacked).is_dir():
            return Located(entry.name, key, source, layout, declared)
    raise _missing(entry, data_root)


def open_root(located: Located, unpacked: Path) -> Path:
    """Folder of the set's files: the user's own, or one below `unpacked`, which is filled if it does not exist yet."""
    folder = root_folder(located, unpacked)
    if located.root is not None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{located.name}.lock"):  # parallel jobs may need the same set
        if not folder.is_dir():
            _fill(located, folder)
    return folder


def root_folder(located: Located, unpacked: Path) -> Path:
    """Folder of the set's files: the user's own, or one below `unpacked`, which may not exist yet."""
    if located.root is not None:
        return located.root
    content = located.content
    if located.source.kind == "generator":  # another version of the generator draws other files
        content = digest(content=content, code=[sha256(file) for file in GENERATOR_FILES])
    return unpacked_folder(located.name, content, unpacked)


def check_archives(located: Located) -> None:
    """Compare the located archives with their declared sha256.

    Raises:
        UserError: an archive has another sha256.
    """
    for path, declared in zip(located.archives, located.source.sha256, strict=False):
        if declared and (actual := sha256(path)) != declared:
            raise UserError(
                f"{path} is not the archive that data set {located.name} names",
                found=f"sha256 {actual}",
                expected=f"sha256 {declared}",
                do="download it again, or correct `sha256` of the set",
            )


def unpacked_folder(name: str, content: str, unpacked: Path) -> Path:
    """Where a set's archives of that content are unpacked, or will be."""
    return Path(unpacked) / f"{name}-{content[:8]}"


def _fill(located: Located, folder: Path) -> None:
    check_archives(located)
    with whole_folder(folder) as temporary:
        if generator := located.source.generator:
            # Imported by name: only the contracts of generated sets contain the generator's code, and numpy and OpenCV
            # are not loaded at every start.
            write_set = import_module(GENERATOR).write_set
            for split, count in generator.counts.items():
                write_set(generator.kind, split, count, generator.seed, temporary / split, **generator.options)
        for path in located.archives:
            unpack(path, temporary / path.name if len(located.archives) > 1 else temporary)


def _find_folder(source: Source, layout: Layout, data_root: Path | str | None) -> tuple[Path, Layout] | None:
    """Root and layout of a folder source; the root of images and masks given directly is the folder above both."""
    if source.kind == "folder":
        root = find_path(source.folder, data_root, ".")
        return (root, layout) if root is not None and root.is_dir() else None
    groups: dict[str, list[tuple[Path, str]]] = {}
    for key in ("images", "masks"):
        for given in getattr(layout, key):
            name, pattern = (str(Path(given).parent), Path(given).name) if "*" in Path(given).name else (given, "")
            folder = find_path(name, data_root, ".")
            if folder is None or not folder.is_dir():
                return None
            groups.setdefault(key, []).append((folder.absolute(), pattern))
    root = Path(os.path.commonpath([folder for group in groups.values() for folder, _ in group]))
    relative = {
        key: tuple((folder.relative_to(root) / pattern).as_posix() for folder, pattern in group)
        for key, group in groups.items()
    }
    return root, Layout(foreground=layout.foreground, **relative)


def _missing(entry: Entry, data_root: Path | str | None) -> MissingSourceError:
    sources = entry.sources.values()
    as_archive = " as it is (archives need not be unpacked)" if any(source.archive for source in sources) else ""
    where = f"the folder {data_root}" if data_root else "the folder named by `data_root` in params.yaml (it is not set)"
    return MissingSourceError(
        f"data set {entry.name} is not available",
        found=None if not data_root or Path(data_root).expanduser().is_dir() else f"no folder {data_root}",
        expected=f"one of these in {where}:{listed(source.description for source in sources)}",
        do=f"put it there{as_archive}, or set `data_root` in params.yaml to the folder that has it",
    )
