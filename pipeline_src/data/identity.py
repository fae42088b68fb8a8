"""The identity of a dataset in a fingerprint: digests of files and name lists, and the facts of its entry.

It does not depend on the machine. If the files are missing, as in a clone with pulled results, the identity that
`prepare` recorded is used, as long as the entry is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.data.entry import Entry
from pipeline_src.data.lookup import find_name_list, read_name_list
from pipeline_src.data.sources import Located, MissingSourceError, hash_of, locate

PROSE = {"get", "download", "mirror", "note"}  # keys of a source that do not change the samples


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
        prepared: the folder that `prepare` wrote for the dataset, which counts if no source is available.

    Raises:
        MissingSourceError: no source is available, and the dataset was not prepared by the same entry.
    """
    try:
        return Identity(parameters(entry, locate(entry, data_root, unpacked), data_root))
    except MissingSourceError as missing:
        recorded = _recorded(prepared)
        if recorded.get("entry") != _entry_digest(entry):
            raise
        reason = str(missing).partition("\n")[0]
        if data_root is not None and not Path(data_root).expanduser().is_dir():
            reason = f"{reason}: there is no folder {data_root}"
        return Identity(recorded["parameters"], f"{reason}, so it can't be checked here")


def summary(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, Any]:
    """The part of summary.json by which a dataset is identified without its files."""
    return {"entry": _entry_digest(entry), "parameters": parameters(entry, located, data_root)}


def parameters(entry: Entry, located: Located, data_root: Path | str | None) -> dict[str, Any]:
    """The parameters of an `Identity`."""
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
    """A digest of a name list; None if it is missing or inside an archive, whose hash covers it."""
    path = find_name_list(file, data_root, root)
    return None if path is None else hash_of(names=read_name_list(path))


def _entry_digest(entry: Entry) -> str:
    """A digest of all facts of an entry that choose its samples."""
    sources = {key: source.model_dump(mode="json", exclude=PROSE) for key, source in entry.sources.items()}
    shared = entry.model_dump(mode="json", include={"ood", "images", "masks", "foreground", "splits"})
    return hash_of(sources=sources, **shared)


def _recorded(prepared: Path | None) -> dict[str, Any]:
    """The `summary` of a prepared dataset; empty if it was not prepared."""
    try:
        return dict(json.loads((Path(prepared or "") / "summary.json").read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}
