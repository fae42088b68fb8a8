"""Unpacks untrusted archives: they cannot write outside of their folder or fill the disk."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline_src.errors import UserError

MAX_BYTES = 64 * 2**30
MAX_MEMBERS = 1_000_000
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it replaces `path`, which is therefore complete whenever it exists.

    The next call removes what a killed process has left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unpack(archive: Path, into: Path, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS) -> None:
    """Unpack a zip or (compressed) tar archive into the empty folder `into`.

    Only plain files and folders are accepted: no links, devices, absolute names, names that lead out of `into`, or
    duplicate names. The limit is on the bytes written, not on those that the archive declares.

    Raises:
        UserError: the archive is unsafe, broken, encrypted or of another kind; `into` may then hold a part of it.
    """
    size = count = 0
    try:
        for name, file in _members(archive):
            target = into / _safe(name, archive)
            count += 1
            if count > max_members:
                raise _refused(archive, f"more than {max_members:,} members")
            if file is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with file, open(target, "xb") as out:
                while block := file.read(1 << 20):
                    size += len(block)
                    if size > max_bytes:
                        raise _refused(archive, f"more than {max_bytes / 2**30:.3g} GiB")
                    out.write(block)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(archive, f"the duplicate name {os.path.relpath(error.filename, into)}") from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"{archive} could not be unpacked into {into.parent}", found=error) from error
        raise UserError(
            f"archive {archive} is broken",
            found=f"{type(error).__name__}: {error}",
            do="download it again and compare its sha256",
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and open file (None for a folder) of each member."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was made on Windows
                if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, f"{info.filename}, neither file nor folder")
                yield info.filename, None if info.is_dir() else opened.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive, "r:*") as opened:
            for member in opened:
                if not (member.isreg() or member.isdir()):
                    raise _refused(archive, f"{member.name}, neither file nor folder")
                yield member.name, None if member.isdir() else opened.extractfile(member)
    else:
        raise UserError(
            f"{archive} is neither a zip nor a tar archive",
            do="unpack it yourself and give `folder:` instead of `archive:`"
            if archive.suffix in (".rar", ".7z")
            else "download it again",
        )


def _safe(name: str, archive: Path) -> Path:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ":" in parts[0] or ".." in parts or "\0" in name:
        raise _refused(archive, f"the name {name!r}, which leads out of its folder")
    return Path(*parts)


def _refused(archive: Path, found: str) -> UserError:
    return UserError(
        f"archive {archive} is not safe to unpack",
        found=found,
        expected="plain files and folders of bounded size, without duplicate names",
    )
