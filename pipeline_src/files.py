"""Atomic writes of files, faults of paths and disks, and digests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
SPARE = 1 << 20  # bytes; a disk with fewer counts as full
DIGITS = 8  # significant digits of measured numbers in tables and JSON; the last of 17 depend on the processor
SUMS = ".sha256"  # suffix of the file with the digests of a result


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success flush it to disk and rename it to `path`.

    A reader of `path` sees the old file or the new one, never a part of either, also after a power cut.

    Raises:
        UserError: the disk is full, or the folder is not writable. The old file is unchanged.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept, since numpy and matplotlib choose a format by it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:100]}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            with writing(path):  # checked before the temporary file frees its space
                yield temporary
                flush(temporary)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # mkstemp makes private files
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder next to `path`; on success it replaces the folder `path`.

    Raises:
        UserError: the disk is full, or the folder above is not writable.
    """
    new = path.with_name(f".{path.name}.partial")
    with writing(path):
        shutil.rmtree(new, ignore_errors=True)  # of a killed command
        new.mkdir(parents=True)
    try:
        with writing(path):
            yield new
        if path.exists():
            shutil.rmtree(path)
        os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a UserError that names the file or folder `path` if the disk is full or its folder is not writable.

    numpy and torch raise errors of their own type on a full disk.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number, name = (error.errno, error.filename) if isinstance(error, OSError) else (None, None)
        if number in FULL or _free(path) < SPARE:
            raise UserError(
                f"{path} could not be written: the disk is full",
                found=f"{_free(path) / 2**20:.1f} MiB free; {error}",
                expected="space for the file; the earlier file is unchanged",
                fix="free some space, and start the same command again",
            ) from error
        parent = str(path.parent)
        if number in READ_ONLY and (str(name or path) in parent or parent in str(name or path)):
            raise UserError(
                f"{path} could not be written: its folder is not writable",
                found=error,
                expected=f"write permission in {parent}",
                fix="change the permissions, or name another folder",
            ) from error
        raise


def check_writable(folder: Path, needed: int = SPARE, what: str = "the result", fix: str = "free some space") -> None:
    """Create `folder` if necessary, and check that files can be written there.

    Args:
        needed: bytes that must be free.
        what: the content of the folder, for the error.
        fix: advice for a disk that is too small.

    Raises:
        UserError: a file is in the place of the folder, it is not writable, or the disk is full.
    """
    if blocking := next((path for path in (folder, *folder.parents) if path.is_file()), None):
        raise UserError(
            f"{blocking} is a file, and {what} belongs into the folder {folder}",
            expected="a folder that can be created and written",
            fix=f"move {blocking} away",
        )
    with writing(folder / "*"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    if (free := _free(folder / "*")) < needed:
        raise UserError(
            f"the disk is nearly full: {what} does not fit into {folder}",
            found=f"{free / 2**20:,.1f} MiB free",
            expected=f"{needed / 2**20:,.0f} MiB or more",
            fix=f"{fix}, and start the same command again",
        )


def _free(path: Path) -> int:
    """Bytes that are free where `path` is to be."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free


def fault(path: Path) -> str | None:
    """Why `path` cannot be read as a file, such as "is a folder"; None for a file."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if stat.S_ISREG(mode) else "is a folder" if stat.S_ISDIR(mode) else "is not a file"


def content(path: Path) -> bytes:
    """The bytes of a file; OSError where `fault` finds one."""
    if reason := fault(path):
        raise OSError(reason)
    return path.read_bytes()


@contextmanager
def reading(
    what: str,
    *,
    expected: str | None = None,
    fix: str | None = None,
    also: type[Exception] = OSError,
    named: bool = False,
) -> Iterator[None]:
    """Turn the errors of reading a missing, foreign or damaged file into a UserError of that text.

    Args:
        expected, fix: parts of the UserError.
        also: an error that the reader of this format raises in addition to Python's usual errors.
        named: whether the type of the error is shown.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, also) as error:
        text = f"{type(error).__name__}: {error}" if named else str(error)
        raise UserError(what, found=text, expected=expected, fix=fix) from error


def state(path: Path) -> list[int]:
    """Size, mtime and ctime in ns, and inode of a file: they change with its content.

    A program can reset the mtime, but not the ctime.
    """
    info = path.stat()
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def composed(name: str) -> str:
    """A name in the composed form of Unicode (NFC): macOS stores é as two characters."""
    return unicodedata.normalize("NFC", name)


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def write_text(path: Path | str, text: str) -> None:
    """Write `text` (UTF-8, newlines as they are) atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write results as JSON in one line without spaces, `rounded`."""
    write_text(path, json.dumps(rounded(content), ensure_ascii=False, separators=(",", ":")) + "\n")


def rounded(content: Any) -> Any:
    """Round floats to `DIGITS` significant digits, also in dictionaries and lists; other values stay."""
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, Mapping):
        return {key: rounded(value) for key, value in content.items()}
    return [*map(rounded, content)] if isinstance(content, list | tuple) else content


def write_sums(path: Path, sums: Mapping[str, str]) -> None:
    """Write SHA-256 by name, as `sha256sum --check` reads them."""
    write_text(path, "".join(f"{hashed}  {name}\n" for name, hashed in sums.items()))


def read_sums(path: Path) -> dict[str, str]:
    """The SHA-256 by name that `write_sums` wrote."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: hashed for hashed, _, name in (line.partition("  ") for line in lines)}


def sha256(path: Path | str) -> str:
    """64 hex digits of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_without(key: str, content: Mapping[str, Any]) -> str:
    """64 hex digits of JSON-like content without the entry `key` that holds them, independent of the order of keys."""
    covered = {name: value for name, value in content.items() if name != key}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()
