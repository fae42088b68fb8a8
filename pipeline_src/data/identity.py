"""What identifies a set's data in a contract: its files, its name lists, and what its entry says about them.

Nothing of it belongs to this machine. Where the files are not here, as in a clone with pulled results, they count as
those that the set was prepared from, as long as the entry still names them; the entry itself counts always.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.data.content_hash import hash_of, hash_of_archives
from pipeline_src.data.entry import Entry, Layout, Source
from pipeline_src.data.lookup import find_name_list, read_name_list
from pipeline_src.data.sources import Located, MissingSourceError, locate


@dataclass(frozen=True)
class Identity:
    """What `prepare` reads of a set.

    Attributes:
        parameters: of the contract, in JSON's types: `set`, `ood`, `content` (64 hex digits for the files), `layout`,
            `count`, and `splits` with a digest for each name list.
        unchecked: why the files cannot be checked here; empty where they are here.
    """

    parameters: Mapping[str, Any]
    unchecked: str = ""


def identify(entry: Entry, data_root: Path | str | None, unpacked: Path, prepared: Path | None = None) -> Identity:
    """The identity of a set.

    Args:
        data_root: the user's folder of downloads.
        unpacked: cache folder.
        prepared: the set's manifest folder; its summary counts if no source is available.

    Raises:
        MissingSourceError: no source is available, and the set was not prepared.
    """
    try:
        located = locate(entry, data_root, unpacked)
    except MissingSourceError as missing:
        recorded = _recorded(prepared)
        if recorded is None:
            raise
        return _from_recorded(entry, data_root, recorded, missing)
    return Identity(
        _parameters(entry, located.source, located.layout, located.content, _lists(entry, located, data_root))
    )


def summary(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, Any]:
    """What summary.json keeps, so that the set can be identified without its files."""
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
    """A digest for each name list; None for a missing one, and one in an archive, which the archive's hash covers."""
    return {file: _list_digest(file, data_root, located.root) for file in _files(entry, located.source)}


def _list_digest(file: str, data_root: Path | str | None, root: Path | None) -> str | None:
    path = find_name_list(file, data_root, root)
    return None if path is None else hash_of(names=read_name_list(path))


def _files(entry: Entry, source: Source) -> list[str]:
    return list(dict.fromkeys(file for split in entry.splits_of(source).values() for file in split.names))


def _place(entry: Entry, source: Source) -> str:
    """A digest for where the entry says that the files are."""
    layout = entry.layout(source)
    paths = [layout.images, layout.masks] if source.kind == "paths" else []
    return hash_of(archive=source.archive, folder=source.folder, paths=paths)


def _recorded(prepared: Path | None) -> dict[str, Any] | None:
    """What `summary` gave when the set was prepared; None if it was not."""
    file = Path(prepared) / "summary.json" if prepared else None
    if file is None or not file.is_file():
        return None
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        recorded = {key: summary["identity"][key] for key in ("place", "content")} | {"source": str(summary["source"])}
        layout, lists = (dict(summary["identity"][key]) for key in ("layout", "lists"))
        return recorded | {"layout": Layout(**layout), "lists": lists}
    except (OSError, ValueError, KeyError, TypeError):  # of an older version, or damaged
        return None


def _from_recorded(
    entry: Entry, data_root: Path | str | None, recorded: Mapping[str, Any], missing: MissingSourceError
) -> Identity:
    """The identity by today's entry and the files that the set was prepared from."""
    source = entry.sources.get(recorded["source"]) or next(iter(entry.sources.values()))
    layout, place, changed = entry.layout(source), _place(entry, source), []
    declared = hash_of_archives(source.sha256) if source.sha256 and all(source.sha256) else None
    if source.kind == "paths" and place == recorded["place"]:
        layout = recorded["layout"].model_copy(update={"foreground": layout.foreground})
    content = declared or (recorded["content"] if place == recorded["place"] else f"not here: {place}")
    if content != recorded["content"]:
        changed.append("other files")
    lists = {}
    for file in _files(entry, source):
        lists[file] = _list_digest(file, data_root, None) or recorded["lists"].get(file, f"not here: {file}")
        changed += [file] * (file not in recorded["lists"])
    where = str(missing).partition("\n")[0]
    if data_root is not None and not Path(data_root).expanduser().is_dir():
        where = f"{where}: there is no folder {data_root}"
    since = f"; its entry names {' and '.join(changed)} since it was prepared" if changed else ""
    return Identity(_parameters(entry, source, layout, content, lists), f"{where}, so it can't be checked here{since}")
