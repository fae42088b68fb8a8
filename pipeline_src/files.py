"""Files: folders that are walked, atomic writes, errors of disks, and digests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError, did_you_mean

FULL = (errno.ENOSPC, errno.EDQUOT)  # error numbers of a full disk, and of an exceeded quota
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)  # error numbers of a missing write permission
SPARE = 1 << 20  # bytes; a disk with fewer free bytes counts as full
Content = dict[str, Any]  # of a JSON file
# Significant digits of measured numbers in tables and JSON; the last of 17 depend on the processor.
DIGITS = 8


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success flush it to disk and rename it to `path`.

    A reader of `path` sees the old file or the new one, never a part of either, also after a power
    cut.

    Raises:
        UserError: the disk is full, or the folder is not writable. The old file is unchanged.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept, since numpy and matplotlib choose a format by it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            # A full disk is noticed here, before the removal of the temporary file frees its space.
            with writing(path):
                yield temporary
                flush(temporary)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # the usual permissions: mkstemp makes private files
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder next to `path`; on success it replaces the folder `path`.

    The earlier folder is moved aside first. If the command is killed before the new one has taken
    its place, the next call, or `restore_folder`, moves it back.

    Raises:
        UserError: the disk is full, or the folder above is not writable.
    """
    restore_folder(path)
    new = path.with_name(f".{path.name}.partial")
    with writing(path):
        shutil.rmtree(new, ignore_errors=True)  # of a killed command
        new.mkdir(parents=True)
    try:
        with writing(path):
            yield new
            if path.exists():
                os.rename(path, _earlier(path))
            os.rename(new, path)
    finally:
        restore_folder(path)
        shutil.rmtree(new, ignore_errors=True)


def restore_folder(path: Path) -> None:
    """Move back an earlier folder `path` that a killed command moved aside.

    If `path` exists, the earlier folder was replaced and is removed.
    """
    earlier = _earlier(path)
    with writing(path):
        if path.exists():
            shutil.rmtree(earlier, ignore_errors=True)
        elif earlier.exists():
            os.rename(earlier, path)


def _earlier(path: Path) -> Path:
    """Return the path to which `atomic_folder` moves the earlier folder `path` aside."""
    return path.with_name(f".{path.name}.earlier")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a UserError that names `path` if the disk is full or the folder is not writable.

    numpy and torch raise errors of their own types on a full disk, so free space is also measured.
    All other errors stay as they are.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        named = Path(str(getattr(error, "filename", None) or path)).absolute()
        folder = path.absolute().parent
        if number in FULL or _free(path) < SPARE:
            raise UserError(
                f"{path} could not be written: the disk is full",
                found=f"{_free(path) / 2**20:.1f} MiB free; {error}",
                expected="space for the file; the earlier file is unchanged",
                fix="free some space, and start the same command again",
            ) from error
        # Only an error about the folder of `path`, a folder above it or a file in it.
        if number in READ_ONLY and (folder.is_relative_to(named) or named.is_relative_to(folder)):
            raise UserError(
                f"{path} could not be written: its folder is not writable",
                found=error,
                expected=f"write permission in {path.parent}",
                fix="change the permissions, or name another folder",
            ) from error
        raise


def check_folder(folder: Path) -> None:
    """Raise a UserError if a folder does not exist; it suggests a folder of a similar name."""
    if not folder.is_dir():
        siblings = [path.name for path in folder.parent.glob("*/")]
        raise UserError(
            f"there is no folder {folder}",
            fix=did_you_mean(folder.name, siblings) or "correct its name",
        )


def visible_folders(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below `top` with the names of its folders and files, as `os.walk` does.

    Hidden files and folders are left out. Symbolic links to folders are followed, but a folder that
    has several paths is yielded once.

    Raises:
        OSError: a folder cannot be read; `os.walk` by itself leaves out its files without a word.
    """
    visited = set()
    for path, subfolders, names in os.walk(top, followlinks=True, onerror=_raise):
        folder = Path(path)
        target = folder.resolve()
        if target in visited:  # a link can lead back to a folder above it
            subfolders.clear()
            continue
        visited.add(target)
        # `os.walk` descends into those that are left in its list, here into links at last: so a
        # folder keeps its own path.
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        subfolders.sort(key=lambda name: (folder / name).is_symlink())
        yield folder, subfolders, [name for name in names if not _hidden(name)]


def _raise(error: OSError) -> None:
    """Raise an error that `os.walk` reports."""
    raise error


def _hidden(name: str) -> bool:
    """Return whether a name is hidden, or a folder that macOS adds to zip archives."""
    return name.startswith(".") or name == "__MACOSX"


def check_writable(folder: Path, name: str) -> None:
    """Raise a UserError if a folder, or the folder in which it would be created, cannot be written.

    Args:
        name: of the folder, for the error.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(
            f"{name} cannot be written",
            found=f"{existing}, a file or a folder without write permission",
            fix="change the permissions, or give another name",
        )


def check_space(folder: Path, needed: int, content: str, fix: str) -> None:
    """Raise a UserError if the disk of `folder` has fewer than `needed` bytes free.

    Args:
        content: what is to be written, as the error names it.
        fix: advice for a disk that is too small.
    """
    free = _free(folder / "*")  # `_free` expects a path in the folder
    if free < needed:
        raise UserError(
            f"the disk is nearly full: {content} does not fit into {folder}",
            found=f"{free / 2**20:,.1f} MiB free",
            expected=f"{needed / 2**20:,.0f} MiB or more",
            fix=f"{fix}, and start the same command again",
        )


def _free(path: Path) -> int:
    """Return the free bytes of the disk that holds, or will hold, `path`."""
    folder = path.absolute().parent
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def reading(problem: str, *, expected: str | None = None, fix: str | None = None) -> Iterator[None]:
    """Turn any error of a missing or damaged file, or of a user's code, into a UserError.

    Args:
        problem, expected, fix: parts of the UserError; the error itself is what was found.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a config is a program, and libraries have errors of their own
        found = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(problem, found=found[:500], expected=expected, fix=fix) from error


def composed(name: str) -> str:
    """Return a name in the composed form of Unicode (NFC): macOS stores é as two characters.

    Raises:
        UserError: the name of the file is not UTF-8, so no table could hold it.
    """
    with reading(f"the name {name!a} is not UTF-8", fix="rename the file"):
        name.encode()
    return unicodedata.normalize("NFC", name)


def check_regular(path: Path | str) -> None:
    """Raise an OSError unless `path` is a regular file: reading a named pipe may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file; an OSError for a named pipe, a folder or a device."""
    check_regular(path)
    return path.read_bytes()


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def write_text(path: Path | str, text: str) -> None:
    """Write `text` (UTF-8, newlines as they are) atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write results as JSON in one line without spaces, all floats `rounded`."""
    write_text(path, json.dumps(rounded(content), ensure_ascii=False, separators=(",", ":")) + "\n")


def rounded(content: Any) -> Any:
    """Return the content with all floats rounded to `DIGITS` significant digits, at any depth."""
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, Mapping):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return list(map(rounded, content))
    return content


# Digests


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a regular file's bytes, 64 hex digits."""
    check_regular(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state(path: Path) -> list[int]:
    """Return size, mtime and ctime in ns, and inode of a file: one changes if its content does.

    A program can set the mtime (time of the last change) back, but not the ctime.
    """
    info = path.stat()
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def digests(folder: Path, names: Iterable[str], record: Path) -> dict[str, str]:
    """Return the SHA-256 of files in `folder` by name, without those that cannot be read.

    Files whose `state` is that of an earlier call are not read again.

    Args:
        record: JSON file with state and digest of each file of earlier calls; it may be removed at
            any time.
    """
    known: Content = {}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(record.read_bytes()))
    current: Content = {}
    for name in names:
        with suppress(OSError):  # the error is for the code that needs the file's content
            present = state(folder / name)
            entry = known.get(name)
            if not entry or entry[0] != present:
                entry = [present, sha256(folder / name)]
            current[name] = entry
    if known | current != known:
        # With the other files of the record, because two datasets may share it.
        write_text(record, json.dumps(known | current))
    return {name: digest for name, (_, digest) in current.items()}


def hash_of(**values: Any) -> str:
    """Return the SHA-256 of JSON-like values by name, 64 hex digits; the order has no effect."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
