"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def downloads() -> Path:
    """The folder of downloaded archives named by ASLP_DOWNLOADS (never needed: tests that use it skip without it)."""
    folder = os.environ.get("ASLP_DOWNLOADS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ASLP_DOWNLOADS names no folder of downloaded archives")
    return Path(folder).resolve()
