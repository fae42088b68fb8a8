"""Loops over pixels, compiled by numba; the compiled code is kept on disk where a folder can be written.

The cache knows the file of a kernel and nothing of what it imports. So kernels get constants of other files as
arguments, and call kernels of their own file alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_src.errors import UserError

try:
    from numba import njit, types
except ImportError as error:
    raise UserError(
        "numba, which compiles the loops over pixels, cannot be used",
        found=error,
        expected="a numba that fits this Python and this numpy",
        fix="python -m pip install --upgrade numba",
    ) from error

if TYPE_CHECKING:
    from numba.core.typing.templates import Signature

INT, FLOAT, BOOL, NOTHING, several = types.int64, types.float64, types.boolean, types.void, types.UniTuple


def read(dtype: str) -> types.Array:
    """The type of a contiguous array of one axis that a kernel reads."""
    return types.Array(getattr(types, dtype), 1, "C", readonly=True)


def written(dtype: str, axes: int = 1) -> types.Array:
    """The type of a contiguous array that a kernel writes to."""
    return types.Array(getattr(types, dtype), axes, "C")


def compiled(*signatures: Signature) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for these types of arguments, at once, and so that it may run beside other threads.

    What the folder of the cache does, full, read-only, damaged or in use by others, costs time alone.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def compile_it(cache: bool) -> Callable[..., Any]:
            kernel: Callable[..., Any] = njit(list(signatures), cache=cache, nogil=True, error_model="numpy")(function)
            return kernel

        try:
            return compile_it(cache=True)
        except Exception:  # whatever the folder makes of it; a fault of the function is raised again
            return compile_it(cache=False)

    return decorate
