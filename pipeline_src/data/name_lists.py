"""Whether the name lists of an experiment's parts are at hand. Not everyone has all lists that the catalog names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline_src.data import pairing, sources
from pipeline_src.data.catalog import ALL, Entry, Part, Split
from pipeline_src.data.known import Known
from pipeline_src.errors import UserError, listed


def check(
    entries: Mapping[str, Entry], parts: Mapping[str, tuple[Part, str]], data_root: Path | str | None, unpacked: Path
) -> None:
    """Make sure that the lists of all parts (with their roles, by name) are here.

    Raises:
        UserError: naming all lists that are missing, and where they are looked for.
    """
    missing = [
        f"{file}, for {name}: split {part.split} of {part.set}"
        for name, (part, _) in parts.items()
        for file in missing_lists(entries[part.set], part.split, data_root, unpacked)
    ]
    if missing:
        raise UserError(
            f"name lists are not here:{listed(missing)}",
            expected=f"text files, one image name a line, in {data_root} or its sub-folder splits/",
            do=f"put them there, or choose other splits under `data:` of the experiment (`{ALL}` needs no list)",
        )


def missing_lists(entry: Entry, split: str, data_root: Path | str | None, unpacked: Path) -> list[str]:
    """Lists that a split needs and that are nowhere; none as long as they may be in an archive not yet unpacked."""
    every = {file for source in entry.sources.values() for file in _needed(split, entry.splits_of(source))}
    if all(sources.name_list(file, data_root, None) for file in every):  # quick, and usual
        return []
    try:
        located = sources.locate(entry, data_root, unpacked)
    except sources.Absent:  # results of another machine need no data
        return []
    root = located.root or sources.cached(entry.name, located.content, unpacked)
    lists = dict.fromkeys(_needed(split, entry.splits_of(located.source)))
    return [file for file in lists if root.is_dir() and not sources.name_list(file, data_root, root)]


def _needed(name: str, splits: Mapping[str, Split]) -> list[str]:
    if name not in splits:
        return []
    split = splits[name]
    return [*split.names, *(file for other in (split.of, split.without) if other for file in _needed(other, splits))]


def usual(entry: Known, data_root: Path | str | None) -> set[str] | None:
    """Names of the images on which others report their numbers; None where the set has no list, or it is absent."""
    path = sources.look_up(entry.names, data_root, "splits") if entry.names else None
    return None if path is None else set(pairing.names(path))
