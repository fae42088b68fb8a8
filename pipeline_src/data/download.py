"""Archives of datasets, downloaded from the addresses of their entry and checked."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pooch

from pipeline_src.data.entry import Entry
from pipeline_src.data.lookup import find_path
from pipeline_src.data.sources import available_source, download_notes
from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable


class Archive(NamedTuple):
    """A file of a dataset: its name, the addresses of authors and mirrors, and its digest, if that is known."""

    name: str
    addresses: tuple[str, ...]
    sha256: str | None


def archives(entry: Entry) -> list[Archive]:
    """The archives of the first source that can be downloaded; none if there is no such source.

    Raises:
        UserError: the entry's addresses do not fit its archives.
    """
    source = next((source for source in entry.sources.values() if source.download), None)
    if source is None:
        return []
    mirrors, hashes = source.mirror or ("",) * len(source.archive), source.sha256 or (None,) * len(source.archive)
    if len(source.download) != len(source.archive) or len(mirrors) != len(source.archive):
        raise UserError(
            f"dataset {entry.name}: `download` and `mirror` do not fit `archive`",
            found=f"{len(source.archive)} archives, {len(source.download)} addresses, {len(source.mirror)} mirrors",
            expected="an address for each archive",
        )
    if source.mirror and not all(hashes):
        raise UserError(f"dataset {entry.name}: `mirror` needs the `sha256` of each archive")
    return [
        Archive(Path(name).name, tuple(filter(None, addresses)), expected)
        for name, *addresses, expected in zip(source.archive, source.download, mirrors, hashes, strict=True)
    ]


def download(entry: Entry, folder: Path) -> list[Path]:
    """Download the missing archives of a dataset into the folder of downloads; returns the new files.

    Raises:
        UserError: the dataset has no address, no address gives the right file, or the folder is not writable.
    """
    if entry.generated or available_source(entry, folder):
        return []
    missing = archives(entry)
    if not missing:
        raise UserError(
            f"dataset {entry.name} cannot be downloaded by a command",
            found="no address of a file: its authors ask for a click or a registration, or it is passed on by hand",
            expected=f"one of these in {folder}:{listed(source.description for source in entry.sources.values())}",
            fix="get it by hand and put it there" + listed(download_notes(entry, folder)),
        )
    check_writable(folder)
    return [_fetch(entry, archive, folder) for archive in missing if not find_path(archive.name, folder, "archives")]


def _fetch(entry: Entry, archive: Archive, folder: Path) -> Path:
    """Download an archive from the first address that gives it."""
    known_hash, failures = f"sha256:{archive.sha256}" if archive.sha256 else None, []
    for address in archive.addresses:
        try:
            path = Path(pooch.retrieve(address, known_hash, archive.name, folder, progressbar=True))
        except (OSError, ValueError) as error:  # no connection, no such file, another sha256
            failures.append(f"{address}: {error}")
            continue
        if archive.sha256 or zipfile.is_zipfile(path) or tarfile.is_tarfile(path):
            return path
        path.unlink()
        failures.append(f"{address}: a file that is no zip or tar archive")
    page = next((source.get for source in entry.sources.values() if source.get), "unknown")
    raise UserError(
        f"dataset {entry.name}: {archive.name} could not be downloaded",
        found=listed(failures).lstrip(),
        expected=f"{folder / archive.name}" + (f" with sha256 {archive.sha256}" if archive.sha256 else ""),
        fix=f"start the same command again, or put the file there by hand; its authors' page is {page}",
    )
