"""A few files of each sort that `fuzz.py` makes, and those that its long runs found."""

from __future__ import annotations

import fuzz
import pytest


@pytest.mark.parametrize("name", fuzz.READERS)
def test_whole_files_are_read(name, tmp_path):
    """Else nothing but the first lines of a reader would be tested."""
    for number, (suffix, data) in enumerate(fuzz.known(name)):
        file = tmp_path / f"{number}/file{suffix}"
        file.parent.mkdir()
        file.write_bytes(data)
        fuzz.READERS[name].read(file)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_any_file_is_read_or_refused(name):
    fuzz.fuzz(name, 15)
