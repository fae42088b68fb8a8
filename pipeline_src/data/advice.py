"""What to know of getting a data set: told to a user, and no part of any result."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.data.entry import Entry
from pipeline_src.data.lookup import find_name_list

NOT_UNPACKED = (".rar", ".7z")  # by this program


def notes(entry: Entry, data_root: Path | str | None) -> list[str]:
    """Notes on the sources of a set, and its archives in the folder of downloads that have to be unpacked by hand."""
    lines = [f"{source.label}: {source.note}" for source in entry.sources.values() if source.note]
    folder = next((source.folder for source in entry.sources.values() if source.folder), entry.name)
    if not data_root:
        return lines
    root = Path(data_root).expanduser()
    for file in (file for place in (root, root / "archives") for file in sorted(place.glob("*.*"))):
        if file.suffix.lower() in NOT_UNPACKED and file.stem.lower() == entry.name.lower():
            lines.append(f"{file} cannot be unpacked by this program: unpack it into {root / folder}/")
    return lines


def origin(entry: Entry, file: str) -> str:
    """Where to get a name list, as the end of a line; empty where that is not known."""
    return f" (it is {entry.lists[file]})" if file in entry.lists else ""


def missing_lists(entry: Entry, source: str | None, data_root: Path | str | None) -> list[str]:
    """A line for each name list that the splits of a source need, that is not here and whose origin is known."""
    splits = entry.splits_of(entry.sources[source]) if source else {}
    lines = []
    for file in (file for file in entry.lists if not find_name_list(file, data_root, None)):
        if users := [name for name, split in splits.items() if file in split.names]:
            lines.append(
                f"split {' and '.join(users)} needs the name list {file}{origin(entry, file)}: put it under this name "
                f"into {data_root} or its sub-folder splits/"
            )
    return lines


def roles(entry: Entry) -> list[str]:
    """What a set is for: by default a set without objects is ood alone, and one with objects is all but that."""
    if "roles" in entry.model_fields_set:
        return [*entry.roles]
    return [role for role in entry.roles if entry.ood == (role == "ood")]
