"""From a set's entry to its files: which source is here, what identifies its content, and the folder that holds it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from filelock import FileLock

from pipeline_src.data import pairing
from pipeline_src.data.catalog import Entry, Layout, Source
from pipeline_src.data.unpack import MAX_BYTES, unpack, whole_folder
from pipeline_src.engine.code import ROOT
from pipeline_src.engine.contract import PACKAGE, package_code
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic, write_text

CACHE = ".fingerprints.json"


class Absent(UserError):
    """No source of a set is here."""


@dataclass(frozen=True)
class Located:
    """A source that is here. `archives` are its files, or `root` its folder; `content` is 64 hex digits."""

    key: str
    source: Source
    layout: Layout
    content: str
    archives: tuple[Path, ...] = ()
    root: Path | None = None


def fingerprint(entry: Entry, data_root: Path | str | None, unpacked: Path, recorded: Path | None = None) -> str:
    """64 hex digits for what `prepare` makes of the set: content, layout, splits, count; nothing of this machine.

    The content is the declared sha256 of an archive, the parameters of a generator, or the hash of archive or folder
    (kept in `unpacked`/.fingerprints.json by path, size and mtime).

    Args:
        entry: the set.
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        recorded: the set's manifest folder; its summary stands in where no source is (a clone with pulled results).

    Raises:
        UserError: no source is here, and nothing is recorded.
    """
    try:
        located = locate(entry, data_root, unpacked)
    except Absent:
        summary = Path(recorded) / "summary.json" if recorded else None
        if summary and summary.is_file():
            return json.loads(summary.read_text(encoding="utf-8"))["fingerprint"]
        raise
    return identify(entry, located, data_root)


def identify(entry: Entry, located: Located, data_root: Path | str | None) -> str:
    """The fingerprint of a located source."""
    splits = {
        name: {
            **split.model_dump(exclude={"names"}),
            "names": [_list_digest(file, data_root, located.root) for file in split.names],
        }
        for name, split in entry.splits_of(located.source).items()
    }
    return _digest(
        set=entry.name,
        ood=entry.ood,
        content=located.content,
        layout=located.layout.model_dump(),
        count=located.source.count,
        splits=splits,
    )


def locate(entry: Entry, data_root: Path | str | None, unpacked: Path) -> Located:
    """The first source of the set that is here; an archive of known sha256 need not be, once it is unpacked."""
    for key, source in entry.sources.items():
        layout = entry.layout(source)
        if source.kind == "generator":
            return Located(key, source, layout, _digest(generator=source.generator.model_dump()))
        if source.kind in ("folder", "paths"):
            found = _folder(source, layout, data_root)
            if found:
                root, layout = found
                try:
                    content = _folder_content(root, layout, unpacked)
                except UserError as error:
                    raise UserError(f"data set {entry.name}: {error}") from None
                return Located(key, source, layout, content, root=root)
            continue
        declared = _joined(source.sha256) if source.sha256 and all(source.sha256) else None
        archives = tuple(path for name in source.files if (path := look_up(name, data_root, "archives")))
        if len(archives) == len(source.files):
            return Located(
                key, source, layout, declared or _joined(_file_hash(path, unpacked) for path in archives), archives
            )
        if declared and (source.kind == "url" or cached(entry.name, declared, unpacked).is_dir()):
            return Located(key, source, layout, declared)
    raise _absent(entry, data_root)


def open_root(entry: Entry, data_root: Path | str | None, unpacked: Path) -> Path:
    """Folder that holds the set's files: the user's own, or one below `unpacked`, made now unless it is there."""
    return open_located(entry, locate(entry, data_root, unpacked), unpacked)


def open_located(entry: Entry, located: Located, unpacked: Path) -> Path:
    """As `open_root`, for a source that was located before."""
    if located.root is not None:
        return located.root
    source, content = located.source, located.content
    if source.kind == "generator":
        content = _digest(content=content, code=_generator_code())
    folder = cached(entry.name, content, unpacked)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{entry.name}.lock"):  # jobs side by side may want the same set
        if not folder.is_dir():
            _fill(entry, located, folder)
    return folder


def _fill(entry: Entry, located: Located, folder: Path) -> None:
    source, archives = located.source, located.archives
    if source.kind == "url" and not archives:
        archives = (_download(entry.name, source, folder.parent),)
    for path, declared in zip(archives, source.sha256, strict=False):
        _check(path, declared, entry.name)
    with whole_folder(folder) as temporary:
        if source.kind == "generator":
            write_set = import_module("pipeline_src.data.synthetic.scenes").write_set
            made = source.generator
            for split, count in made.counts.items():
                write_set(made.kind, split, count, made.seed, temporary / split, **made.options)
        for path in archives:
            unpack(path, temporary / path.name if len(archives) > 1 else temporary)


def look_up(name: str, data_root: Path | str | None, below: str) -> Path | None:
    """A file or folder in `data_root`, in its sub-folder `below`, or (for a user's own) in the working folder."""
    path = Path(name).expanduser()
    roots = [Path(data_root).expanduser(), Path(data_root).expanduser() / below] if data_root else []
    return next((found for root in (*roots, Path()) if (found := (root / path)).exists()), None)


def name_list(name: str, data_root: Path | str | None, root: Path | None) -> Path | None:
    """A name list: in the set's own folder `root`, in `data_root` or its splits/, in the working folder, or ours."""
    own = root / name if root is not None else None
    if own is not None and own.is_file():
        return own
    ours = ROOT.parent / name if name.startswith(f"{PACKAGE}/") else None
    return look_up(name, data_root, "splits") or (ours if ours is not None and ours.is_file() else None)


def cached(name: str, content: str, unpacked: Path) -> Path:
    """Where a set's archives of that content are unpacked, or will be."""
    return Path(unpacked) / f"{name}-{content[:8]}"


def _folder(source: Source, layout: Layout, data_root: Path | str | None) -> tuple[Path, Layout] | None:
    """Root and layout of a folder source; images and masks given directly get the folder above both as their root."""
    if source.kind == "folder":
        root = look_up(source.folder, data_root, ".")
        return (root, layout) if root is not None and root.is_dir() else None
    groups = {}
    for key in ("images", "masks"):
        for given in getattr(layout, key):
            path, star = (str(Path(given).parent), Path(given).name) if "*" in Path(given).name else (given, "")
            found = look_up(path, data_root, ".")
            if found is None or not found.is_dir():
                return None
            groups.setdefault(key, []).append((found.absolute(), star))
    root = Path(os.path.commonpath([path for group in groups.values() for path, _ in group]))
    relative = {
        key: tuple((path.relative_to(root) / star).as_posix() for path, star in group) for key, group in groups.items()
    }
    return root, Layout(foreground=layout.foreground, **relative)


def _absent(entry: Entry, data_root: Path | str | None) -> Absent:
    offers = [source.offer for source in entry.sources.values()]
    unpacked = " as it is (archives need not be unpacked)" if any(s.files for s in entry.sources.values()) else ""
    where = f"the folder {data_root}" if data_root else "the folder named by `data_root` in params.yaml (it is not set)"
    return Absent(
        f"data set {entry.name} is not here",
        found=None if not data_root or Path(data_root).expanduser().is_dir() else f"no folder {data_root}",
        expected=f"one of these in {where}:{listed(offers)}",
        do=f"put it there{unpacked}, or set `data_root` in params.yaml to where it lies",
    )


def _download(name: str, source: Source, unpacked: Path) -> Path:
    path = Path(unpacked) / ".downloads" / f"{source.sha256[0][:8]}-{source.files[0]}"
    if not path.exists():
        try:
            with urllib.request.urlopen(source.url, timeout=60) as response, atomic(path) as temporary:
                with open(temporary, "wb") as out:
                    while block := response.read(1 << 20):
                        out.write(block)
                        if out.tell() > MAX_BYTES:
                            raise UserError(f"{source.url} is larger than {MAX_BYTES / 2**30:.0f} GiB")
                _check(temporary, source.sha256[0], name)
        except (OSError, http.client.HTTPException) as error:
            raise UserError(
                f"{source.url} could not be downloaded", found=error, do="put the file into `data_root` yourself"
            ) from error
    return path


def _check(path: Path, declared: str | None, name: str) -> None:
    if declared and (found := _sha256(path)) != declared:
        raise UserError(
            f"{path} is not the archive that data set {name} names",
            found=f"sha256 {found}",
            expected=f"sha256 {declared}",
            do="download it again, or correct `sha256` of the set",
        )


def _folder_content(root: Path, layout: Layout, unpacked: Path) -> str:
    """Hash of names and bytes of all images and masks; read again only when a name, size or mtime has changed."""
    paths = [
        path
        for kind in (layout.images, layout.masks)
        if kind
        for group in pairing.files(root, kind).values()
        for path in group
    ]
    stats = [(path, (info := os.stat(root / path)).st_size, info.st_mtime_ns) for path in paths]
    listing = _digest(files=stats)
    return _remembered(
        f"{root.absolute()}/",
        listing,
        unpacked,
        lambda: _digest(files=[(path, _sha256(root / path)) for path in paths]),
    )


def _file_hash(path: Path, unpacked: Path) -> str:
    info = path.stat()
    return _remembered(str(path.absolute()), [info.st_size, info.st_mtime_ns], unpacked, lambda: _sha256(path))


def _remembered(key: str, state: object, unpacked: Path, compute) -> str:
    cache = Path(unpacked) / CACHE
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get(key, [None])[0] != state:
        known[key] = [state, compute()]
        write_text(cache, json.dumps(known, indent=1, sort_keys=True) + "\n")
    return known[key][1]


def _list_digest(name: str, data_root: Path | str | None, root: Path | None) -> str | None:
    """None for what is not here and for a list in an archive, whose content says it all."""
    path = name_list(name, data_root, root)
    return None if path is None else _digest(names=pairing.names(path))


def _generator_code() -> str:
    """Hash of what the generators' code does, so that a changed one does not find the files of the old one."""
    return package_code().digest((("pipeline_src.data.synthetic.scenes", "write_set"),)).digest


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joined(hashes: Iterable[str]) -> str:
    """One archive's own sha256, or a hash of several."""
    hashes = list(hashes)
    return hashes[0] if len(hashes) == 1 else _digest(archives=hashes)


def _digest(**parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
