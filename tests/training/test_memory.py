"""A process that trains keeps what it frees."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline_src.training import memory

FREED_AND_TAKEN = """
import resource
from pipeline_src.training import memory
kept = {call}
def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [b"x" * 20_000_000 for _ in range(5)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
step(), step()
print(kept, step())
"""


def pages(call: str) -> tuple[str, int]:
    """Whether the allocator could be told, and the pages that the system gives to a third step of 100 MB."""
    program = [sys.executable, "-c", FREED_AND_TAKEN.format(call=call)]
    told, new = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    return told, int(new)


def test_a_step_takes_the_memory_that_the_last_one_freed():
    told, new = pages("memory.keep_freed()")
    if told == "False":
        pytest.skip("another C library than glibc")
    assert new < 100


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed()
