"""From a set's entry to its files: which source is available, the hash of its content, and the folder it is in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pipeline_src.data.content_hash import file_hash, file_hashes, folder_hash, hash_of, hash_of_archives
from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.lookup import find_path
from pipeline_src.data.unpack import unpack, whole_folder
from pipeline_src.errors import UserError, listed
from pipeline_src.files import reading, sha256, write_text
from pipeline_src.locks import alone
from pipeline_src.params.schema import LIMITS, Limits
from pipeline_src.python_source import ROOT
from pipeline_src.verified import is_hash

GENERATOR = "pipeline_src.data.synthetic.scenes"
UNPACKED = ".files.json"  # in an unpacked folder: the sha256 of each file, as it was unpacked
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
            return Located(entry.name, key, source, layout, hash_of(generator=source.generator.model_dump()))
        if source.kind in ("folder", "paths"):
            if folder := _find_folder(source, layout, data_root):
                root, layout = folder
                try:
                    content = folder_hash(root, layout, unpacked)
                except UserError as error:
                    raise UserError(f"data set {entry.name}: {error}") from None
                return Located(entry.name, key, source, layout, content, root=root)
            continue
        declared = hash_of_archives(source.sha256) if source.sha256 and all(source.sha256) else None
        archives = tuple(path for name in source.archive if (path := find_path(name, data_root, "archives")))
        if len(archives) == len(source.archive):
            content = declared or hash_of_archives(_archive_hash(entry, path, unpacked) for path in archives)
            return Located(entry.name, key, source, layout, content, archives)
        if declared and is_unpacked(unpacked_folder(entry.name, declared, unpacked)):
            return Located(entry.name, key, source, layout, declared)
    raise _missing(entry, data_root)


def _archive_hash(entry: Entry, path: Path, unpacked: Path) -> str:
    if is_hash(hashed := file_hash(path, unpacked)):
        return hashed
    raise UserError(
        f"data set {entry.name}: {path} {hashed}",
        expected="a zip or tar archive",
        do="get the file again, or write `folder:` instead of `archive:` if it is a folder",
    )


def open_root(located: Located, unpacked: Path, limits: Limits = LIMITS) -> Path:
    """Folder of the set's files: the user's own, or one below `unpacked`, which is filled if it does not exist yet."""
    folder = root_folder(located, unpacked)
    if located.root is not None:
        return folder
    with alone(located.name, folder.parent / f".{located.name}.lock"):  # parallel jobs may need the same set
        if not is_unpacked(folder):
            _fill(located, folder, limits)
    return folder


def root_folder(located: Located, unpacked: Path) -> Path:
    """Folder of the set's files: the user's own, or one below `unpacked`, which may not exist yet."""
    if located.root is not None:
        return located.root
    content = located.content
    if located.source.kind == "generator":  # another version of the generator draws other files
        content = hash_of(content=content, code=[sha256(file) for file in GENERATOR_FILES])
    return unpacked_folder(located.name, content, unpacked)


def is_unpacked(folder: Path) -> bool:
    """Whether a set was unpacked there, with a list of its files."""
    return (folder / UNPACKED).is_file()


def check_unpacked(located: Located, root: Path) -> None:
    """Make sure that a set's files are those that were unpacked. All are read; of a user's own folder none.

    Raises:
        UserError: names the files that were changed, added or removed: they are not those of the archive; or the list
            of them, where that is damaged.
    """
    if located.root is not None:
        return
    expected = _list_of(root)
    actual = file_hashes(root)
    del actual[UNPACKED]
    if actual != expected:
        changed = [name for name in sorted({*actual, *expected}) if actual.get(name) != expected.get(name)]
        raise UserError(
            f"files in {root} have changed since they were unpacked",
            found=listed(changed),
            expected=f"the files of {located.source.label}, as they are in it",
            do=f"remove {root}, and they are unpacked again; edited files go elsewhere, into a `folder:` of the entry",
        )


def _list_of(root: Path) -> dict[str, str]:
    """The SHA-256 of each file of an unpacked set by its list; UserError where that is none."""
    with reading(
        f"{root / UNPACKED} is damaged, by which unpacked files are checked",
        expected="the SHA-256 of each file, as it was unpacked",
        do=f"remove {root}, and it is unpacked again",
        named=True,
    ):
        content = json.loads((root / UNPACKED).read_bytes())
        if not isinstance(content, dict):
            raise ValueError(f"no list of files: {type(content).__name__}")
    return content


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


def _fill(located: Located, folder: Path, limits: Limits) -> None:
    check_archives(located)
    with whole_folder(folder) as temporary:
        if generator := located.source.generator:
            # Imported by name: only the contracts of generated sets contain the generator's code, and numpy and OpenCV
            # are not loaded at every start.
            write_set = import_module(GENERATOR).write_set
            for split, count in generator.counts.items():
                write_set(generator.kind, split, count, generator.seed, temporary / split, **generator.options)
        for path in located.archives:
            unpack(path, temporary / path.name if len(located.archives) > 1 else temporary, limits)
        write_text(temporary / UNPACKED, json.dumps(file_hashes(temporary)) + "\n")


def _find_folder(source: Source, layout: Layout, data_root: Path | str | None) -> tuple[Path, Layout] | None:
    """Root and layout of a folder source; the root of images and masks given directly is the folder above both."""
    if source.kind == "folder":
        root = find_path(source.folder, data_root, ".")
        return (root, layout) if root is not None and os.path.isdir(root) else None
    groups: dict[str, list[tuple[Path, str]]] = {}
    for key in ("images", "masks"):
        for given in getattr(layout, key):
            name, pattern = (str(Path(given).parent), Path(given).name) if "*" in Path(given).name else (given, "")
            folder = find_path(name, data_root, ".")
            if folder is None or not os.path.isdir(folder):
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
    fetched = f"run: dense-calibration data get {entry.name}; or " if any(source.download for source in sources) else ""
    where = f"the folder {data_root}" if data_root else "the folder named by `data_root` in params.yaml (it is not set)"
    return MissingSourceError(
        f"data set {entry.name} is not available",
        found=None if not data_root or Path(data_root).expanduser().is_dir() else f"no folder {data_root}",
        expected=f"one of these in {where}:{listed(source.description for source in sources)}",
        do=f"{fetched}put it there{as_archive}, or set `data_root` in params.yaml to the folder that has it",
    )
