"""The identity of a dataset in a fingerprint: digests of files and name lists, and the facts of its entry.

It does not depend on the machine. If the files are missing, as in a clone with pulled results, the digests of the
files that the dataset was prepared from are used, as long as the entry names the same files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.lookup import find_name_list, read_name_list
from pipeline_src.data.sources import Located, MissingSourceError, hash_of, hash_of_archives, locate


@dataclass(frozen=True)
class Identity:
    """The input of `prepare` for a dataset.

    Attributes:
        parameters: in JSON's types: `set`, `ood`, `content` (64 hex digits for the files), `layout`, `count`, and
            `splits` with a digest for each name list.
        unchecked: the reason why the files cannot be checked; empty if they are available.
    """

    parameters: Mapping[str, Any]
    unchecked: str = ""


def identify(entry: Entry, data_root: Path | str | None, unpacked: Path, prepared: Path | None = None) -> Identity:
    """The identity of a dataset.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        prepared: the dataset's manifest folder; its summary counts if no source is available.

    Raises:
        MissingSourceError: no source is available, and the dataset was not prepared.
    """
    try:
        located = locate(entry, data_root, unpacked)
    except MissingSourceError as missing:
        recorded = _recorded(prepared)
        if recorded is None:
            raise
        where = str(missing).partition("\n")[0]
        if data_root is not None and not Path(data_root).expanduser().is_dir():
            where = f"{where}: there is no folder {data_root}"
        return Identity(_from_recorded(entry, data_root, recorded), f"{where}, so it can't be checked here")
    lists = _lists(entry, located, data_root)
    return Identity(_parameters(entry, located.source, located.layout, located.content, lists))


def summary(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, Any]:
    """The part of summary.json by which a dataset is identified without its files."""
    return {
        "place": _place(entry, located.source),
        "layout": located.layout.model_dump(mode="json"),
        "content": located.content,
        "lists": _lists(entry, located, data_root),
    }


def _parameters(
    entry: Entry, source: Source, layout: Layout, content: str, lists: Mapping[str, str | None]
) -> dict[str, Any]:
    splits = {
        name: {**split.model_dump(exclude={"names"}), "names": [lists[file] for file in split.names]}
        for name, split in sorted(entry.splits_of(source).items())
    }
    return {
        "set": entry.name,
        "ood": entry.ood,
        "content": content,
        "layout": layout.model_dump(),
        "count": source.count,
        "splits": splits,
    }


def _lists(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, str | None]:
    """A digest for each name list; None for lists that are missing or inside an archive, whose hash covers them."""
    return {file: _list_digest(file, data_root, located.root) for file in _files(entry, located.source)}


def _list_digest(file: str, data_root: Path | str | None, root: Path | None) -> str | None:
    path = find_name_list(file, data_root, root)
    return None if path is None else hash_of(names=read_name_list(path))


def _files(entry: Entry, source: Source) -> list[str]:
    return list(dict.fromkeys(file for split in entry.splits_of(source).values() for file in split.names))


def _place(entry: Entry, source: Source) -> str:
    """A digest of the names of the files in the entry."""
    layout = entry.layout(source)
    paths = [layout.images, layout.masks] if source.kind == "paths" else []
    return hash_of(archive=source.archive, folder=source.folder, paths=paths)


def _recorded(prepared: Path | None) -> dict[str, Any] | None:
    """The `summary` of a prepared dataset and the key of its source; None if it was not prepared."""
    try:
        summary = json.loads((Path(prepared or "") / "summary.json").read_text(encoding="utf-8"))
        return {"source": summary["source"], **summary["identity"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _from_recorded(entry: Entry, data_root: Path | str | None, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by today's entry and the files that the dataset was prepared from."""
    source = entry.sources.get(recorded["source"]) or next(iter(entry.sources.values()))
    layout, place = entry.layout(source), _place(entry, source)
    if source.kind == "paths" and place == recorded["place"]:
        layout = Layout(**recorded["layout"]).model_copy(update={"foreground": layout.foreground})
    content = recorded["content"] if place == recorded["place"] else f"not here: {place}"
    if source.sha256 and all(source.sha256):
        content = hash_of_archives(map(str, source.sha256))
    lists = {
        file: _list_digest(file, data_root, None) or recorded["lists"].get(file, f"not here: {file}")
        for file in _files(entry, source)
    }
    return _parameters(entry, source, layout, content, lists)
