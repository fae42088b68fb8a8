"""The compiled loops over pixels that `accumulate` counts with, on the grid that `levels`
describes.

numba keeps the compiled code on disk where a folder can be written. Its cache knows this file and
nothing of what it imports. So kernels get constants of other files as arguments, and call only
kernels of this file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.errors import UserError
from pipeline_src.files import sha256, write_text

try:
    from numba import njit, types
except ImportError as error:
    raise UserError(
        "numba, which compiles the loops over pixels, cannot be used",
        found=error,
        expected="a numba that fits this Python and this numpy",
        fix="python -m pip install --upgrade numba",
    ) from error

INT = types.int64
FLOAT = types.float64
BOOL = types.boolean
NOTHING = types.void
several = types.UniTuple  # (type, number): what a kernel returns


def read_type(element: Any) -> Any:
    """Return the numba type of a contiguous array of one axis that a kernel reads.

    Args:
        element: the numba type of its elements.
    """
    return types.Array(element, 1, "C", readonly=True)


def compiled(*signatures: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that compiles a function at once for these types of arguments, without
    Python's lock (nogil).

    A cache folder that is full, read-only, damaged or in use costs only time.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        """Return the compiled function, from numba's cache where it is there and not damaged."""
        try:
            kernel: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
            folder = Path(kernel.stats.cache_path)
            remove_damaged(folder, function.__name__)
            for signature in signatures:
                kernel.compile(signature)  # or load from the cache
            kernel.disable_compile()  # arguments of other types are an error, not a new variant
            if kernel.stats.cache_misses:  # compiled, so the cache has new files
                record_digests(folder, function.__name__)
        except Exception:  # of the cache folder; a fault of the function is raised again below
            kernel = njit(list(signatures), nogil=True, error_model="numpy")(function)
        return kernel

    return decorate


def remove_damaged(folder: Path, kernel: str) -> None:
    """Remove the files of a kernel in numba's cache if they are not those of `record_digests`.

    numba checks nothing: a flipped bit in the compiled code ends Python without a message, or
    changes counts.
    """
    with suppress(OSError, ValueError):
        if (folder / f"kernels.{kernel}.sha256").read_text() == digests(folder, kernel):
            return
    for file in folder.glob(f"kernels.{kernel}-*.nb?"):
        file.unlink()


def record_digests(folder: Path, kernel: str) -> None:
    """Write the SHA-256 of the files of a kernel in numba's cache."""
    write_text(folder / f"kernels.{kernel}.sha256", digests(folder, kernel))


def digests(folder: Path, kernel: str) -> str:
    """Return a line "SHA-256  name" for this file and each file of a kernel in numba's cache.

    `remove_damaged` recognizes a damaged file by these, and files compiled from an earlier text:
    numba before 0.68 compares only size and time.
    """
    files = [Path(__file__), *sorted(folder.glob(f"kernels.{kernel}-*.nb?"))]
    return "".join(f"{sha256(file)}  {file.name}\n" for file in files)


# A cell of a buffer holds the number of its pixels, in units of PIXEL, and their summed positions
# as one integer: one access to memory per pixel. Positions begin at -levels // 2, since the
# rounding of scores may put a pixel that far below its level.
PIXEL = 1 << 44
PENDING = 1_000_000  # pixels that a cell can hold: their positions sum to less than PIXEL
# Few cells, and 8-bit values, are counted in so many copies in turn: then the addition of a pixel
# need not wait for that of the previous pixel to the same cell.
COPIES = 4

# Types of the kernels' arguments.
BYTES = read_type(types.uint8)
WORDS = read_type(types.uint16)
SINGLES = read_type(types.float32)
DOUBLES = read_type(FLOAT)
INTS = read_type(INT)
# Contiguous arrays of one, two or three axes, to which a kernel writes.
ROWS = INT[::1]
TABLE = INT[:, ::1]
CUBE = INT[:, :, ::1]
SMALL = types.int32[::1]
ERRORS = FLOAT[::1]
LOGS = FLOAT[:, ::1]


@compiled(several(INT, 2)(SINGLES, BYTES, BOOL, INT, INT, INT, INT, SMALL, SMALL, ROWS))
def count_floats(f, y, scores, levels, position, shift, last, cell, rest, pending):
    """Add pixels to `pending`, (4 * (levels // 2 + 1 + last),): by cell (`levels`), predicted class
    and label, the label fastest. A pixel adds `PIXEL` and its position within its level.

    Args:
        f, y: (n,), probabilities and labels.
        scores: whether all bits of f below 0.5 count (`accumulate.FloatPass`).
        levels, position: the number of levels, and `POSITION`.
        shift, last: `levels.SHIFT` and `levels.LAST`; 0 for cells that are levels.
        cell, rest: (m,) int32, buffers: index into `pending`, and position within the level.

    Returns:
        background and foreground pixels at f = 0.25, the one edge below 0.5 that a float32 can lie
        on.
    """
    unity = np.float32(1)
    half = np.float32(0.5)
    edge = 0
    edge_foreground = 0
    shift = np.int32(shift)
    last = np.int32(last)
    for start in range(0, f.size, cell.size):
        fb = f[start : start + cell.size]
        yb = y[start : start + cell.size]
        # The compiler handles several pixels at once in this loop, because nothing is looked up.
        for i in range(fb.size):
            p = fb[i]
            least = np.float32(abs(min(p, unity - p)))  # of -0.0, too
            doubt = np.float64(least if scores else unity - max(p, unity - p))
            level = np.floor(doubt * levels)  # exact: 24 by 17 bits
            # The position within the level, doubt * levels - level, in units of 1 / `position`.
            rest[i] = np.int32(np.rint(doubt * position) * levels - level * position)
            # Leading bits of the doubt, which tell the pixels of the first levels apart.
            finer = (np.float32(least).view(np.int32) >> shift) + (least > 0)
            cell[i] = 4 * (np.int32(level) + min(finer, last)) + 2 * (p >= half) + yb[i]
            on_edge = (doubt == 0.25) & (p < half)
            edge += on_edge
            edge_foreground += on_edge & (yb[i] == 1)
        for i in range(fb.size):
            pending[np.uint32(cell[i])] += PIXEL + levels // 2 + rest[i]  # the sum is not negative
    return edge - edge_foreground, edge_foreground


@compiled(NOTHING(SINGLES, BYTES, INT, INT, SMALL, ROWS, ROWS))
def count_few(f, y, levels, bits, cell, amount, pending):
    """Add pixels of one object to `pending` (4 * (levels // 2 + 1) * COPIES,), as `count_floats`
    does, but in fast 32-bit integers, for up to 500 levels.

    Doubts are whole numbers of 2^-`bits`, up to 2^23 of them, so 32 bits hold their products with
    `levels`. The upper bits of a product are the level, the lower ones (`below`) the position in
    it. `cell` and `amount` (m,) are buffers: index into `pending`, and what a pixel adds.
    """
    unity = np.float32(1)
    half = np.float32(0.5)
    number = np.uint32(levels)
    unit = np.float32(1 << bits)
    below = np.uint32((1 << bits) - 1)
    for start in range(0, f.size, cell.size):
        fb = f[start : start + cell.size]
        yb = y[start : start + cell.size]
        for i in range(fb.size):
            p = fb[i]
            doubt = np.uint32(np.uint32(np.int32((unity - max(p, unity - p)) * unit)) * number)
            amount[i] = PIXEL + levels // 2 + np.int64(doubt & below)
            group = 4 * np.int32(doubt >> np.uint32(bits)) + 2 * (p >= half) + yb[i]
            cell[i] = COPIES * group + i % COPIES
        for i in range(fb.size):
            pending[np.uint32(cell[i])] += amount[i]


@compiled(NOTHING(ROWS, INTS, INT, INT, ROWS, ROWS, ROWS))
def move(pending, level, copies, levels, count, position, surest):
    """Move the buffer `pending` to the flat arrays of a histogram, and set it to 0.

    Args:
        pending: (4 * cells * copies,), a number of pixels and their summed positions in one integer
            (`PIXEL`).
        level: (cells,) the level of each cell.
        count, position: (2 * levels + 4,), by level, predicted class and label.
        surest: pixels of the first cells, as many as it can hold.
    """
    for i in range(4 * level.size * copies):
        cell = i // copies
        to = 4 * level[cell // 4] + cell % 4
        pixels = np.int64(np.uint64(pending[i]) // np.uint64(PIXEL))
        count[to] += pixels
        position[to] += pending[i] - pixels * (PIXEL + levels // 2)
        if cell < surest.size:
            surest[cell] += pixels
        pending[i] = 0


@compiled(several(INT, 2)(SINGLES, BYTES, INT, TABLE, ERRORS))
def compare_floats(f, y, unit, levels, error):
    """Return the correct pixels of a block and their summed confidences in 1 / `unit`. Also add its
    pixels by 8-bit level and label to `levels` (256, 2), and write |f - y| to `error`.
    """
    unity = np.float32(1)
    half = np.float32(0.5)
    correct = 0
    confidence = 0
    for i in range(f.size):
        correct += (f[i] >= half) == (y[i] == 1)
        confidence += np.int32(max(f[i], unity - f[i]) * np.float64(unit))
        error[i] = abs(y[i] - np.float64(f[i]))
    for i in range(f.size):
        levels[np.uint64(255 * np.float64(f[i])), y[i]] += 1  # the product is exact in float64
    return correct, confidence


@compiled(NOTHING(DOUBLES, FLOAT, LOGS))
def chances(error, clamp, chance):
    """Write the clamped probabilities of the wrong and of the right label, from |f - y|.

    Args:
        error: (n,) |f - y|, the probability given to the wrong label.
        chance: (2, n), written.
    """
    for i in range(error.size):
        wrong = min(max(error[i], clamp), 1 - clamp)
        chance[0, i] = wrong
        chance[1, i] = 1 - wrong


@compiled(several(INT, 4)(DOUBLES, LOGS, INTS, FLOAT, FLOAT))
def score_sums(error, logs, number, clamp, unit):
    """Return the sums of `counts.SCORE_SUMS` over pixels in 1 / `unit`.

    Each value is rounded first, so the order of pixels does not matter.

    Args:
        error: (n,), |f - y|.
        logs: (2, n), logarithms of the probabilities of the wrong and of the right label
            (`chances`).
        number: (n or more,), how many pixels have each value.
        clamp: the least probability whose logarithm was taken.
    """
    absolute = 0
    brier = 0
    nll = 0
    entropy = 0
    for i in range(error.size):
        right = 1 - min(max(error[i], clamp), 1 - clamp)
        log_wrong = logs[0, i]
        log_right = logs[1, i]
        absolute += number[i] * np.int64(np.rint(error[i] * unit))
        brier += number[i] * np.int64(np.rint(error[i] * error[i] * unit))
        nll -= number[i] * np.int64(np.rint(log_right * unit))
        # q log q + (1-q) log(1-q) = log(1-q) + q (log q - log(1-q))
        mean_log = log_wrong + right * (log_right - log_wrong)
        entropy -= number[i] * np.int64(np.rint(mean_log * unit))
    return absolute, brier, nll, entropy


@compiled(NOTHING(BYTES, BYTES, CUBE), NOTHING(WORDS, BYTES, CUBE))
def count_values(v, y, pixels):
    """Add an integer map to `pixels` (values, 2, 2^k), by value and label.

    Neighboring pixels go to different ones of the 2^k copies, so none waits for the previous one.
    """
    last = pixels.shape[2] - 1
    for i in range(v.size):
        pixels[v[i], y[i], i & last] += 1


@compiled(
    several(INT, 2)(
        INTS, INTS, INTS, INT, INT, INT, INT, INT, CUBE, CUBE, TABLE, CUBE, TABLE, ERRORS
    )
)
def count_fractions(
    value,
    label,
    number,
    denominator,
    levels,
    position,
    shift,
    last,
    count,
    positions,
    on_edge,
    surest,
    image,
    error,
):
    """Count `number` pixels with f = value / denominator and label, each (n,), exactly.

    Level and position of each follow from integers: min(f, 1 - f) is `doubt` / denominator.

    Args:
        levels, position: the number of levels, and `POSITION`.
        shift, last: `levels.SHIFT` and `levels.LAST`, which give the cell of a doubt.
        count, positions, on_edge, surest: the arrays of `counts.Histogram`, added to; `surest` as
            far as it has cells.
        image: (256, 2), pixels by 8-bit level and label, added to.
        error: (n,), |f - y|, written.

    Returns:
        correct pixels, and their summed doubts times the denominator.
    """
    correct = 0
    doubts = 0
    for i in range(value.size):
        v = value[i]
        y = label[i]
        n = number[i]
        doubt = min(v, denominator - v)
        level = doubt * levels // denominator
        rest = doubt * levels % denominator
        predicted = np.int64(2 * v >= denominator)
        count[level, predicted, y] += n
        positions[level, predicted, y] += n * np.int64(np.rint(rest * (position / denominator)))
        finer = (np.float32(doubt / denominator).view(np.int32) >> shift) + (doubt > 0)
        cell = level + min(finer, last)
        if cell < surest.shape[0]:
            surest[cell, predicted, y] += n
        if rest == 0 and level > 0 and not predicted:
            on_edge[level, y] += n
        image[v * 255 // denominator, y] += n
        error[i] = abs(v - y * denominator) / denominator
        correct += n * (predicted == y)
        doubts += n * doubt
    return correct, doubts


def pixels_by_value(v: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the pixels of an integer map v (n,) by value and label y (n,), (values, 2) int64."""
    copies = COPIES if v.dtype == np.uint8 else 1
    pixels = np.zeros((np.iinfo(v.dtype).max + 1, 2, copies), np.int64)
    count_values(v, y, pixels)
    return pixels.sum(axis=2)
