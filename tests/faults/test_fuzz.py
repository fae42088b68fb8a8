"""A few files of each sort that `fuzz.py` makes, and those that its long runs found."""

from __future__ import annotations

import fuzz
import pytest


@pytest.mark.parametrize("name", fuzz.READERS)
def test_whole_files_are_read(name):
    """Else nothing but the first lines of a reader would be tested."""
    for suffix, data in fuzz.known(name):
        fuzz.check(name, suffix, data)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_any_file_is_read_or_refused(name):
    fuzz.fuzz(name, 15)
