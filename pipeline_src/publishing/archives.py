"""The files of a published experiment: ZIP archives, and the error for a damaged file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile, ZipInfo

from pipeline_src.errors import UserError


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn any error of reading a published file into a UserError, which names the file."""
    try:
        yield
    except Exception as error:  # anything that damaged bytes make zip, xz, json and numpy raise
        raise UserError(
            f"{file} was altered or is missing",
            found=f"{type(error).__name__}: {error}",
            expected="the file that `dense-calibration publish` wrote",
            fix=f"git checkout -- {file}",
        ) from error


def pack(files: Mapping[str, bytes], path: Path, compression: int = ZIP_LZMA) -> None:
    """Write files into a ZIP archive, without their times: equal files give equal archives.

    Args:
        files: name -> content.
        compression: a method of the module `zipfile`.
    """
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content, compression)


def unpack(path: Path) -> dict[str, bytes]:
    """Return the files in a ZIP archive, name -> content; empty if there is no archive."""
    if not path.exists():
        return {}
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
