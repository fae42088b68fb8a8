"""The pass over the pixels of one image into the counts of one protocol.

Two ways lead to the same counts: `add_floats` streams a float32 map in blocks that stay in the cache; `add_fractions`
takes the histogram of an integer map, at most 2 x 65,536 entries, and works in exact integers.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.statistics.levels import CLAMP, HALF, LEVELS, POSITION, UNIT

BLOCK = 1 << 15  # pixels; all buffers of a block together fit a 2 MB second-level cache
PENDING = 1 << 28  # a float64 holds the sum of so many positions (multiples of 2^-24, at most 1) exactly, with room


def errors(absolute: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Absolute error, squared error, NLL and entropy of each pixel, in units of 1 / UNIT, as whole float64 numbers.

    Args:
        absolute: |f - y| per pixel, float64 in [0, 1]. With q = 1 - |f - y|, the probability given to the label, the
            NLL is -log q and the entropy -q log q - (1-q) log(1-q) (that of f, since q is f or 1-f); q is clamped.

    Whole numbers: their sum over an image does not depend on the order of the pixels.
    """
    q = 1.0 - absolute
    np.clip(q, CLAMP, 1 - CLAMP, out=q)
    log_q = np.log(q)
    log_r = np.log(1.0 - q)
    entropy = log_q - log_r
    entropy *= q
    entropy += log_r
    entropy *= -UNIT
    log_q *= -UNIT
    scaled = absolute * UNIT
    squared = scaled * absolute
    return tuple(np.rint(x, out=x) for x in (scaled, squared, log_q, entropy))


class FloatPass:
    """Adds float32 maps to count and position; holds sums back until `flush`."""

    def __init__(self, counts):
        self.counts = counts
        # count + i * sum of positions: one random access per pixel instead of two
        self.pending = np.zeros(4 * (HALF + 1), np.complex128)
        self.held = 0
        self.weight = np.ones(BLOCK, np.complex128)
        self.whole = np.empty(BLOCK, np.int32)
        self.key = np.empty(BLOCK, np.int64)
        self.doubt = np.empty(BLOCK)
        self.floor = np.empty(BLOCK)

    def block(self, f: np.ndarray, y: np.ndarray) -> tuple[int, float, float]:
        """Count at most BLOCK pixels, f float32 in [0, 1], y uint8 in {0, 1}; return correct, levels and positions."""
        n = len(f)
        weight, whole, key, x, floor = (a[:n] for a in (self.weight, self.whole, self.key, self.doubt, self.floor))
        one = np.float32(1)
        doubt = one - f
        np.maximum(doubt, f, out=doubt)
        np.subtract(one, doubt, out=doubt)  # 1 - confidence is exact in float32
        x[:] = doubt
        x *= LEVELS  # exact: 24 by 17 bits
        np.copyto(whole, x, casting="unsafe")  # truncates
        floor[:] = whole
        x -= floor
        weight.imag = x
        predicted = f >= np.float32(0.5)
        code = predicted.view(np.uint8) + predicted.view(np.uint8)
        code |= y
        whole <<= 2
        whole |= code
        key[:] = whole
        np.add.at(self.pending, key, weight)
        quarter = doubt == np.float32(0.25)  # the only edge below 0.5 that a float32 meets exactly: 0.25
        if quarter.any():
            label = y[quarter & ~predicted]
            self.counts.on_edge[LEVELS // 4] += np.bincount(label, minlength=2)
        self.held += n
        if self.held >= PENDING:
            self.flush()
        return int(np.count_nonzero(predicted.view(np.uint8) == y)), float(floor.sum()), float(x.sum())

    def flush(self) -> None:
        """Move what is held back into the counts."""
        shape = self.counts.count.shape
        self.counts.count += self.pending.real.astype(np.int64).reshape(shape)
        self.counts.position += (self.pending.imag * POSITION).astype(np.int64).reshape(shape)
        self.pending[:] = 0
        self.held = 0

    def add(self, f: np.ndarray, y: np.ndarray, row: bool) -> tuple[dict[str, int], np.ndarray] | None:
        """Count one image: f float32 (n,) in [0, 1], y uint8 (n,) in {0, 1}. Returns its sums and (256, 2) levels."""
        correct, floors, positions = 0, 0, 0.0
        sums = [0, 0, 0, 0]
        levels = np.zeros(512, np.int64)
        for start in range(0, len(f), BLOCK):
            fb, yb = f[start : start + BLOCK], y[start : start + BLOCK]
            c, whole, part = self.block(fb, yb)
            if not row:
                continue
            correct, floors, positions = correct + c, floors + int(whole), positions + part
            wide = fb.astype(np.float64)
            level = (wide * 255).astype(np.int32)  # exact product, truncated
            level <<= 1
            level |= yb
            levels += np.bincount(level, minlength=512)
            wide -= yb
            np.abs(wide, out=wide)
            for k, values in enumerate(errors(wide)):
                sums[k] += int(values.sum())
        if not row:
            return None
        doubt = (floors + positions) / LEVELS
        names = dict(zip(("absolute", "brier", "nll", "entropy"), sums, strict=True))
        return {"correct": correct, "confidence": round((len(f) - doubt) * UNIT), **names}, levels.reshape(256, 2)


def add_fractions(counts, value, label, number, denominator: int) -> tuple[dict[str, int], np.ndarray]:
    """Count the histogram of one integer map: `number` pixels with f = value / denominator and the label.

    Args:
        counts: the `Counts` to add to.
        value, label, number: (n,) int64; 0 <= value <= denominator, label in {0, 1}.
    """
    doubt = np.minimum(value, denominator - value) * LEVELS
    level, rest = np.divmod(doubt, denominator)
    position = np.rint(rest * (POSITION / denominator)).astype(np.int64)
    predicted = (2 * value >= denominator).astype(np.int64)
    at = (level, predicted, label)
    np.add.at(counts.count, at, number)
    np.add.at(counts.position, at, number * position)
    edge = (rest == 0) & (predicted == 0) & (level > 0)
    np.add.at(counts.on_edge, (level[edge], label[edge]), number[edge])

    levels = np.zeros((256, 2), np.int64)
    np.add.at(levels, (value * 255 // denominator, label), number)
    error = np.abs(value - label * denominator) / denominator
    names = ("absolute", "brier", "nll", "entropy")
    sums = {k: sum((x.astype(np.int64) * number).tolist()) for k, x in zip(names, errors(error), strict=True)}
    pixels = int(number.sum())
    doubts = sum((doubt // LEVELS * number).tolist()) / denominator
    correct = int(number[predicted == label].sum())
    return {"correct": correct, "confidence": round((pixels - doubts) * UNIT), **sums}, levels
