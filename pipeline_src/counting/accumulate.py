"""The pass over the pixels of one image into the counts of one protocol.

Two ways lead to the same counts: `FloatPass` takes float32 maps in blocks that stay in the cache;
`add_fractions` takes the histogram of an integer map, at most 2 x 65,536 entries, and works in
exact integers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline_src.counting import kernels
from pipeline_src.counting.counts import SCORE_SUMS, Counts
from pipeline_src.counting.levels import (
    CLAMP,
    COARSE,
    LAST,
    LEVEL_OF_CELL,
    LEVELS,
    POSITION,
    SHIFT,
    UNIT,
)

BLOCK = 1 << 15  # pixels: few enough for the caches, enough to hide what a call costs
KEYS = (
    1 << 9
)  # pixels whose cells are computed at once, then counted: with the counts they fit the L1 cache


def score_sums(
    error: np.ndarray, logs: np.ndarray, number: np.ndarray, clamp: float = CLAMP
) -> np.ndarray:
    """Return the sums of `SCORE_SUMS` (absolute error, squared error, NLL, entropy) as Python
    integers in 1 / UNIT.

    Each value is rounded to a whole number of units first, so the sums do not depend on the order
    of pixels. With q = 1 - |f - y|, the probability given to the label, the NLL is -log q and the
    entropy -q log q - (1-q) log(1-q) (that of f, since q is f or 1-f); q is clamped.

    Args:
        error: (n,) float64, |f - y|.
        logs: (2, n) float64, a buffer.
        number: (n,) int64, pixels with this error.
        clamp: the least q.
    """
    kernels.chances(error, clamp, logs)
    np.log(logs, out=logs)  # numpy takes several at once; compiled loops take one after the other
    return np.array(kernels.score_sums(error, logs, number, clamp, UNIT), object)


class ImageCounts(NamedTuple):
    """The counts and measures of one image.

    Attributes:
        sums: its sums by column name (`counts.COLUMNS`).
        levels: (256, 2) int64, its pixels per 8-bit level and label.
    """

    sums: dict[str, int]
    levels: np.ndarray


class FloatPass:
    """Adds float32 maps to the counts of one protocol; `pending` buffers `held` pixels until
    `flush`.

    The other arrays are work space, allocated once: `cell` to `logs` of a block, and `single`, one
    pixel per value.

    Args:
        scores: whether f is the score of one of K classes: f below 0.5 is then binned by all its
            bits. For one object f below 0.5 stands for the confidence 1 - f, a float32 of 24 bits.
    """

    def __init__(self, counts: Counts, scores: bool = False):
        self.counts, self.scores = counts, scores
        self.few = counts.levels == COARSE and not scores
        self.last = LAST if counts.levels == LEVELS else 0
        self.level = LEVEL_OF_CELL if self.last else np.arange(len(counts.count))
        self.copies = kernels.COPIES if self.few else 1
        self.pending = np.zeros(4 * len(self.level) * self.copies, np.int64)
        self.held = 0
        self.cell, self.rest = np.empty((2, KEYS), np.int32)
        self.amount = np.empty(KEYS, np.int64)
        self.scaled = np.empty(BLOCK, np.float32)
        self.error = np.empty(BLOCK)
        self.logs = np.empty(2 * BLOCK)
        self.single = np.ones(0 if counts.rows is None else BLOCK, np.int64)

    def add(
        self,
        f: np.ndarray,
        y: np.ndarray,
        scale: tuple[np.float32, np.float32] | None = None,
        summed: bool = True,
    ) -> ImageCounts:
        """Count one image.

        Args:
            f: (n,) float32 in [0, 1].
            y: (n,) uint8 in {0, 1}.
            scale: (low, high) of min-max normalization, f -> (f - low) / (high - low); 0 where both
                are equal.
            summed: whether to compute the sums of the image, which take most of the time. Neither
                sums nor levels are computed if the counts keep no rows.
        """
        sums, scores = np.zeros(2, object), np.zeros(len(SCORE_SUMS), object)
        levels = np.zeros((256, 2), np.int64)
        block = (
            BLOCK if scale or self.counts.rows is not None else kernels.PENDING
        )  # kernels split longer maps
        for start in range(0, len(f), block):
            fb, yb = f[start : start + block], y[start : start + block]
            n = len(fb)
            if scale is not None:
                low, high = scale
                fb = np.subtract(fb, low, out=self.scaled[:n])
                if high > low:
                    fb /= high - low
            self._count(fb, yb)
            if self.counts.rows is not None:
                error = self.error[:n]
                sums += kernels.compare_floats(fb, yb, UNIT, levels, error)
                if summed:
                    scores += score_sums(error, self.logs[: 2 * n].reshape(2, n), self.single)
        return ImageCounts(_by_column(len(f), *sums, *scores) if summed else {}, levels)

    def _count(self, f: np.ndarray, y: np.ndarray) -> None:
        """Count a block."""
        if self.held + len(f) > kernels.PENDING:
            self.flush()
        self.held += len(f)
        levels = self.counts.levels
        if self.few:
            kernels.count_few(
                f, y, levels, POSITION.bit_length() - 1, self.cell, self.amount, self.pending
            )
        else:
            buffers = self.cell, self.rest, self.pending
            edge = kernels.count_floats(
                f, y, self.scores, levels, POSITION, SHIFT, self.last, *buffers
            )
            self.counts.on_edge[levels // 4] += edge

    def flush(self) -> None:
        """Move the buffered pixels into the counts."""
        arrays = (
            getattr(self.counts, name).reshape(-1) for name in ("count", "position", "surest")
        )
        kernels.move(self.pending, self.level, self.copies, self.counts.levels, *arrays)
        self.held = 0


def _by_column(pixels: int, *sums: int) -> dict[str, int]:
    """Return the sums of an image by column name."""
    return {"pixels": pixels} | dict(zip(("correct", "confidence", *SCORE_SUMS), sums, strict=True))


def extremes(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest of values (n,): (0, 0) without any, NaN if a value is NaN."""
    blocks = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    ends = np.array([(block.min(), block.max()) for block in blocks] or [(0, 0)], values.dtype)
    return ends[:, 0].min(), ends[:, 1].max()


def histogram(v: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the (value, label) pairs of an integer map as (m,) int64 values, labels and numbers of
    pixels, ascending.

    Args:
        v: (n,) uint8 or uint16.
        y: (n,) uint8 in {0, 1}.
    """
    pixels = by_value(v, y)
    cells = np.flatnonzero(pixels)
    return cells >> 1, cells & 1, pixels.reshape(-1)[cells]


def by_value(v: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the pixels of an integer map v (n,) by value and by label y (n,), (values, 2) int64."""
    pixels = np.zeros(
        (np.iinfo(v.dtype).max + 1, 2, kernels.COPIES if v.dtype == np.uint8 else 1), np.int64
    )
    kernels.histogram(v, y, pixels)
    summed: np.ndarray = pixels.sum(axis=2)  # over the kernel's copies
    return summed


def add_fractions(
    counts: Counts,
    value: np.ndarray,
    label: np.ndarray,
    number: np.ndarray,
    denominator: int,
    clamp: float = CLAMP,
) -> ImageCounts:
    """Count the histogram of an integer map: `number` pixels have the fraction value / denominator
    and the label.

    Args:
        counts: what is added to.
        value, label, number: (n,) int64, as of `histogram`; 0 <= value <= denominator, label in {0,
            1}.
        clamp: as of `score_sums`.
    """
    levels, error = np.zeros((256, 2), np.int64), np.empty(len(value))
    grid = (counts.levels, POSITION, SHIFT, LAST)
    arrays = (counts.count, counts.position, counts.on_edge, counts.surest, levels, error)
    correct, doubts = kernels.count_fractions(value, label, number, denominator, *grid, *arrays)
    pixels = int(number.sum())
    confidence = round((1 - doubts / denominator / max(1, pixels)) * pixels * UNIT)
    scores = score_sums(error, np.empty((2, len(value))), number, clamp)
    return ImageCounts(_by_column(pixels, correct, confidence, *scores), levels)
