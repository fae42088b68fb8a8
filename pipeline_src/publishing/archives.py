"""The files of a published experiment: ZIP archives, and the error for a damaged file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile, ZipInfo

from pipeline_src.files import reading


def readable(file: Path) -> AbstractContextManager[None]:
    """Return a context in which any error of reading a published file is a UserError, which names
    the file.
    """
    return reading(
        f"{file} was altered or is missing",
        expected="the file that `dense-calibration publish` wrote",
        fix=f"git checkout -- {file}",
    )


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
