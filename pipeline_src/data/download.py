"""Archives of data sets, downloaded from the addresses of their entry: whole, checked and resumable.

A file is written under its name with the suffix `.part`, and gets its own name when it is whole and its SHA-256 right;
where that is not known, when it is an archive up to its end, whatever size the server tells.
A download that was stopped goes on where it stopped, if the server says that the file is still the same.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import sleep

from pipeline_src.data import advice
from pipeline_src.data.entry import Entry, Source
from pipeline_src.data.lookup import find_path
from pipeline_src.data.sources import available_source
from pipeline_src.data.unpack import broken
from pipeline_src.errors import UserError, listed
from pipeline_src.files import SPACE, check_writable, flush, sha256, writing
from pipeline_src.locks import alone

BLOCK = 1 << 20  # bytes
SILENCE = 60  # seconds without a byte, after which a connection counts as broken
ATTEMPTS = 3
WAIT = 2  # seconds before the next attempt
Progress = Callable[[str, int, int | None], None]  # name of the file, bytes that are here, all bytes if known


class _FailedError(Exception):
    """An address that does not give the file, in words."""


class _BrokenError(_FailedError):
    """A connection that ended early."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to other addresses of the web alone; urllib's own goes to ftp, too."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not re.match(r"https?://", newurl, re.IGNORECASE):
            raise _FailedError(f"the server sends on to {newurl}, which is not a web address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


OPENER = urllib.request.build_opener(_Redirects)


@dataclass(frozen=True)
class Archive:
    """A file of a data set.

    Attributes:
        name: of the file.
        addresses: of the authors first, then of mirrors.
        sha256: of the file, None if it is not known.
    """

    name: str
    addresses: tuple[str, ...]
    sha256: str | None = None


def archives(entry: Entry) -> list[Archive]:
    """The archives of the first source that can be downloaded; none if there is no such source.

    Raises:
        UserError: the entry's addresses do not fit its archives.
    """
    source = next((source for source in entry.sources.values() if source.download), None)
    if source is None:
        return []
    _check(entry, source)
    mirrors = source.mirror or ("",) * len(source.archive)
    hashes = source.sha256 or (None,) * len(source.archive)
    return [
        Archive(Path(name).name, tuple(filter(None, of)), expected)
        for name, *of, expected in zip(source.archive, source.download, mirrors, hashes, strict=True)
    ]


def download(entry: Entry, folder: Path, progress: Progress) -> list[Path]:
    """Download what a data set lacks into the folder of downloads; returns the files that were downloaded.

    Raises:
        UserError: the set has no address, no address gives a right file, or the folder cannot be written to. The
            message says what to put where.
    """
    if entry.generated or available_source(entry, folder):
        return []
    wanted = archives(entry)
    if not wanted:
        raise UserError(
            f"data set {entry.name} cannot be downloaded by a command",
            found="no address of a file: its authors ask for a click or a registration, or it is passed on by hand",
            expected=f"one of these in {folder}:{listed(source.description for source in entry.sources.values())}",
            do="get it by hand and put it there" + listed(advice.notes(entry, folder)),
        )
    made = []
    for archive in wanted:
        if not find_path(archive.name, folder, "archives"):
            made.append(_get(entry, archive, folder / archive.name, progress))
    return made


def _get(entry: Entry, archive: Archive, target: Path, progress: Progress) -> Path:
    check_writable(target.parent)
    part, failures = target.with_name(f"{target.name}.part"), []
    busy = UserError(
        f"{part} is being written by another process",
        expected="one download of a file at a time",
        do="wait for the other command, or stop it and start this one again",
    )
    with alone(str(part), part.with_name(f".{part.name}.lock"), busy):
        for address in archive.addresses:
            try:
                _fetch(address, part, archive.sha256, progress)
            except _FailedError as error:
                failures.append(f"{address}: {error}")
                continue
            _validator_of(part).unlink(missing_ok=True)
            flush(part)
            os.replace(part, target)
            return target
    here = f"; {part.stat().st_size:,} bytes are kept in {part}" if part.exists() else ""
    raise UserError(
        f"data set {entry.name}: {archive.name} could not be downloaded",
        found=f"{listed(failures).lstrip()}{here}",
        expected=f"{target}" + (f" with sha256 {archive.sha256}" if archive.sha256 else ""),
        do=f"start the same command again, which goes on where it stopped, or put the file there by hand; "
        f"its authors' page is {_page(entry)}",
    )


def _fetch(address: str, part: Path, expected: str | None, progress: Progress) -> None:
    """Write the file at an address to `part`; _FailedError if it is not there, not whole or another file."""
    for attempt in range(ATTEMPTS):
        try:
            with writing(part):
                _receive(address, part, expected is not None, progress)
            break
        except _BrokenError:
            if attempt + 1 == ATTEMPTS:
                raise
            sleep(WAIT)
    if expected and (actual := sha256(part)) != expected:
        _discard(part)
        raise _FailedError(f"it is another file, sha256 {actual}")
    if not expected and (wrong := broken(part)):
        _discard(part)
        raise _FailedError(f"it is not a complete zip or tar archive: {wrong}")


def _receive(address: str, part: Path, checked: bool, progress: Progress) -> None:
    """One attempt, from where the last one stopped."""
    offset, validator = _state(part)
    headers = {"User-Agent": "dense-calibration", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    try:
        with OPENER.open(urllib.request.Request(address, headers=headers), timeout=SILENCE) as answer:
            offset, total = _start(answer, offset)
            if total is None and not (answer.chunked or checked):
                raise _FailedError("the server does not tell its size, so that a part looks like the whole")
            check_writable(part.parent, max(SPACE, (total or 0) - offset))
            with open(part, "r+b" if offset else "wb") as file:
                version = answer.headers["ETag"] or answer.headers["Last-Modified"] or ""
                _validator_of(part).write_text(version, "latin-1")  # now that bytes of another version are gone
                file.seek(offset)
                while block := answer.read(BLOCK):
                    file.write(block)
                    progress(part.stem, file.tell(), total)
                here = file.tell()
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left, or another file is there now
            _discard(part)
            raise _BrokenError("it is shorter than what is here of it") from None
        raise _FailedError(f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _BrokenError(f"no connection: {error.reason}") from None
    except (HTTPException, ConnectionError, TimeoutError) as error:  # before an answer, or in the middle of it
        raise _BrokenError(f"the connection broke: {error}") from None
    except ValueError as error:  # of an address, the entry's or one that the server sends on to
        raise _FailedError(f"not a web address: {error}") from None
    if total is not None and here != total:
        raise _BrokenError(f"the connection ended after {here:,} of {total:,} bytes")
    if not here:
        raise _FailedError("an empty file is there")


def _start(answer: HTTPResponse, asked: int) -> tuple[int, int | None]:
    """Where the first byte of an answer belongs, and the size of the whole file if it is known."""
    if answer.headers.get_content_type() == "text/html":
        raise _FailedError("a web page is there, and no archive")
    if answer.status == 206:
        match = re.fullmatch(rf"bytes {asked}-\d+/(\d+|\*)", given := answer.headers["Content-Range"] or "")
        if not match:
            raise _FailedError(f"the server was asked for the bytes from {asked} on, and sends {given or 'others'}")
        return asked, None if match[1] == "*" else int(match[1])
    return 0, answer.length


def _state(part: Path) -> tuple[int, str]:
    """How much of a file is here, and what tells that it is still the same; nothing counts without the latter."""
    validator_file = _validator_of(part)
    validator = validator_file.read_text("latin-1") if validator_file.exists() and part.exists() else ""
    if not validator or not validator.isprintable() or validator.startswith("W/"):  # a weak one allows other bytes
        return 0, ""
    return part.stat().st_size, validator


def _validator_of(part: Path) -> Path:
    return part.with_name(f".{part.name}.version")


def _discard(part: Path) -> None:
    for file in (part, _validator_of(part)):
        file.unlink(missing_ok=True)


def _page(entry: Entry) -> str:
    return next((source.get for source in entry.sources.values() if source.get), "not known")


def _check(entry: Entry, source: Source) -> None:
    addresses = [*source.download, *source.mirror]
    wrong = [address for address in addresses if not re.match(r"https?://", address)]
    if len(source.download) != len(source.archive) or wrong:
        raise UserError(
            f"data set {entry.name}: `download` does not fit `archive`",
            found=f"{len(source.archive)} archives and {len(source.download)} addresses{listed(wrong)}",
            expected="an address for each archive, with http:// or https://",
            do="correct the entry under `datasets:` in params.yaml",
        )
    if source.mirror and (len(source.mirror) != len(source.archive) or not all(source.sha256 or [None])):
        raise UserError(
            f"data set {entry.name}: `mirror` needs `sha256`",
            found=f"{len(source.mirror)} mirrors, {len(source.archive)} archives, sha256 {source.sha256 or 'unknown'}",
            expected="a mirror for each archive, and the sha256 of each: others may have changed the file",
            do="give `sha256`, or leave out `mirror`",
        )
