"""Downloads of archives and name lists whose authors give an address."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from pipeline_src.data.entry import Entry, Source
from pipeline_src.data.pairing import find_name_list, find_path
from pipeline_src.data.sources import available_source
from pipeline_src.errors import UserError, listed


def downloadable(entry: Entry) -> Source | None:
    """Return the first source of a dataset whose archives have addresses; None if there is none."""
    return next((source for source in entry.sources.values() if source.download), None)


def download(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing archives of a dataset into the folder of downloads; return the new files.

    Raises:
        UserError: the dataset has no address, an address does not give the right file, or the folder is not writable.
    """
    if (source := downloadable(entry)) is None:
        notes = [f"{source.description} {source.note}" for source in entry.sources.values()]
        raise UserError(
            f"dataset {entry.name} cannot be downloaded by a command",
            found="no address of a file: its authors ask for a click or a registration, or it is passed on by hand",
            expected=f"one of these in {folder}:{listed(notes)}",
            fix="get it by hand and put it there",
        )
    declared = source.sha256 or (None,) * len(source.archive)
    return [
        _fetch(address, folder / name, digest)
        for name, address, digest in zip(source.archive, source.download, declared, strict=True)
        if not find_path(name, folder, "archives")
    ]


def download_lists(entry: Entry, folder: Path) -> list[Path]:
    """Download the name lists that the splits of the available source lack; return the new files."""
    key = available_source(entry, folder)
    lists = entry.sources[key].lists if key else {}
    absent = [name for name in lists if not find_name_list(name, folder, None)]
    return [_fetch(lists[name].download, folder / name, lists[name].sha256) for name in absent]


def _fetch(address: str, path: Path, declared: str | None) -> Path:
    import pooch  # not needed at every start

    try:
        known = f"sha256:{declared}" if declared else None
        pooch.retrieve(address, known, path.name, path.parent, progressbar=True)
        if not (declared or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
            path.unlink()
            raise ValueError("a file that is no zip or tar archive")
    except (OSError, ValueError) as error:  # no connection, no such file, another sha256
        raise UserError(
            f"{path.name} could not be downloaded from {address}",
            found=error,
            expected=f"a file with sha256 {declared}" if declared else "a zip or tar archive",
            fix=f"start the same command again, or put the file there by hand: {path}",
        ) from error
    return path
