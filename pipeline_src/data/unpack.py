"""Unpacks untrusted archives: they cannot write outside of their folder or fill the disk."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline_src.errors import UserError
from pipeline_src.files import check_writable, fault, writing
from pipeline_src.params.schema import LIMITS, Limits

# Blocks of a tar archive that hold no file, but a long name of one: tarfile reads them whole, whatever size they claim.
EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
MAX_EXTENSION = 1 << 20  # bytes


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it replaces `path`, which is therefore complete whenever it exists.

    The next call removes what a killed process has left.

    Raises:
        UserError: the disk is full, or the folder above not writable.
    """
    temporary = path.parent / f".{path.name}.partial"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    try:
        with writing(path):
            yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unpack(archive: Path, into: Path, limits: Limits = LIMITS) -> None:
    """Unpack a zip or (compressed) tar archive into the empty (or new) folder `into`.

    Only plain files and folders are accepted: no links, devices, absolute names, names that lead out of `into`, or
    duplicate names. The limits are on what the archive declares, if that is known before, and on what is written.

    Raises:
        UserError: the archive is unsafe, broken, encrypted or of another kind; `into` may then hold a part of it.
    """
    if reason := fault(archive):
        raise UserError(f"archive {archive} {reason}", expected="a zip or tar archive", do="get the file again")
    try:
        _extract(archive, into, limits)
    except UserError:
        raise
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(archive, f"the duplicate name {os.path.relpath(error.filename, into)}") from error
    except Exception as error:  # whatever a foreign or broken file makes tarfile, zipfile and their like raise
        if isinstance(error, OSError) and error.errno is not None:
            with writing(into):
                raise UserError(
                    f"archive {archive} could not be unpacked into {into}",
                    found=error,
                    expected="names and sizes that the disk can take",
                    do="unpack it elsewhere, and give `folder:` instead of `archive:`",
                ) from error
        raise UserError(
            f"archive {archive} is broken",
            found=f"{type(error).__name__}: {error}",
            expected="a whole zip or tar archive, not encrypted",
            do="if it was downloaded, remove it, download it again and compare its sha256",
        ) from error


def broken(archive: Path) -> str | None:
    """Why a file is no whole archive, as far as can be told without unpacking it; None where nothing is wrong."""
    try:
        if zipfile.is_zipfile(archive):  # by the end of the file, where its list of members is
            with zipfile.ZipFile(archive):
                return None
        if not tarfile.is_tarfile(archive):
            with open(archive, "rb") as file:
                return f"{archive.stat().st_size:,} bytes, which begin with {file.read(8)!r}"
        _has_end(archive)
    except Exception as error:  # whatever a foreign or broken file makes tarfile, zipfile and their like raise
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


def maybe_cut(archive: Path) -> str | None:
    """A sentence on a tar archive that was cut off between two members, or written by one of the few programs that mark
    no end; None for others."""
    try:
        if zipfile.is_zipfile(archive) or _has_end(archive):
            return None
    except Exception:  # `broken` says what is wrong
        return None
    return (
        f"{archive} may be cut off: a tar archive should have zeros behind its last file. "
        "Compare the number of its files with what its authors say"
    )


def _has_end(archive: Path) -> bool:
    """Whether the last member of a tar archive is followed by a block of zeros; also where it is too large to tell."""
    with tarfile.open(archive, "r:*", tarinfo=_Member) as opened:
        while opened.next():
            opened.members.clear()
            if opened.offset >= LIMITS.archive_bytes:
                return True
        return opened.fileobj is None or opened.fileobj.tell() > opened.offset


def _extract(archive: Path, into: Path, limits: Limits) -> None:
    into.mkdir(parents=True, exist_ok=True)
    size, folders = 0, {into}
    for count, (name, file) in enumerate(_members(archive, into, limits), 1):
        target = into / _safe(name, archive)
        _check_limit(archive, "archive_members", count, limits)
        folder = target if file is None else target.parent
        if folder not in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folders.add(folder)
        if file is None:
            continue
        with file, open(target, "xb") as out:
            while block := file.read(1 << 20):
                size += len(block)
                _check_limit(archive, "archive_bytes", size, limits)
                out.write(block)


def _members(archive: Path, into: Path, limits: Limits) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and open file (None for a folder) of each member."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            _check_limit(archive, "archive_members", len(opened.infolist()), limits)
            declared = sum(info.file_size for info in opened.infolist())
            _check_limit(archive, "archive_bytes", declared, limits)
            check_writable(into, declared, f"what {archive} holds")
            for info in opened.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was made on Windows
                if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, f"{info.filename}, neither file nor folder")
                yield info.filename, None if info.is_dir() else opened.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive, "r:*", tarinfo=_Member) as opened:
            while member := opened.next():
                opened.members.clear()  # else the memory grows with their number
                if not (member.isreg() or member.isdir()):
                    raise _refused(archive, f"{member.name}, neither file nor folder")
                yield member.name, None if member.isdir() else opened.extractfile(member)
    else:
        with open(archive, "rb") as file:
            begins = file.read(8)
        raise UserError(
            f"{archive} is neither a zip nor a tar archive",
            found=f"{archive.stat().st_size:,} bytes, which begin with {begins!r}",
            expected="a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz",
            do="unpack it yourself and give `folder:` instead of `archive:`"
            if begins.startswith((b"Rar!", b"7z\xbc\xaf"))
            else "if it was downloaded, remove it and download it again",
        )


class _Member(tarfile.TarInfo):
    """A member whose extension blocks are of bounded size."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in EXTENSIONS and self.size > MAX_EXTENSION:
            raise tarfile.ReadError(f"a name or header of {self.size:,} bytes")
        return super()._proc_member(tar)


def _check_limit(archive: Path, key: str, number: int, limits: Limits) -> None:
    if number > (limit := getattr(limits, key)):
        of = {"archive_members": "members", "archive_bytes": "bytes unpacked"}[key]
        raise UserError(
            f"archive {archive} is larger than the limit",
            found=f"{number:,} {of}, or more",
            expected=f"at most {limit:,}",
            do=f"if it is what you want to unpack, write `limits: {{{key}: N}}` with a larger N into params.yaml",
        )


def _safe(name: str, archive: Path) -> Path:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ":" in parts[0] or ".." in parts or "\0" in name:
        raise _refused(archive, f"the name {name!r}, which leads out of its folder")
    return Path(*parts)


def _refused(archive: Path, reason: str) -> UserError:
    return UserError(
        f"archive {archive} is not safe to unpack",
        found=reason,
        expected="plain files and folders of bounded size, without duplicate names",
        do="get it from another source, or unpack it yourself, look into it, and give `folder:` instead of `archive:`",
    )
