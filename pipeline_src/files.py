"""Files: written so that they are either whole or not there, what is no file, and the hashes of bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError

NOT_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
SPARE = 1 << 20  # bytes; with fewer a disk is full
SPACE = 32 << 20  # bytes that are free before a result is made
DIGITS = 8  # significant, of measured numbers in tables and JSON: more take room, and the last of 17 are a processor's
NAME_BYTES = 255  # between two /, that a disk can hold
SUMS = ".sha256"  # of the file with the digests of a result and of those beside it


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and put it in place at once.

    Whoever reads `path` sees the old file or the new one, never a half of either, also after a power cut.

    Raises:
        UserError: the disk is full, or the folder not writable. The old file is as it was.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept, since numpy and matplotlib choose a format by it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:100]}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            with writing(path):  # here too, since a full disk has space again without the temporary file
                yield temporary
                flush(temporary)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # mkstemp makes private files; results are meant to be shared
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files of `atomic` that a killed process left beside these files."""
    of_folder: dict[Path, set[tuple[str, str]]] = defaultdict(set)
    for path in paths:
        of_folder[path.parent].add((f".{path.stem[:100]}", path.suffix))
    for folder, own in of_folder.items():
        for file in folder.glob(".*-????????*"):
            parts = re.fullmatch(r"(.+)-.{8}(\.[^.]+)?", file.name, re.DOTALL)
            if parts and (parts[1], parts[2] or "") in own:
                file.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file or folder `path` where the disk is full, or it may not be written.

    Raises:
        UserError: whatever numpy or torch made of the error.
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
                expected="space for the file; what was there before is as it was",
                do="free some space, and start the same command again",
            ) from error
        if number in READ_ONLY and str(path.parent) in str(name or path):
            raise UserError(
                f"{path} could not be written: its folder is not writable",
                found=error,
                expected=f"write permission in {path.parent}",
                do="change the permissions, or work in another folder",
            ) from error
        raise


def check_writable(folder: Path, needed: int = SPACE, what: str = "what is made", do: str = "free some space") -> None:
    """Make `folder`, and find out whether something can be written there, before hours go into it.

    Args:
        needed: bytes that have to be free.
        what: belongs there.
        do: what helps where the disk is too small.

    Raises:
        UserError: a file is in the way, the folder cannot be made, is not writable, or the disk is full.
    """
    places = (folder, *folder.parents)
    if wrong := next((path for path in places if os.path.exists(path) and not os.path.isdir(path)), None):
        raise UserError(
            f"{wrong} cannot be a folder, and {what} belongs into {folder}/",
            found="a file",
            expected="a folder that can be written to, or none",
            do=f"move {wrong} away, and start the command again",
        )
    with writing(folder / "*"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in FULL:
                raise
            raise UserError(
                f"{folder} cannot be made",
                found=error,
                expected="a folder that can be made and written",
                do="change the permissions, or name another folder",
            ) from error
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    if (free := _free(folder / "*")) < needed:
        raise UserError(
            f"the disk is nearly full: {what} does not fit into {folder}",
            found=f"{free / 2**20:,.1f} MiB free",
            expected=f"{needed / 2**20:,.0f} MiB or more",
            do=f"{do}, and start the same command again",
        )


def _free(path: Path) -> int:
    """Bytes that are free where `path` is to be."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free


def fault(path: Path) -> str | None:
    """Why `path` cannot be read as a file, such as "is a named pipe"; None for a file and a link to one.

    Nothing is opened: a pipe would wait for ever.
    """
    link = "a link to " if path.is_symlink() else ""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if link:
            return "is a link in a loop" if error.errno == errno.ELOOP else "is a link to nothing"
        return f"cannot be read: {error.strerror}"
    return None if stat.S_ISREG(mode) else f"is {link}{NOT_FILES.get(stat.S_IFMT(mode), 'no file')}"


def content(path: Path) -> bytes:
    """The bytes of a file; OSError for what is none (`fault`)."""
    if reason := fault(path):
        raise OSError(reason)
    return path.read_bytes()


@contextmanager
def reading(
    what: str, *, expected: str | None, do: str, also: type[Exception] = OSError, named: bool = False
) -> Iterator[None]:
    """Turn what a missing, foreign or damaged file makes its reader raise into a UserError of that text.

    Args:
        also: what the reader of this format raises besides Python's usual errors.
        named: whether what is found there begins with the kind of the error.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, also) as error:
        text = f"{type(error).__name__}: {error}" if named else str(error)
        raise UserError(what, found=text, expected=expected, do=do) from error


def state(path: Path) -> list[int]:
    """What tells that a file has changed, without reading it: size, mtime and ctime in ns, inode. Whoever writes into a
    file can set its mtime back, but not its ctime."""
    info = path.stat()
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def printable(name: str) -> str:
    """A file name for people, though it may not be UTF-8 (Python has stand-ins for such bytes)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def composed(name: str) -> str:
    """A name in the composed form of Unicode (NFC): an é is one character or two, and macOS makes it two."""
    return unicodedata.normalize("NFC", name)


def is_utf8(name: str) -> bool:
    """Whether a file name is UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def overlong(name: str) -> str | None:
    """Why `atomic` cannot write a file of that name, though the disk may hold it: the temporary file's has ten bytes
    more. None if it can."""
    stem, suffix = os.path.splitext(name)
    if len(os.fsencode(f".{stem[:100]}-{8 * '?'}{suffix}")) <= NAME_BYTES:
        return None
    return f"a name of {len(os.fsencode(name))} bytes; at most {NAME_BYTES - 10} can be written, so rename it"


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
    """`DIGITS` significant digits of a float, or of those in dictionaries and lists; what else there is stays."""
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, Mapping):
        return {key: rounded(value) for key, value in content.items()}
    return [*map(rounded, content)] if isinstance(content, list | tuple) else content


def write_sums(path: Path, sums: Mapping[str, str]) -> None:
    """Write SHA-256 by name, as `sha256sum --check` reads them."""
    write_text(path, "".join(f"{hashed}  {name}\n" for name, hashed in sums.items()))


def read_sums(path: Path) -> dict[str, str]:
    """What `write_sums` wrote; lines in another form are of no file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: hashed for hashed, _, name in (line.partition("  ") for line in lines)}


def sha256(path: Path | str) -> str:
    """64 hex digits of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_without(key: str, content: Mapping[str, Any]) -> str:
    """64 hex digits of JSON-like content without the entry that is to hold them, whatever the order of the others."""
    others = {name: value for name, value in content.items() if name != key}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
