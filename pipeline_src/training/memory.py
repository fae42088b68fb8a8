"""Memory of a process that trains or predicts: what a step has freed stays, for the next step."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h; the same numbers since glibc 2.0


def keep_freed() -> bool:
    """Let this process keep the memory that it frees; returns whether its C library (glibc) could be told so.

    Activations are freed at the end of a step. glibc gives them back to the system, and the next step gets them as new
    pages, which the system clears: an eighth of a step's time. No number changes by it.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:  # another C library: macOS, musl
        return False
    # Both: blocks above a size lie outside of the heap, and go back whatever the threshold for its end.
    return bool(tell(M_MMAP_MAX, 0)) and bool(tell(M_TRIM_THRESHOLD, -1))
